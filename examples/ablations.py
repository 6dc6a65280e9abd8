"""Trains variants of a distillation one after the other, and compares them in a table.

    python examples/ablations.py --out ABLATIONS --kimg 20
    python examples/ablations.py --out ABLATIONS --kimg 20 --only paper views

The list is `ablations.toml`, of losses. Give others by --list: `ablations-architecture.toml`, of
networks, and `ablations-styles.toml`, of what styles the super-resolution.

Each run is what `nerfgan train` makes of its recipe and settings, in a folder of its own; all have
the same length, their schedules shortened alike, and see the same targets again and again, which
the teacher draws once. What is finished is skipped and what was stopped goes on, so that the same
command continues, and a part of the list can be run first. After each run the table of all that
are finished is written to ABLATIONS/ablations.md. A run that fails does not end the others. The
columns are explained in `judging.py`; what follows from them is for a person to say.

Point 1 (which camera w is conditioned on) needs a teacher that is conditioned at all, as the
bundled one is not. One is made of it, and has a list of its own:

    python examples/conditioned_teacher.py conditioned.safetensors
    python examples/ablations.py --list examples/ablations-conditioning.toml --out CONDITIONING \\
        --kimg 20 --set teacher.model=conditioned.safetensors

The experiment that says what the strictly consistent branch of a Mimic3D is worth to a student
(S0 to S6) is a list too. All its students begin as one that has learned the features of that
teacher. In the table each branch has a row, and there are columns that compare with the strict
pictures and look for a scene in a generator's views. Targets of each kind are drawn once; whole
strict ones take three times as long as those of the 2D branch:

    nerfgan train distill-mimic3d-toyheads-start --set teacher.model=MIMIC3D --out START
    python examples/ablations.py --list examples/ablations-mimic3d.toml --out SYSTEM --kimg 4 \\
        --only chance experiment --set teacher.model=MIMIC3D train.init=START
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from judging import Judge, Numbers

from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.errors import DivergedError, NerfganError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.training.distill_recipe import CAMERAS_ALONE, DistillRecipe
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.loop import train
from nerfgan_cli.training.machine import use_machine
from nerfgan_cli.training.recipe_files import load
from nerfgan_cli.training.recipe_reader import flatten, parse_toml, read_table, to_plain
from nerfgan_cli.training.run import open_run

LIST = Path(__file__).with_suffix(".toml")
TABLE = "ablations.md"
SNAPSHOTS = 4  # of each run
DIVERGED: Numbers = {}
COLUMNS = {  # titles and digits
    "image": ("image, dB", 2),
    "raw": ("raw, dB", 2),
    "far": ("±40°, dB", 2),
    "truncated": ("ψ 0.7, dB", 2),
    "views": ("views, dB", 2),
    "features": ("features", 4),
    "frechet": ("Fréchet", 2),
    "ms": ("ms", 1),
}
STRICT_COLUMNS = {"strict": ("3D, dB", 2), "scene": ("scene, dB", 2), "gain": ("gain, dB", 2)}


class Variant(NamedTuple):
    group: str
    name: str
    recipe: DistillRecipe


def read_list(arguments: argparse.Namespace) -> tuple[Variant, list[Variant]]:
    """What all are compared with, and the others in their groups."""
    groups = parse_toml(arguments.list.read_text("utf-8"), str(arguments.list))
    usual, common = groups.pop("recipe"), groups.pop("settings", [])
    first = groups.pop("name", "base")

    def variant(group: str, name: str, stated: str | list[str]) -> Variant:
        recipe, settings = (stated, []) if isinstance(stated, str) else (usual, stated)
        data = load(recipe, [*common, *arguments.settings, *settings])
        return Variant(group, name, shortened(resolve(data), arguments))

    listed = [(group, *item) for group, runs in groups.items() for item in runs.items()]
    return variant("", first, usual), [variant(*each) for each in listed]


def choose(variants: Sequence[Variant], only: Sequence[str] | None) -> list[Variant]:
    """Those of these groups or names; None: all."""
    if only is None:
        return list(variants)
    known = {name for variant in variants for name in variant[:2]}
    for name in only:
        if name not in known:
            raise SystemExit(f"the list has no {name}: give --only some of {', '.join(known)}.")
    return [variant for variant in variants if set(variant[:2]) & set(only)]


def shortened(recipe: Any, arguments: argparse.Namespace) -> DistillRecipe:
    """Of the length that is asked for, with its whole schedule; stage 2 begins at a fixed time."""
    if not isinstance(recipe, DistillRecipe) or recipe.data.kind == CAMERAS_ALONE:
        raise SystemExit("this recipe is no distillation with pictures: change it in the list.")
    plan, loss, optim = recipe.train, recipe.loss, recipe.optim
    scale = arguments.kimg / plan.kimg
    return replace(
        recipe,
        teacher=replace(
            recipe.teacher,
            cache_targets=arguments.targets,
            cache_folder=str(arguments.out / "targets"),
        ),
        loss=replace(loss, discriminator_alone_kimg=loss.discriminator_alone_kimg * scale),
        optim=replace(
            optim, warmup_kimg=optim.warmup_kimg * scale, decay_kimg=optim.decay_kimg * scale
        ),
        train=replace(
            plan,
            kimg=arguments.kimg,
            switch_kimg=plan.switch_kimg * scale,
            plateau=0.0,
            snapshot_kimg=arguments.kimg / SNAPSHOTS,
            keep=1,
            video_frames=0,
            heldout=plan.batch,  # a curve for the log: the judge compares with more, at the end
        ),
    )


class Series:
    """The runs in a folder, what was measured of them, and their table."""

    def __init__(
        self, base: Variant, variants: Sequence[Variant], folder: Path, judge: Judge
    ) -> None:
        self.base, self.variants, self.folder, self.judge = base, variants, folder, judge
        self.teachers = judge.teachers()
        self.columns = COLUMNS | (STRICT_COLUMNS if judge.strictly else {})

    def find(self, variant: Variant) -> Numbers | None:
        """What was measured of a run of this recipe and teacher; None: it is not finished."""
        file = self.folder / f"{variant.name}.json"
        if not file.exists():
            return None
        written = json.loads(file.read_text("utf-8"))
        facts = written["facts"]  # keys that a newer version added had their defaults
        facts["recipe"] = plain(read_table(DistillRecipe, facts["recipe"]))
        return written["numbers"] if facts == self._facts(variant) else None

    def settle(self, variant: Variant, device: torch.device) -> None:
        """Trains a run, or goes on with it, and measures it."""
        run = self.folder / variant.name
        try:
            task = build_task(variant.recipe, World(device))
            with open_run(run, variant.recipe):
                train(task, run, say)
            numbers = self.judge.measure(load_model(find_model(str(run)), device))
        except DivergedError as error:
            say(f"{variant.name}: {error}")
            numbers = DIVERGED
        written = {"facts": self._facts(variant), "numbers": numbers}
        with replacing(self.folder / f"{variant.name}.json") as unfinished:
            unfinished.write_text(json.dumps(written, indent=1), "utf-8")

    def _facts(self, variant: Variant) -> dict[str, Any]:
        """What the numbers of a run depend on."""
        return {"recipe": plain(variant.recipe), "teacher": self.judge.checksum}

    def table(self) -> str:
        """In Markdown, a table for each group; each begins with the teacher and the base."""
        plan, asked = self.base.recipe.train, self.base.recipe.teacher
        lines = [
            f"Runs of {plan.kimg:g} kimg in batches of {plan.batch}, from {asked.cache_targets} "
            f"targets of {Path(asked.model).name}.",
            "",
        ]
        found = {variant: self.find(variant) for variant in (self.base, *self.variants)}
        done = {variant: numbers for variant, numbers in found.items() if numbers is not None}
        groups = dict.fromkeys(variant.group for variant in self.variants if variant in done)
        for group in groups:
            titles = " | ".join(title for title, _ in self.columns.values())
            lines += [f"## {group}", "", f"| run | what is changed | {titles} |"]
            lines += [f"|---|---|{'--:|' * len(self.columns)}"]
            lines += [self.row(name, "", numbers) for name, numbers in self.teachers.items()]
            for variant, numbers in done.items():
                if variant.group in (self.base.group, group):
                    what = changes(variant.recipe, self.base.recipe)
                    lines.append(self.row(variant.name, what, numbers))
            lines.append("")
        return "\n".join(lines)

    def row(self, name: str, changed: str, numbers: Numbers) -> str:
        cells = ["diverged", *[""] * (len(self.columns) - 1)]
        if numbers != DIVERGED:
            cells = [f"{numbers[key]:.{digits}f}" for key, (_, digits) in self.columns.items()]
        return f"| {name} | {changed} | {' | '.join(cells)} |"


def plain(recipe: DistillRecipe) -> dict[str, Any]:
    """As JSON has it."""
    data: dict[str, Any] = json.loads(json.dumps(to_plain(recipe)))
    return data


def changes(recipe: DistillRecipe, base: DistillRecipe) -> str:
    """What a recipe has otherwise."""
    before, now = (flatten(to_plain(each)) for each in (base, recipe))
    names = [name for name in now if now[name] != before[name] and name != "about"]
    return ", ".join(f"`{name} = {str(now[name]).lower()}`" for name in names)


def say(sentence: str) -> None:
    """At once, also into a file."""
    print(sentence, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kimg", type=float, default=20.0, help="length of each run")
    parser.add_argument("--list", type=Path, default=LIST)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="groups or runs; default: all")
    parser.add_argument(
        "--targets", type=int, default=4096, help="that all learn from; 0.8 MB of disk each at 128²"
    )
    parser.add_argument(
        "--set", dest="settings", nargs="+", action="extend", default=[], metavar="KEY=VALUE"
    )
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    arguments.out = arguments.out.resolve()  # which is part of the recipes
    use_machine()
    device = choose_device(arguments.device)
    base, variants = read_list(arguments)
    runs = (base, *choose(variants, arguments.only))
    series = Series(base, variants, arguments.out, Judge(base.recipe, device))
    failed = []
    for number, variant in enumerate(runs, 1):
        if series.find(variant) is None:
            say(f"{variant.name}: training, run {number} of {len(runs)}")
            try:
                series.settle(variant, device)
            except NerfganError as error:
                if variant is base:  # with which all others are compared
                    raise
                say(f"{variant.name}: {error}")
                failed.append(variant.name)
        else:
            say(f"{variant.name}: finished before")
        written = series.table()
        with replacing(arguments.out / TABLE) as unfinished:
            unfinished.write_text(written, "utf-8")
    say(written)
    if failed:
        raise SystemExit(f"ablations: no result of {', '.join(failed)}: what they said is above.")


if __name__ == "__main__":
    try:
        main()
    except NerfganError as error:
        raise SystemExit(f"ablations: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit("ablations: stopped; the same command continues.") from None
