"""`nerfgan info`: what a model is, where it came from and what its licence asks."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nerfgan_cli.checkpoints.base import KIND, read_base
from nerfgan_cli.checkpoints.conversion import describe_official, terms_of
from nerfgan_cli.checkpoints.header import Header, read_header
from nerfgan_cli.checkpoints.official import OfficialCheckpoint, read_official
from nerfgan_cli.checkpoints.sniff import sniff
from nerfgan_cli.checkpoints.zoo import RESULT, find_model
from nerfgan_cli.commands.options import MODEL_HELP, Json, print_result
from nerfgan_cli.errors import InputError

KINDS = {
    "eg3d": "EG3D, a volumetric generator (teacher)",
    "mimic3d": "Mimic3D, a volumetric generator whose 3D branch is strictly consistent (teacher)",
    KIND: "a model that nerfgan invert tuned to a photograph, stored as what it changed",
    "student": "a convolutional renderer distilled from a volumetric generator",
    "discriminator": "a discriminator, for training",
    "toy-reader": "a network that reads pose, points and identity of ToyHeads, for metrics",
}
NO_TERMS = "none beyond those of nerfgan and of the training data"


def command(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help=MODEL_HELP)] = None,
    json: Json = False,
) -> None:
    """Say what a model is, where it came from and what its licence asks."""
    path = find_model(model)
    if sniff(path).name == "pickle":
        result = of_checkpoint(path, read_official(path))
    else:
        result = of_model(path, read_header(path))
    print_result(result, as_text(result), json)


def of_model(path: Path, header: Header) -> dict[str, Any]:
    """A file of ours."""
    result = {
        "file": str(path),
        "bytes": path.stat().st_size,
        "format": "nerfgan",
        **architecture(header.kind, header.config, header.parameters, len(header.entries)),
        "provenance": header.provenance.to_json(),
        "licence": header.provenance.licence,
    }
    return result | of_inversion(path, header) if header.kind == KIND else result


def of_inversion(path: Path, header: Header) -> dict[str, Any]:
    """What a tuned model was tuned from, and what its folder says of the likeness."""
    base = read_base(path, header)
    kind, config = header.config.get("kind"), header.config.get("config")
    sizes = config if isinstance(config, dict) else {}
    found = {
        "base": base.name,
        "base_kind": kind,
        "image_resolution": sizes.get("img_resolution"),
        "raw_resolution": sizes.get("raw_resolution"),
    }
    report = path.parent / RESULT
    if not report.is_file():
        return found
    try:
        told = json.loads(report.read_text("utf-8"))
        inversion = {key: told[key] for key in ("name", "space", "latent", "projected", "tuned")}
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"{report} is damaged: invert the photograph again.") from error
    return found | {"inversion": inversion}


def of_checkpoint(path: Path, checkpoint: OfficialCheckpoint) -> dict[str, Any]:
    """An official pickle, described without converting it."""
    networks = {}
    for key, network in checkpoint.networks.items():
        described = describe_official(network)
        kind, config = (described.kind, described.config) if described else (None, None)
        networks[key] = {
            "class_name": network.class_name,
            **architecture(kind, config or {}, network.part_sizes(), len(network.tensors)),
        }
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "format": "official pickle",
        "networks": networks,
        "training": checkpoint.training_facts(),
        "licence": terms_of(checkpoint),
    }


def architecture(
    kind: str | None, config: dict[str, Any], parameters: dict[str, int], tensors: int
) -> dict[str, Any]:
    return {
        "kind": kind,
        "parameters": sum(parameters.values()),
        "parameters_by_part": parameters,
        "tensors": tensors,
        "image_resolution": config.get("img_resolution"),
        "raw_resolution": config.get("raw_resolution"),
        "config": config,
    }


def as_text(result: dict[str, Any]) -> str:
    lines = [("file", f"{result['file']} ({result['bytes'] / 1e6:,.1f} MB, {result['format']})")]
    if "networks" in result:
        for key, network in result["networks"].items():
            lines.append((key, f"{network['class_name']}, {size(network)}"))
        lines += architecture_lines(next(iter(result["networks"].values())))
        lines.append(("next", "nerfgan convert turns it into a file that can be drawn from"))
    else:
        lines += [("kind", KINDS.get(result["kind"], result["kind"])), ("size", size(result))]
        lines += inversion_lines(result)
        lines += architecture_lines(result) + provenance_lines(result["provenance"])
    lines.append(("licence", result["licence"] or NO_TERMS))
    return "\n".join(f"{name:<18}{value}" for name, value in lines)


def size(network: dict[str, Any]) -> str:
    if not network["parameters"]:
        return f"{network['tensors']} tensors"
    parts = [f"{part} {count:,}" for part, count in network["parameters_by_part"].items()]
    return f"{network['parameters']:,} parameters ({', '.join(parts)})"


def architecture_lines(network: dict[str, Any]) -> list[tuple[str, str]]:
    config = network["config"]
    lines = []
    if network["raw_resolution"] is not None:
        image, raw = network["image_resolution"], network["raw_resolution"]
        lines.append(("images", f"{image}×{image}, from features of {raw}×{raw}"))
    elif network["image_resolution"] is not None:
        lines.append(("images", f"{network['image_resolution']}×{network['image_resolution']}"))
    shown = ("camera_preset", "superresolution", "volume.plane_axes", "predictor.network")
    for name in shown:
        value: Any = config
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            lines.append((name.rpartition(".")[2].replace("_", " "), str(value)))
    if network["kind"] == "mimic3d":
        phases = {True: "2d and 3d (3D phase)", False: "2d alone (2D phase)"}
        lines.append(("branches", phases[config["residual"]]))
    return lines


def inversion_lines(result: dict[str, Any]) -> list[tuple[str, str]]:
    if "base" not in result:
        return []
    lines = [("base", f"{result['base']}, {KINDS.get(result['base_kind'], result['base_kind'])}")]
    if "inversion" in result:
        told = result["inversion"]
        decibels = "pivot {} dB, tuned {} dB".format(
            *(
                ", ".join(f"{value:.2f}" for value in told[stage]["psnr"])
                for stage in ("projected", "tuned")
            )
        )
        lines += [("subject", told["name"]), ("latent", told["latent"]), ("likeness", decibels)]
    return lines


def provenance_lines(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    network = f", {provenance['network']}" if provenance["network"] else ""
    lines = [("made from", f"{provenance['source']}{network}")]
    if provenance["sha256"]:
        lines.append(("sha256", provenance["sha256"]))
    lines.append(("made by", f"nerfgan {provenance['nerfgan']}"))
    return lines
