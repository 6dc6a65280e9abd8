"""`nerfgan mesh`: the surface of a subject, for other programs."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum
from itertools import product
from math import radians
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from tqdm import tqdm

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.checkpoints.base import KIND as TUNED
from nerfgan_cli.checkpoints.base import find_base, read_base
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.zoo import is_name
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.drawing import (
    Source,
    Truncation,
    choose_people,
    open_source,
    require,
    take_in,
)
from nerfgan_cli.commands.grouping import grouped
from nerfgan_cli.errors import UsageError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.drawing import prepare_subject
from nerfgan_cli.meshes.files import FORMATS, write_mesh
from nerfgan_cli.meshes.mesh import Mesh, face_normals, main_part
from nerfgan_cli.meshes.paint import Field, fuse_normals, paint
from nerfgan_cli.meshes.surface import LEVEL, MARGIN, TOP_MARGIN, extract

YAWS, PITCHES = (-50, -25, 0, 25, 50), (-20, 0, 20)  # degrees, of views that are fused


class Normals(str, Enum):
    """Where the directions come from that light is reflected by."""

    faces = "faces"
    depth = "depth"


@grouped
def command(
    *,
    model: o.Model = None,
    inversion: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="An inversion by a volumetric model: as --model DIR."),
    ] = None,
    seed: Annotated[
        str | None, typer.Option("--seed", "--seeds", metavar="SEED", help="Whose surface.")
    ] = None,
    latent: o.LatentFile = None,
    truncation: Truncation,
    branch: Annotated[
        o.BranchName | None,
        typer.Option(
            "--branch",
            help="Of a Mimic3D: 3d has the surface of all its planes, 2d of the coarse ones; else "
            "3d where there is one.",
        ),
    ] = None,
    resolution: Annotated[
        int, typer.Option(min=8, max=1024, metavar="R", help="Points along each side.")
    ] = 256,
    level: Annotated[
        float, typer.Option(metavar="SIGMA", help="Density of the surface, before activation.")
    ] = LEVEL,
    margin: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.45,
            metavar="M",
            help="Share of the volume left out at each side: walls; else 30/256, above 38/256.",
        ),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole", help="All that is dense; else the part that the cameras look at, alone."
        ),
    ] = False,
    normals: Annotated[
        Normals, typer.Option(help="Of the faces, or fused from the depths of many views: smooth.")
    ] = Normals.faces,
    colours: Annotated[
        bool, typer.Option("--colours/--plain", help="A colour for each vertex, or none.")
    ] = True,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="A .ply, .obj or .glb file.")
    ] = "mesh.ply",
    device: o.Device = o.DeviceName.auto,
    json: o.Json = False,
) -> None:
    """Writes the surface where a volumetric model's density passes a level, by marching cubes.

    World units: x right, y up, z to the front; a head is about half a unit high.
    """
    file = Path(out)
    if file.suffix.lower() not in FORMATS:
        raise UsageError(f"-o {out!r} is no file of a mesh: end it in {', '.join(FORMATS)}.")
    if inversion is not None and model is not None:
        raise UsageError("--model and --inversion both name a model: give one of them.")
    model = str(inversion) if inversion is not None else model
    people = choose_people(model, seed, latent, truncation)
    if len(people) > 1:
        raise UsageError(f"{len(people)} seeds are more than one mesh: give one.")
    with replacing(file) as unfinished:
        source = open_source(model, device, o.PrecisionName.fp32)
        generator = source.generator
        if not generator.has_density:
            raise UsageError(explain_lack(source))
        options = choose_options(source, branch)
        take_in(people, generator)
        with torch.inference_mode():
            subject = prepare_subject(generator, people[0], options)
        sides, above = (MARGIN, TOP_MARGIN) if margin is None else (margin, margin)
        field = Field(generator, subject, generator.density_side * (0.5 - above))
        side = generator.density_side * (1 - 2 * sides)
        mesh = extract(field.density, side, resolution, level, followed)
        mesh = finish(
            field,
            mesh if whole else main_part(mesh, PRESETS[generator.camera_preset].pivot),
            normals,
            colours,
            options,
        )
        write_mesh(mesh, unfinished)
    size = mesh.vertices.max(axis=0) - mesh.vertices.min(axis=0)
    result = source.notes() | {
        "file": out,
        "subject": people[0].name,
        "branch": options.branch,
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "size": size.tolist(),
        "bytes": file.stat().st_size,
        "resolution": resolution,
        "level": level,
    }
    extent = " × ".join(f"{length:.3f}" for length in size)
    text = (
        f"wrote {len(mesh.faces):,} faces, {extent} in size, to {out} ({result['bytes']:,} bytes)"
    )
    o.print_result(result, text, json)


def choose_options(source: Source, branch: o.BranchName | None) -> DrawOptions:
    """A surface has no size in pixels for which to be content with the coarse planes."""
    require(source, "image", branch and branch.value)
    if branch is None and o.BranchName.strict.value in source.generator.branches:
        branch = o.BranchName.strict
    return DrawOptions(raw_only=True, branch=branch and branch.value)


def finish(field: Field, mesh: Mesh, normals: Normals, colours: bool, options: DrawOptions) -> Mesh:
    """With normals and colours."""
    facing = face_normals(mesh)
    painted = paint(field, mesh, facing) if colours else None
    if normals is Normals.depth:
        facing = fuse_normals(field, mesh, facing, views(field.generator), options)
    return replace(mesh, normals=facing.astype(np.float32), colours=painted)


def views(generator: Generator) -> Camera:
    """From which the depths are looked at."""
    angles = [(radians(yaw), radians(pitch)) for yaw, pitch in product(YAWS, PITCHES)]
    yaws, pitches = zip(*angles, strict=True)
    return PRESETS[generator.camera_preset].at(yaws, pitches)


def followed(slabs: Sequence[int]) -> Iterable[int]:
    return tqdm(slabs, unit="slab", disable=not sys.stderr.isatty())


def explain_lack(source: Source) -> str:
    """A student has no volume; its file says whose student it is."""
    path, header = source.path, read_header(source.path)
    if header.kind == TUNED:  # an inversion knows its base, and that its teacher
        path = find_base(path, read_base(path, header))
        header = read_header(path)
    teacher = header.provenance.training.get("teacher")
    name = Path(str(teacher)).stem
    known = f"--model {name}" if teacher and is_name(name) else "the model it was distilled from"
    return (
        f"{source.path} draws without a volume and has no surface: give its teacher, {known}, "
        "which draws the same people; --latent DIR takes along the subject of an inversion."
    )
