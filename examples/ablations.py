"""Trains variants of a recipe one after the other, and compares them in a table.

    python examples/ablations.py --out ABLATIONS --kimg 20
    python examples/ablations.py --out ABLATIONS --kimg 20 --only paper views

The list is `ablations.toml`, of losses. Give others by --list: `ablations-architecture.toml`, of
networks, and `ablations-styles.toml`, of what styles the super-resolution.

Each run is what `nerfgan train` makes of its recipe and settings, in a folder of its own; all have
the same length, their schedules shortened alike. Students see the same targets again and again,
which the teacher draws once. What is finished is skipped and what was stopped goes on, so that the
same command continues, and a part of the list can be run first; once the first run is finished, two
commands with other parts can share the folder. After each run the table of all that are finished is
written to ABLATIONS/ablations.md. A run that fails does not end the others.
The columns are explained in `judging.py`; what follows from them is for a person to say.

Point 1 (which camera w is conditioned on) needs a teacher that is conditioned at all, as the
bundled one is not. One is made of it, and has a list of its own:

    python examples/conditioned_teacher.py conditioned.safetensors
    python examples/ablations.py --list examples/ablations-conditioning.toml --out CONDITIONING \\
        --kimg 20 --set teacher.model=conditioned.safetensors

The experiment that says what the strictly consistent branch of a Mimic3D is worth to a student
(S0 to S6) is a list too. All its students begin as one that has learned the features of that
teacher; the bundled student nearly has, since that teacher began as its own. In the table each
branch has a row, and there are columns that compare with the strict pictures and look for a scene
in a generator's views. Targets of each kind are drawn once, and for another seed
again; whole strict ones take three times as long as those of the 2D branch:

    python examples/adopted_student.py ADOPTED.safetensors
    nerfgan train distill-mimic3d-toyheads-start --out START \\
        --set train.init=ADOPTED.safetensors --set train.kimg=6 --set optim.decay_kimg=6 \\
        --set optim.warmup_kimg=0.5 --set teacher.cache_targets=0
    python examples/ablations.py --list examples/ablations-mimic3d.toml --out SYSTEM --kimg 4 \\
        --only chance experiment --set train.init=START
    nerfgan eval --compare mimic3d-toyheads SYSTEM/S0-2d SYSTEM/S3-3d-pixels \\
        --metrics pose,identity,landmarks
    nerfgan figure --model mimic3d-toyheads --model SYSTEM/S0-2d --model SYSTEM/S3-3d-pixels \\
        --show strip -o strips.png

Tables 2 and 3 of Mimic3D are a list of trainings of a teacher, whose columns are explained in
`judging_volumes.py`:

    python examples/ablations.py --list examples/ablations-mimic3d-training.toml --out MIMIC3D \\
        --kimg 1.6

Where there are scenes in the table, ABLATIONS/ablations.png shows them against the distance to real
pictures: what is farther to the left and higher is better.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from judging import Judge, Numbers, Rows
from judging_volumes import VolumeJudge
from variants import Listed, Variant, changes, choose, plain, read_list

from nerfgan_cli.chart import Axes, Line, line_chart
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.errors import DivergedError, NerfganError, UsageError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.media import write_png
from nerfgan_cli.training.distill_recipe import DistillRecipe
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d_recipe import EG3DRecipe
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.loop import train
from nerfgan_cli.training.machine import use_machine
from nerfgan_cli.training.recipe import Recipe
from nerfgan_cli.training.run import open_run

LIST = Path(__file__).with_suffix(".toml")
TABLE, CHART = "ablations.md", "ablations.png"
REFERENCES = "references"  # beside the runs
DIVERGED: Rows = {}


class AnyJudge(Protocol):
    """Of students or of volumes."""

    columns: dict[str, tuple[str, int]]  # titles and digits
    axes: dict[str, str]  # of the chart: two columns, and what is written there; empty: none
    learned: str  # from what, for a sentence
    facts: dict[str, Any]  # what its numbers depend on beside the model

    def references(self) -> Rows: ...

    def rows(self, model: Path) -> Rows: ...


class Series:
    """The runs in a folder, what was measured of them, their table and chart."""

    def __init__(self, listed: Listed, folder: Path, judge: AnyJudge) -> None:
        self.listed, self.folder, self.judge = listed, folder, judge

    def references(self) -> Rows:
        """Measured once for a folder."""
        reference = self.listed.base._replace(name=REFERENCES)
        rows = self.find(reference)
        if rows is None:
            say("measuring what the runs are compared with")
            rows = self.judge.references()
            self._write(reference, rows)
        return rows

    def find(self, variant: Variant) -> Rows | None:
        """What was measured of a run of this recipe; None: it is not finished."""
        file = self.folder / f"{variant.name}.json"
        if not file.exists():
            return None
        written = json.loads(file.read_text("utf-8"))
        facts = written["facts"]  # keys that a newer version added had their defaults
        try:
            facts["recipe"] = plain(resolve(facts["recipe"]))
        except UsageError:  # of a version whose keys had other names
            return None
        rows: Rows | None = written.get("rows")
        if rows is None or facts != self._facts(variant):
            return None
        known = all(set(self.judge.columns) <= set(numbers) for numbers in rows.values())
        return rows if known else None

    def settle(self, variant: Variant, device: torch.device) -> None:
        """Trains a run, or goes on with it, and measures it."""
        run = self.folder / variant.name
        try:
            task = build_task(variant.recipe, World(device))
            with open_run(run, variant.recipe):
                train(task, run, say)
            rows = self.judge.rows(find_model(str(run)))
        except DivergedError as error:
            say(f"{variant.name}: {error}")
            rows = DIVERGED
        self._write(variant, rows)

    def _write(self, variant: Variant, rows: Rows) -> None:
        written = {"facts": self._facts(variant), "rows": rows}
        with replacing(self.folder / f"{variant.name}.json") as unfinished:
            unfinished.write_text(json.dumps(written, indent=1), "utf-8")

    def _facts(self, variant: Variant) -> dict[str, Any]:
        """What the numbers of a run depend on."""
        return {"recipe": plain(variant.recipe), **self.judge.facts}

    def done(self) -> dict[Variant, Rows]:
        """What is finished, in the order of the list."""
        found = {each: self.find(each) for each in (self.listed.base, *self.listed.variants)}
        return {variant: rows for variant, rows in found.items() if rows is not None}

    def table(self) -> str:
        """In Markdown, for each group; each begins with the references and the base."""
        base, done, columns = self.listed.base, self.done(), self.judge.columns
        plan = base.recipe.train
        lines = [
            f"Runs of {plan.kimg:g} kimg in batches of {plan.batch}, {self.judge.learned}.",
            "",
        ]
        groups = dict.fromkeys(each.group for each in self.listed.variants if each in done)
        for group in groups:
            titles = " | ".join(title for title, _ in columns.values())
            lines += [f"## {group}", "", f"| run | what is changed | {titles} |"]
            lines += [f"|---|---|{'--:|' * len(columns)}"]
            lines += [self.row(name, "", numbers) for name, numbers in self.references().items()]
            for variant, rows in done.items():
                if variant.group in (base.group, group):
                    lines += self.rows(variant, rows)
            lines.append("")
        return "\n".join(lines)

    def rows(self, variant: Variant, rows: Rows) -> Iterator[str]:
        what = changes(variant.recipe, self.listed.base.recipe)
        if rows == DIVERGED:
            blank = " |" * (len(self.judge.columns) - 1)
            yield f"| {variant.name} | {what} | diverged |{blank}"
        for name, numbers in named(variant, rows).items():
            yield self.row(name, what, numbers)

    def row(self, name: str, changed: str, numbers: Numbers) -> str:
        columns = self.judge.columns.items()
        cells = [f"{numbers[key]:.{digits}f}" for key, (_, digits) in columns]
        return f"| {name} | {changed} | {' | '.join(cells)} |"

    def draw(self, path: Path) -> None:
        """All that are finished, by the two numbers that the comparison is about."""
        if not self.judge.axes:
            return
        points = dict(self.references())
        for variant, rows in self.done().items():
            points |= named(variant, rows)
        x, y = self.judge.axes
        places = {name: (numbers[x], numbers[y]) for name, numbers in points.items()}
        ends = [places[name] for name in self.listed.line if name in places]
        lines = [Line("models", list(places.values()), labels=list(places), joined=False)]
        if len(ends) == 2:
            lines.append(Line(f"between {' and '.join(self.listed.line)}", [], ends))
        kimg = self.listed.base.recipe.train.kimg
        write_png(
            line_chart(f"Runs of {kimg:g} kimg", Axes(*self.judge.axes.values()), lines), path
        )


def named(variant: Variant, rows: Rows) -> Rows:
    """By the name of the run and the way that its model draws."""
    return {", ".join(filter(None, (variant.name, way))): rows[way] for way in rows}


def open_judge(recipe: Recipe, device: torch.device, folder: Path) -> AnyJudge:
    if isinstance(recipe, DistillRecipe):
        return Judge(recipe, device)
    assert isinstance(recipe, EG3DRecipe)  # the list has no others
    return VolumeJudge(recipe, device, folder / "judged")


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
    listed = read_list(arguments)
    base, runs = listed.base, (listed.base, *choose(listed.variants, arguments.only))
    series = Series(listed, arguments.out, open_judge(base.recipe, device, arguments.out))
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
        series.draw(arguments.out / CHART)
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
