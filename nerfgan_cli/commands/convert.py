"""`nerfgan convert`: an official pickle becomes a safe file, without running anything in it."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from nerfgan_cli.checkpoints.conversion import convert
from nerfgan_cli.commands.options import Json, print_result
from nerfgan_cli.errors import UsageError


class NetworkName(str, Enum):
    """Networks of an official checkpoint."""

    G_ema = "G_ema"
    G = "G"
    D = "D"


class PlaneAxes(str, Enum):
    """Which planes a model was trained with; its file does not say."""

    released = "released"
    fixed = "fixed"
    zy = "zy"


class Domain(str, Enum):
    """Cameras of the published models."""

    ffhq = "ffhq"
    afhq = "afhq"
    cars = "cars"


def command(
    source: Annotated[Path, typer.Argument(metavar="IN.pkl", help="An official checkpoint.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="OUT.safetensors", help="The file to write.")
    ],
    network: Annotated[
        NetworkName, typer.Option("--network", help="G_ema draws best; D is the discriminator.")
    ] = NetworkName.G_ema,
    plane_axes: Annotated[
        PlaneAxes,
        typer.Option("--plane-axes", help="Other than released for retrained models only."),
    ] = PlaneAxes.released,
    camera: Annotated[
        Domain | None,
        typer.Option("--camera", help="Cameras of the model; default: as its options say."),
    ] = None,
    json: Json = False,
) -> None:
    """Turn an official EG3D checkpoint into a .safetensors file, without running it."""
    if out.exists() and source.exists() and out.samefile(source):
        raise UsageError(f"{out} is the input: give -o another name.")
    if out.suffix != ".safetensors":
        raise UsageError(f"{out} does not end in .safetensors: give -o such a name.")
    header = convert(source, out, network.value, plane_axes.value, camera and camera.value)
    parameters = sum(header.parameters.values())
    result = {
        "out": str(out),
        "kind": header.kind,
        "network": network.value,
        "parameters": parameters,
        "tensors": len(header.entries),
        "source": header.provenance.source,
        "sha256": header.provenance.sha256,
        "licence": header.provenance.licence,
    }
    text = f"{out}: {header.kind}, {parameters:,} parameters, from {network.value} of {source.name}"
    print_result(result, f"{text}\nlicence: {header.provenance.licence}", json)
