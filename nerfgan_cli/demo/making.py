"""A demo from its recipe to its page, in a folder in which it goes on after an interruption."""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.zoo import STUDENT, find_model
from nerfgan_cli.demo.cost import Cost, describe_machine, measure
from nerfgan_cli.demo.curves import read_log
from nerfgan_cli.demo.drawer import Drawer
from nerfgan_cli.demo.page import PAGE, Facts, render
from nerfgan_cli.demo.parts import Note, Part, make_part
from nerfgan_cli.demo.pictures import draw_angles, draw_mixtures, film_turn, film_walk
from nerfgan_cli.encoder import find_ffmpeg
from nerfgan_cli.errors import InputError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.precision import bf16_is_fast
from nerfgan_cli.training.distill_recipe import DistillRecipe
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.loop import train
from nerfgan_cli.training.machine import use_machine
from nerfgan_cli.training.recipe_files import load
from nerfgan_cli.training.run import RECIPE, open_run
from nerfgan_cli.training.task import Say

NEW = "distill-toyheads-demo"  # recipe of a new demo; one that goes on has its own
RUN = "run"  # folder of the training run
TARGETS = ".targets"  # within the run: pictures of the teacher, while the student learns from them


def make_demo(folder: Path, settings: Sequence[str], device: torch.device, say: Say) -> Facts:
    """Makes what the folder still lacks, the page always; `settings` change the recipe."""
    claim(folder)
    folder = folder.absolute()
    run = folder / RUN
    find_ffmpeg()  # what is missing is better told now than minutes later
    shown = find_model(STUDENT)
    recipe = read_recipe(run, settings, device)
    student = distil(recipe, run, device, say)
    teacher = find_model(recipe.teacher.model)
    parts = plan_parts(teacher, student, shown, folder, device)
    notes = {part.name: make_part(part, folder, say) for part in parts}
    costs = {name: [Cost(*cost) for cost in notes["cost"][name]] for name in ("teacher", "student")}
    licence = read_header(student).provenance.licence
    facts = Facts(folder, run, recipe, read_log(run), notes, costs, licence)
    with replacing(folder / PAGE) as unfinished:
        unfinished.write_text(render(facts), "utf-8")
    return facts


def claim(folder: Path) -> None:
    """A new folder, an empty one, or that of a demo, which has a run."""
    if not folder.is_dir() or (folder / RUN / RECIPE).is_file():
        return
    if any(entry.name != RUN and not entry.name.startswith(".") for entry in folder.iterdir()):
        raise InputError(f"{folder} holds other things than a demo: give --out a new folder.")


def read_recipe(run: Path, settings: Sequence[str], device: torch.device) -> DistillRecipe:
    """That of the run, so that whoever goes on need not repeat its settings; or a new one."""
    own = run / RECIPE
    changes = [f"teacher.cache_folder={run / TARGETS}"]
    if not own.is_file():
        changes.append(f"train.precision={'bf16' if bf16_is_fast(device) else 'fp32'}")
    recipe = resolve(load(str(own) if own.is_file() else NEW, [*changes, *settings]))
    assert isinstance(recipe, DistillRecipe)  # no other kind knows that folder
    return recipe


def distil(recipe: DistillRecipe, run: Path, device: torch.device, say: Say) -> Path:
    """Trains the student to the recipe's end, from where its run stands; returns its file."""
    use_machine()
    task = build_task(recipe, World(device))
    with open_run(run, recipe):
        say("distilling a student; Ctrl-C saves, and the same command goes on")
        train(task, run, say)
        shutil.rmtree(run / TARGETS, ignore_errors=True)
    return find_model(str(run))


def plan_parts(
    teacher: Path, student: Path, shown: Path, folder: Path, device: torch.device
) -> list[Part]:
    """All parts but the training, in the order in which they are made."""
    its = Drawer(student, device)
    rays = its.generator.raw_resolution
    pair = Drawer(teacher, device, rays), its
    third = Drawer(shown, device)

    def both(name: str, about: str, make: Callable[[Drawer, Drawer, Path], Note]) -> Part:
        return Part(name, about, (teacher, student), partial(make, *pair, folder))

    def one(name: str, about: str, make: Callable[[Drawer, Path], Note]) -> Part:
        return Part(name, about, (shown,), partial(make, third, folder))

    def costs() -> Note:
        found = measure(dict(zip(("teacher", "student"), pair, strict=True)))
        return {"files": [], "machine": describe_machine(device), **found}

    return [
        both("angles", "drawing teacher and student from several angles", draw_angles),
        both("turn", "filming both as they turn", film_turn),
        one("walk", "filming a walk from person to person", film_walk),
        one("mix", "mixing styles", draw_mixtures),
        Part("cost", "measuring speed and memory of both", (teacher, student), costs),
    ]
