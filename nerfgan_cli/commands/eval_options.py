"""The options of `nerfgan eval` that say who is judged, against what, and how."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.data.prepare.folder import Like
from nerfgan_cli.errors import UsageError
from nerfgan_cli.evaluation.distances import DISTANCES
from nerfgan_cli.evaluation.faces import CURVES
from nerfgan_cli.evaluation.judges import LPIPS
from nerfgan_cli.evaluation.metric import Networks
from nerfgan_cli.evaluation.samples import LARGEST_SEED
from nerfgan_cli.evaluation.table import METRICS
from nerfgan_cli.evaluation.turning import TURNING

LARGEST_NUMBER = 1_000_000


@dataclass(frozen=True)
class Order:
    """One parameter of the command, see `grouping`."""

    teacher: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Of a student; else the bundled one of ToyHeads."),
    ] = None
    branch: o.Branch = None
    what: Annotated[
        o.Shown,
        typer.Option("--what", help="Judge the pictures, or the raw ones before super-resolution."),
    ] = o.Shown.image
    resolution: o.Resolution = None
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Real pictures with cameras: a folder or zip with dataset.json, or toyheads.",
        ),
    ] = None
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help=f"Of {', '.join(METRICS)}; networks that named ones lack are fetched. Default: "
            "all that can be had without.",
        ),
    ] = None
    number: Annotated[
        int | None,
        typer.Option(
            "--num",
            "-n",  # torchrun takes --num for one of its own
            min=1,
            max=LARGEST_NUMBER,
            metavar="N",
            help="Pictures for FID and KID, 50000 as published; other metrics take no more than "
            "their own protocols have, 1000 or 1024. Default: a few hundred.",
        ),
    ] = None
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Judge these pictures, made by any other system."),
    ] = None
    cameras: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Cameras of --images, by name; else its dataset.json."),
    ] = None
    like: Annotated[
        Like | None,
        typer.Option(
            "--like", help="Domain of --images' cameras: their radius and focal length; else ffhq."
        ),
    ] = None
    extractor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Whose features FID and KID compare: inception, discriminator, squeezenet. "
            "Default: those at hand; on a CPU the first of them.",
        ),
    ] = None
    inception: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of the Inception of 2015.")
    ] = None
    discriminator: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="A discriminator, for --extractor discriminator and perceptual."
        ),
    ] = None
    squeezenet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of SqueezeNet 1.1.")
    ] = None
    lpips: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Network of LPIPS: alex (default), vgg or squeeze."),
    ] = None
    lpips_weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Torchvision's file of that network.")
    ] = None
    pack: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="InsightFace's pack or a folder, for faces."),
    ] = None
    pose_network: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="Finds the pose.")
    ] = None
    identity_network: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="Tells faces apart.")
    ] = None
    landmark_network: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="Finds landmarks.")
    ] = None
    condition_on_view: Annotated[
        bool,
        typer.Option(
            "--condition-on-view",
            help="Of pose, identity and landmarks: the mapping network sees each view's camera, as "
            "in training. Else the frontal one, so that nobody becomes another person by turning.",
        ),
    ] = False
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, metavar="N", help="Of latents and cameras.")
    ] = 0
    batch: o.Batch = "auto"
    precision: o.Precision = o.PrecisionName.fp32
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of features; else in nerfgan's own folder."),
    ] = None
    device: o.Device = o.DeviceName.auto

    def refuse_idle(self, metrics: Sequence[str]) -> None:
        """Options that were given, and change nothing of what is measured.

        Files only say where a network is: a script may name them all, whatever it measures.
        """
        turning = {CURVES, *(one.name for one in TURNING)}
        of_metrics = {
            "--extractor": (self.extractor is not None, {one.name for one in DISTANCES}),
            "--lpips": (self.lpips is not None, {LPIPS}),
            "--pack": (self.pack is not None, turning),
            "--condition-on-view": (self.condition_on_view, turning),
        }
        for option, (given, served) in of_metrics.items():
            if given and served.isdisjoint(metrics):
                raise UsageError(
                    f"{option} would do nothing: leave it out, or measure any of "
                    f"{', '.join(sorted(served))}."
                )
        of_models = {
            "--branch": self.branch is not None,
            "--what": self.what is not o.Shown.image,
            "--resolution": self.resolution is not None,
            "--condition-on-view": self.condition_on_view,
        }
        of_pictures = {"--cameras": self.cameras is not None, "--like": self.like is not None}
        idle, of = (of_pictures, "without") if self.images is None else (of_models, "with")
        for option, given in idle.items():
            if given:
                raise UsageError(f"{option} would do nothing {of} --images: leave it out.")

    @property
    def networks(self) -> Networks:
        names = self.extractor
        return Networks(
            extractors=None if names is None else tuple(e.strip() for e in names.split(",")),
            inception=self.inception,
            discriminator=self.discriminator,
            squeezenet=self.squeezenet,
            lpips=self.lpips,
            lpips_weights=self.lpips_weights,
            pack=self.pack,
            pose=self.pose_network,
            identity=self.identity_network,
            landmarks=self.landmark_network,
        )
