"""The options of `nerfgan eval` that say who is judged, against what, and how."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.data.prepare.folder import Like
from nerfgan_cli.evaluation.metric import Networks
from nerfgan_cli.evaluation.samples import LARGEST_SEED
from nerfgan_cli.evaluation.table import METRICS

LARGEST_NUMBER = 1_000_000


@dataclass(frozen=True)
class Order:
    """One parameter of the command, see `grouping`."""

    teacher: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Of a student; else the bundled one of ToyHeads."),
    ] = None
    branch: o.Branch = None
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Real pictures with cameras: a folder or zip with dataset.json, or toyheads.",
        ),
    ] = None
    metrics: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help=f"Of {', '.join(METRICS)}; else all that can be had."),
    ] = None
    number: Annotated[
        int | None,
        typer.Option(
            "--num",
            "-n",  # torchrun takes --num for one of its own
            min=1,
            max=LARGEST_NUMBER,
            metavar="N",
            help="Pictures of each metric: 50000 for FID as published, against all of the data (of "
            "ToyHeads twice as many). Others take no more than their own protocols have, as each "
            "name says. Else a few hundred.",
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
        Like, typer.Option("--like", help="Whose cameras those of --images resemble.")
    ] = Like.ffhq
    extractor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Of FID and KID: inception, discriminator, squeezenet; else those at hand.",
        ),
    ] = None
    inception: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of the Inception of 2015.")
    ] = None
    discriminator: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A discriminator whose features are an extractor's."),
    ] = None
    squeezenet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of SqueezeNet 1.1.")
    ] = None
    lpips: Annotated[
        str, typer.Option(metavar="NAME", help="Network of LPIPS: alex, vgg or squeeze.")
    ] = "alex"
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

    @property
    def branch_name(self) -> str | None:
        return None if self.branch is None else self.branch.value

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
