"""`nerfgan convert`: an official pickle becomes a safe file, without running anything in it.

A model of ours can be written anew, in half the size.
"""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from nerfgan_cli.checkpoints.conversion import convert
from nerfgan_cli.checkpoints.header import Header
from nerfgan_cli.checkpoints.releases import RELEASES, find_release
from nerfgan_cli.checkpoints.sniff import sniff
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.commands.options import Json, print_result
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.errors import UsageError


class NetworkName(str, Enum):
    """Networks of an official checkpoint."""

    G_ema = "G_ema"
    G = "G"
    D = "D"
    D_patch = "D_patch"


class PlaneAxes(str, Enum):
    """Which planes a model was trained with; its file does not say."""

    released = "released"
    fixed = "fixed"
    zy = "zy"


class CameraName(str, Enum):
    """The keys of `cameras.PRESETS`."""

    ffhq = "ffhq"
    afhq = "afhq"
    cars = "cars"
    cars_video = "cars-video"


def command(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="An official .pkl; a model or run of nerfgan.")
    ],
    out: Annotated[
        str, typer.Option("-o", "--out", metavar="OUT.safetensors", help="The file to write.")
    ],
    network: Annotated[
        NetworkName,
        typer.Option(
            "--network",
            help="G_ema draws best; D judges pictures, D_patch Mimic3D's patches: of runs too.",
        ),
    ] = NetworkName.G_ema,
    plane_axes: Annotated[
        PlaneAxes | None,
        typer.Option(
            "--plane-axes", help="Other than the release's: for retrained models of EG3D only."
        ),
    ] = None,
    camera: Annotated[
        CameraName | None,
        typer.Option(
            "--camera",
            help="Cameras to draw it from; default: those that it records. cars are the cameras "
            "that cars were trained on, cars-video those of the release's videos.",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The release that a generator has to be of, as mimic3d-ffhq512-3d; else OUT's "
            "name, if it is one.",
        ),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store weights as float16: half the size.")
    ] = False,
    json: Json = False,
) -> None:
    """Turn an official EG3D or Mimic3D checkpoint into a .safetensors file, without running it.

    Given a model or a run folder of nerfgan instead, writes its model anew, with --half in half
    the size; of a run folder also its discriminators, with --network D or D_patch.
    """
    if Path(out).exists() and source.exists() and source.samefile(out):
        raise UsageError(f"{out} is the input: give -o another name.")
    target = parse_file(out, ".safetensors")
    if preset is not None:
        find_release(preset)  # before anything is read
    release = preset or (target.stem if target.stem in RELEASES else None)
    if release is not None and network in (NetworkName.D, NetworkName.D_patch):
        raise UsageError(
            f"{release} is a generator, and {network.value} is none: leave out --preset, or give "
            "-o another name."
        )
    if source.is_dir() or sniff(source).name == "safetensors":
        if (plane_axes, camera, preset) != (None, None, None):
            raise UsageError(
                f"{source} is a model of nerfgan already: --plane-axes, --camera and --preset are "
                "for official files, leave them out."
            )
        header = write_anew(source, target, network, half, release)
    else:
        axes, cameras = plane_axes and plane_axes.value, camera and camera.value
        header = convert(source, target, network.value, axes, cameras, half, release)
    parameters = sum(header.parameters.values())
    result = {
        "out": str(target),
        "kind": header.kind,
        "network": header.provenance.network,
        "parameters": parameters,
        "tensors": len(header.entries),
        "source": header.provenance.source,
        "sha256": header.provenance.sha256,
        "licence": header.provenance.licence,
    }
    origin = f"{header.provenance.network} of " if header.provenance.network else ""
    text = f"{target}: {header.kind}, {parameters:,} parameters, from {origin}{source.name}"
    licence = header.provenance.licence or "no terms beyond nerfgan's own"
    print_result(result, f"{text}\nlicence: {licence}", json)


def write_anew(
    source: Path, target: Path, network: NetworkName, half: bool, release: str | None
) -> Header:
    """What is nerfgan's own already. It needs torch, unlike what is official."""
    if network is NetworkName.G_ema:
        from nerfgan_cli.checkpoints.format import rewrite_model

        return rewrite_model(find_model(str(source)), target, half, release)
    if network in (NetworkName.D, NetworkName.D_patch) and source.is_dir():
        from nerfgan_cli.training.teacher import write_discriminator

        return write_discriminator(source, target, half, network.value)
    raise UsageError(
        f"{source} is a model of nerfgan already: --network is for official files, and D or "
        "D_patch for run folders, leave it out."
    )
