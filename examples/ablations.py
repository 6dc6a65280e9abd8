"""Trains variants of a distillation one after the other, and compares them in a table.

    python examples/ablations.py --out ABLATIONS --kimg 20
    python examples/ablations.py --out ABLATIONS --kimg 20 --only paper 9-styles-of-the-student

The list is `ablations.toml`. Each run is what `nerfgan train` makes of its recipe and settings, in
a folder of its own; all have the same length, their schedules shortened alike, and see the same
targets again and again, which the teacher draws once. What is finished is skipped and what was
stopped goes on, so that the same command continues. The table is written to
ABLATIONS/ablations.md after each run, and printed:

    image, raw  PSNR of the student's pictures against the teacher's, of the held-out set (log)
    views       PSNR between the student's own views from yaw −15° and 15°, one carried over to the
                other along the teacher's depth
    features    perceptual distance to the teacher's pictures, by its discriminator
    Fréchet     distance to real pictures of the discriminator's features, as FID has it: the
                teacher has one too, which the second stage may pass
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.errors import DivergedError, NerfganError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.drawing import latent
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance
from nerfgan_cli.metrics.fid import fid
from nerfgan_cli.metrics.warped_psnr import see_both_sides, warped_psnr
from nerfgan_cli.ops.resize import filtered_resizing
from nerfgan_cli.training.distill_recipe import CAMERAS_ALONE, DistillRecipe
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.feed import open_data
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.log import LOG
from nerfgan_cli.training.loop import train
from nerfgan_cli.training.machine import use_machine
from nerfgan_cli.training.recipe_files import load
from nerfgan_cli.training.recipe_reader import flatten, parse_toml, to_plain
from nerfgan_cli.training.run import open_run
from nerfgan_cli.training.teacher import open_discriminator, open_teacher

LIST = Path(__file__).with_suffix(".toml")
SNAPSHOTS = 4  # of each run
PEOPLE = 64  # whose views are compared
PICTURES = 256  # for the Fréchet distance
BATCH = 16
COLUMNS = {"psnr/image": 2, "psnr/raw": 2, "views": 2, "features": 4, "frechet": 2, "seconds": 0}
HEAD = "| run | what is changed | image, dB | raw, dB | views, dB | features | Fréchet | seconds |"
RULE = "|---|---|--:|--:|--:|--:|--:|--:|"

Numbers = dict[str, float]


class Variant(NamedTuple):
    group: str
    name: str
    recipe: DistillRecipe


def read_list(arguments: argparse.Namespace) -> tuple[Variant, list[Variant]]:
    """What all are compared with, and the others in their groups."""
    groups = parse_toml(arguments.list.read_text("utf-8"), str(arguments.list))
    usual = groups.pop("recipe")

    def variant(group: str, name: str, stated: str | list[str]) -> Variant:
        recipe, settings = (stated, []) if isinstance(stated, str) else (usual, stated)
        data = load(recipe, [*settings, *arguments.settings])
        return Variant(group, name, shortened(resolve(data), arguments))

    listed = [(group, *item) for group, runs in groups.items() for item in runs.items()]
    only = arguments.only or groups
    for name in only:
        if not any(name in each[:2] for each in listed):
            raise SystemExit(f"{arguments.list} has no {name}: give --only other names.")
    chosen = [each for each in listed if each[0] in only or each[1] in only]
    return variant("", "base", usual), [variant(*each) for each in chosen]


def shortened(recipe: Any, arguments: argparse.Namespace) -> DistillRecipe:
    """Of the length that is asked for, with its whole schedule; stage 2 begins at a fixed time."""
    if not isinstance(recipe, DistillRecipe) or recipe.data.kind == CAMERAS_ALONE:
        raise SystemExit("this recipe is no distillation with pictures: change it in the list.")
    plan, scale = recipe.train, arguments.kimg / recipe.train.kimg
    return replace(
        recipe,
        teacher=replace(
            recipe.teacher,
            cache_targets=arguments.targets,
            cache_folder=str(arguments.out / "targets"),
        ),
        loss=replace(
            recipe.loss, discriminator_alone_kimg=recipe.loss.discriminator_alone_kimg * scale
        ),
        optim=replace(
            recipe.optim,
            warmup_kimg=recipe.optim.warmup_kimg * scale,
            decay_kimg=recipe.optim.decay_kimg * scale,
        ),
        train=replace(
            plan,
            kimg=arguments.kimg,
            switch_kimg=plan.switch_kimg * scale,
            plateau=0.0,
            snapshot_kimg=arguments.kimg / SNAPSHOTS,
            keep=1,
            video_frames=0,
        ),
    )


class Judge:
    """What all runs are measured with: their teacher, its discriminator, real pictures."""

    def __init__(self, recipe: DistillRecipe, device: torch.device) -> None:
        self.teacher = open_teacher(recipe.teacher, device).network
        self.critic = open_discriminator(recipe.teacher, self.teacher).to(device)
        self.distance = DiscriminatorDistance(self.critic)
        self.subjects = list(see_both_sides(self.teacher, range(PEOPLE)))
        self.data = open_data(recipe.data, self.teacher.img_resolution)
        self.real, self.cameras = self._look_at(self.data)

    @torch.inference_mode()
    def measure(self, generator: Generator) -> Numbers:
        distances = []
        for ws, *sides in self.subjects:
            subject = generator.prepare(ws)
            for surface, image in sides:
                drawn = generator.draw(subject, surface.camera)
                distances.append(self.distance(drawn.image, image))
        return {
            "views": warped_psnr(generator, self.subjects),
            "features": torch.cat(distances).mean().item(),
            "frechet": fid(self.real, self._look_at_people(generator)),
        }

    @torch.inference_mode()
    def _look_at(self, data: ImageSet) -> tuple[np.ndarray, list[Camera]]:
        """Features of real pictures, [N, C], and the cameras that they were taken with."""
        features, cameras = [], []
        device, size = next(self.critic.parameters()).device, self.teacher.raw_resolution
        for item in DataLoader(Subset(data, range(min(PICTURES, len(data)))), BATCH):
            image = item.image.to(device).float() / 127.5 - 1
            features.append(self._features(image, filtered_resizing(image, size)))
            cameras.append(Camera.from_label(item.label.to(device)))
        return np.concatenate(features), cameras

    def _look_at_people(self, generator: Generator) -> np.ndarray:  # [N, C]
        """Features of as many people, from the same cameras."""
        features, seed = [], PEOPLE
        for camera in self.cameras:
            seeds = range(seed, seed := seed + len(camera))
            z = torch.cat([latent(each, generator.z_dim) for each in seeds]).float()
            frontal = PRESETS[generator.camera_preset].frontal().to(camera.device)
            drawn = generator.synthesis(generator.mapping(z.to(camera.device), frontal), camera)
            features.append(self._features(drawn.image, drawn.image_raw))
        return np.concatenate(features)

    def _features(self, image: Tensor, raw: Tensor) -> np.ndarray:  # [B, C]
        *_, last = self.critic.features(image, raw)
        return last.float().mean(dim=(2, 3)).cpu().numpy()


def settle(variant: Variant, judge: Judge, folder: Path, device: torch.device) -> Numbers | None:
    """Trains a run and measures it, unless that is done; None: it diverged."""
    run, result = folder / variant.name, folder / f"{variant.name}.json"
    facts = json.loads(json.dumps(to_plain(variant.recipe)))
    if result.exists():
        written = json.loads(result.read_text("utf-8"))
        if written["recipe"] == facts:
            print(f"{variant.name}: finished before")
            return written["numbers"]
    print(f"{variant.name}: training", flush=True)
    try:
        task = build_task(variant.recipe, World(device))
        with open_run(run, variant.recipe):
            train(task, run, print)
        numbers = read_log(run / LOG) | judge.measure(load_model(find_model(str(run)), device))
    except DivergedError as error:
        print(f"{variant.name}: {error}")
        numbers = None
    with replacing(result) as unfinished:
        unfinished.write_text(json.dumps({"recipe": facts, "numbers": numbers}, indent=1), "utf-8")
    return numbers


def read_log(path: Path) -> Numbers:
    """PSNR of the last comparison with the held-out set, and the seconds of the run."""
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    last = next(record for record in reversed(records) if "psnr/image" in record)
    names = ("psnr/image", "psnr/raw")
    return {name: last[name] for name in names} | {"seconds": records[-1]["time/seconds"]}


def changes(recipe: DistillRecipe, base: DistillRecipe) -> str:
    """What a recipe has otherwise."""
    before, now = (flatten(to_plain(each)) for each in (base, recipe))
    names = [name for name in now if now[name] != before[name] and name != "about"]
    return ", ".join(f"`{name} = {str(now[name]).lower()}`" for name in names)


def row(name: str, changed: str, numbers: Numbers | None) -> str:
    if numbers is None:
        return f"| {name} | {changed} | diverged | | | | | |"
    cells = (
        f"{numbers[key]:.{digits}f}" if key in numbers else "" for key, digits in COLUMNS.items()
    )
    return f"| {name} | {changed} | {' | '.join(cells)} |"


def table(
    base: Variant, variants: Sequence[Variant], found: dict[str, Numbers | None], teacher: Numbers
) -> str:
    """A Markdown table for each group, which begins with the teacher and the base."""
    lines = []
    for group in dict.fromkeys(variant.group for variant in variants):
        lines += [f"## {group}", "", HEAD, RULE, row("teacher", "", teacher)]
        lines.append(row("base", "", found["base"]))
        for variant in variants:
            if variant.group == group:
                what = changes(variant.recipe, base.recipe)
                lines.append(row(variant.name, what, found[variant.name]))
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kimg", type=float, default=20.0, help="length of each run")
    parser.add_argument("--list", type=Path, default=LIST)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="groups or runs; default: all")
    parser.add_argument("--targets", type=int, default=4096, help="that all learn from")
    parser.add_argument("--set", dest="settings", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    use_machine()
    device = choose_device(arguments.device)
    base, variants = read_list(arguments)
    judge = Judge(base.recipe, device)
    teacher = judge.measure(judge.teacher)
    found: dict[str, Numbers | None] = {}
    for variant in (base, *variants):
        found[variant.name] = settle(variant, judge, arguments.out, device)
        done = [each for each in variants if each.name in found]
        written = table(base, done, found, teacher)
        with replacing(arguments.out / "ablations.md") as unfinished:
            unfinished.write_text(written, "utf-8")
    print(written)


if __name__ == "__main__":
    try:
        main()
    except NerfganError as error:
        raise SystemExit(f"ablations: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit("ablations: stopped; the same command continues.") from None
