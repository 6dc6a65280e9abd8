"""`nerfgan train`: runs a recipe, or continues its run."""

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace
from math import ceil
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import torch
import typer

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.commands.options import Device, DeviceName, Json, print_result
from nerfgan_cli.encoder import find_ffmpeg
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.training.checkpoints import CHECKPOINTS, MODEL, stem
from nerfgan_cli.training.distributed import World, open_world
from nerfgan_cli.training.estimate import Estimate, estimate
from nerfgan_cli.training.feed import find_foreign_cameras
from nerfgan_cli.training.kinds import KINDS, build_task, resolve
from nerfgan_cli.training.loop import train
from nerfgan_cli.training.machine import use_machine
from nerfgan_cli.training.precision import set_training_precision
from nerfgan_cli.training.recipe import Recipe
from nerfgan_cli.training.recipe_files import bundled, load
from nerfgan_cli.training.recipe_reader import parse_toml
from nerfgan_cli.training.run import RECIPE, open_run

DISTILLATION = "distill"
OF_DISTILLATION = {
    "train.stage": "--stage is of a distillation",
    "teacher.views_per_latent": "--views-per-latent is of a distillation",
    "teacher.branch": "--branch is of a distillation from a Mimic3D",
    "teacher.cache_targets": "--cache-targets is of a distillation",
}


def command(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A bundled recipe, or a TOML file.")
    ] = "distill-toyheads",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="RUN",
            help="Folder of the run; a run is continued. Default: the name of a bundled recipe.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="The same as --set train.seed=N.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Overrides, as in train.kimg=0.5."),
    ] = None,
    batch_gpu: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="The same as --set train.batch_gpu=N: images in memory at once.",
        ),
    ] = None,
    stage: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=2,
            metavar="N",
            help="Of a distillation, one stage alone: --set train.stage=N. The first needs no "
            "pictures where cameras are spread: --set data.kind=spread.",
        ),
    ] = None,
    views_per_latent: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="The same as --set teacher.views_per_latent=N."),
    ] = None,
    branch: Annotated[
        str | None,
        typer.Option(
            metavar="2d|3d|hybrid",
            help="Of a Mimic3D as teacher: --set teacher.branch=NAME.",
        ),
    ] = None,
    cache_targets: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="The same as --set teacher.cache_targets=N."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would run, and what it would take.")
    ] = False,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the bundled recipes.")] = False,
    device: Device = DeviceName.auto,
    json: Json = False,
) -> None:
    """Trains a recipe, or continues its run; the same command again goes on where it stopped.

    Several GPUs: torchrun --nproc-per-node 8 -m nerfgan_cli train RECIPE --out RUN. Ctrl-C saves
    and stops. --set train.kimg=N makes a run longer.
    """
    if list_recipes:
        list_bundled(json)
        return
    short = {
        "train.seed": seed,
        "train.batch_gpu": batch_gpu,
        "train.stage": stage,
        "teacher.views_per_latent": views_per_latent,
        "teacher.branch": branch,
        "teacher.cache_targets": cache_targets,
    }
    changes = {key: value for key, value in short.items() if value is not None}
    data = load(recipe, [*(settings or []), *(f"{key}={it}" for key, it in changes.items())])
    refuse_idle(changes, data.get("kind"))
    resolved = resolve(data)
    place = choose_device(device.value)
    if dry_run:
        rehearse(recipe, resolved, place, json)
        return
    if out is None:
        if recipe not in bundled():
            raise UsageError("no folder for the run was given: use --out.")
        out = Path(recipe)
        say(f"the run is in {out}: continue it by the same command.")
    if resolved.train.video_frames:
        find_ffmpeg()  # rather now than hours later
    run(resolved, out, place, json)


def refuse_idle(changes: Collection[str], kind: object) -> None:
    """Options that only a distillation has a use for."""
    for key in changes:
        if key in OF_DISTILLATION and kind in KINDS and kind != DISTILLATION:
            raise UsageError(
                f"{OF_DISTILLATION[key]}, and this recipe is of kind {kind!r}: leave it out, or "
                "use a recipe distill-…, as nerfgan train --list has them."
            )


def list_bundled(as_json: bool) -> None:
    """The recipes of the package, with what they are about."""
    abouts = {name: parse_toml(text, name)["about"] for name, text in bundled().items()}
    width = max(map(len, abouts))
    text = "\n".join(f"{name:{width}}  {about}" for name, about in abouts.items())
    print_result(abouts, text, as_json)


def run(recipe: Recipe, folder: Path, device: torch.device, as_json: bool) -> None:
    """Trains, and says what can be done with the result."""
    use_machine()
    with open_world(device) as world:
        task = build_task(recipe, world)
        with open_run(folder, recipe) if world.first else nullcontext():
            images = train(task, folder, say if world.first else lambda sentence: None)
        if not world.first:
            return
    checkpoint = folder / CHECKPOINTS / f"{stem(images)}{MODEL}"
    place = quote(str(folder))
    following = [
        f"nerfgan video --model {place} --seed 7 --yaw-range 30 -o turn.mp4",
        f"nerfgan image --model {place} --seeds 0-15 -o people.png",
        f"nerfgan train {quote(str(folder / RECIPE))} --out {place} "
        f"--set train.kimg={2 * recipe.train.kimg:g}",
        f"tensorboard --logdir {place}",
    ]
    result = {
        "out": str(folder),
        "kimg": images / 1000,
        "checkpoint": str(checkpoint),
        "next": following,
    }
    lines = [f"trained to {images / 1000:g} kimg: {checkpoint}", "next, for example:", *following]
    print_result(result, "\n  ".join(lines), as_json)


def say(sentence: str) -> None:
    """Progress, beside the result."""
    typer.echo(sentence, err=True)


def rehearse(name: str, recipe: Recipe, device: torch.device, as_json: bool) -> None:
    """Says what would run and what it would take, without running it."""
    path = recipe.data.path if recipe.data.kind == "archive" else None
    missing = path is not None and not Path(path).expanduser().exists()
    if missing:  # sizes do not depend on the pictures: any serve
        recipe = replace(recipe, data=replace(recipe.data, kind="toyheads"))
    task = build_task(recipe, World(torch.device("meta")))
    for module in task.modules.values():
        set_training_precision(module, recipe.train.precision, device)
    sizes, plan, data = estimate(task), recipe.train, None if missing else task.data
    if missing:
        say(f"warning: there is no {path}: give the data with --set data.path=FILE.")
    elif data is not None:
        for warning in find_foreign_cameras(data, PRESETS[task.result.camera_preset]):
            say(f"warning: {warning}")
    result = {
        "recipe": name,
        "kind": recipe.kind,
        "device": device.type,
        "data": None if data is None else data.name,
        "pictures": None if data is None else len(data),
        "resolution": task.result.img_resolution,
        "images": plan.steps * plan.batch,
        "steps": plan.steps,
        "batch": plan.batch,
        "batch_gpu": plan.batch_gpu or plan.batch,
        "snapshots": ceil(round(plan.kimg / plan.snapshot_kimg, 6)),
        "parameters": sizes.parameters,
        "memory_gib": round(sizes.total / 2**30, 3),
    }
    print_result(result, describe(result, sizes), as_json)


def describe(result: dict[str, Any], sizes: Estimate) -> str:
    """The result of a rehearsal, for people."""
    rows = {
        "recipe": f"{result['recipe']}, of kind {result['kind']}, on {result['device']}",
        "length": f"{result['images']:,} images in {result['steps']:,} steps of {result['batch']}, "
        f"{result['batch_gpu']} in memory at once, {result['snapshots']:,} snapshots",
    }
    if result["data"] is not None:
        pictures = f"{result['pictures']:,} pictures of {result['resolution']}²"
        rows["data"] = f"{result['data']}, {pictures}"
    for network, parts in sizes.parameters.items():
        shares = ", ".join(f"{part} {count:,}" for part, count in parts.items())
        rows[network] = f"{sum(parts.values()):,} parameters: {shares}"
    rows["memory"] = (
        f"about {gib(sizes.total)}: networks {gib(sizes.weights)}, gradients and Adam "
        f"{gib(sizes.training)}, images in work {gib(sizes.activations)}; torch itself comes on top"
    )
    width = max(map(len, rows))
    return "\n".join(f"{subject:{width}}  {text}" for subject, text in rows.items())


def gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
