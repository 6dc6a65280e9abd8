"""The page of a demo: one HTML file beside the pictures that it shows, without anything else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from shlex import quote

from nerfgan_cli import __version__
from nerfgan_cli.checkpoints.zoo import STUDENT
from nerfgan_cli.demo.cost import Cost
from nerfgan_cli.demo.curves import Record, plot_losses, plot_psnr, second_stage
from nerfgan_cli.demo.parts import Note
from nerfgan_cli.demo.style import CSS
from nerfgan_cli.training.distill_recipe import DistillRecipe
from nerfgan_cli.training.log import LOG, duration
from nerfgan_cli.training.run import RECIPE

PAGE = "index.html"
UNKNOWN = "–"


@dataclass(frozen=True)
class Facts:
    """What the page tells."""

    folder: Path
    run: Path
    recipe: DistillRecipe
    records: Sequence[Record]  # of the run's log
    notes: Mapping[str, Note]  # of the parts, by their names
    costs: Mapping[str, Sequence[Cost]]  # "teacher" and "student", by batch
    licence: str | None  # of the student

    @property
    def last(self) -> Record:
        return self.records[-1]

    @property
    def psnr(self) -> float | None:
        """The last one that was taken."""
        found = [record["psnr/image"] for record in self.records if "psnr/image" in record]
        return found[-1] if found else None


@dataclass(frozen=True)
class Command:
    about: str
    line: str


def commands(facts: Facts) -> list[Command]:
    """What to go on with."""
    run, recipe = quote(str(facts.run)), quote(str(facts.run / RECIPE))
    teacher = quote(facts.recipe.teacher.model)
    longer = 4 * facts.last["kimg"]
    return [
        Command(
            "Turn somebody else, the student left, the teacher right",
            f"nerfgan video --model {run} --side-by-side {teacher} --seed 7 -o both.mp4",
        ),
        Command(
            "Draw a crowd", f"nerfgan image --model {run} --seeds 0-15 --yaw=-20 -o people.png"
        ),
        Command(
            "Train this student four times as long; then bring this page up to date",
            f"nerfgan train {recipe} --out {run} --set train.kimg={longer:g}\n"
            f"nerfgan demo -o {quote(str(facts.folder))}",
        ),
        Command(
            "Distil the bundled teacher in full, for hours",
            "nerfgan train distill-toyheads --out toyheads-student",
        ),
        Command(
            "Faces, from an official EG3D checkpoint (nerfgan doctor says how to get it); stage 1 "
            "needs no pictures",
            "nerfgan doctor\n"
            "nerfgan train distill-ffhq512 --stage 1 --set data.kind=spread --out faces",
        ),
    ]


def render(facts: Facts) -> str:
    """The page."""
    sections = (opening, turning, angles, walking, mixing, learning, costing, going_on, closing)
    body = "\n".join(line for section in sections for line in section(facts))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>nerfgan: a student in {taught(facts)}</title>\n<style>{CSS}</style>\n"
        f"</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def taught(facts: Facts) -> str:
    return duration(facts.last["time/seconds"])


def opening(facts: Facts) -> Iterable[str]:
    teacher, student = (facts.costs[name][0] for name in ("teacher", "student"))
    last = facts.last
    yield f"<h1>A student in {taught(facts)}</h1>"
    yield (
        '<p class="lead">A teacher that marches rays through a neural volume taught a small '
        "convolutional network to draw the same people from the same latents and cameras. Here it "
        f"has seen {last['images']:,} pictures in {last['step']:,} steps, which leaves it blurred. "
        f"The bundled student, {STUDENT}, learned for an hour and a half: it draws the walk and "
        "the mixtures below, and whatever you draw without naming a model.</p>"
    )
    tiles = [
        (ratio(teacher.seconds, student.seconds), "as fast as its teacher, one picture at a time")
    ]
    if student.memory is not None:
        about = "as light in memory, one picture at a time"
        tiles.append((ratio(teacher.memory, student.memory), about))
    if facts.psnr is not None:
        count = facts.recipe.train.heldout
        tiles.append((f"{facts.psnr:.1f} dB", f"PSNR against the teacher, {count} held-out views"))
    cells = [f"<div><b>{number}</b><span>{about}</span></div>" for number, about in tiles]
    yield f'<div class="tiles">{"".join(cells)}</div>'


def ratio(teacher: float | None, student: float | None) -> str:
    return f"{teacher / student:.1f}×" if teacher and student else UNKNOWN


def megabytes(size: int | None) -> str:
    return UNKNOWN if size is None else f"{size / 1e6:,.0f}"


def sides(content: str) -> str:
    """A picture whose upper half is the teacher's and whose lower half is the student's."""
    labels = "<div><span>teacher</span><span>student</span></div>"
    return f'<div class="sides">{labels}{content}</div>'


def turning(facts: Facts) -> Iterable[str]:
    note = facts.notes["turn"]
    yield "<h2>Turning</h2>"
    caption = f"Seeds {listed(note['seeds'])}; {note['yaw_range']:g}° to either side."
    about = "people who turn to and fro, the teacher's above, the student's below"
    yield figure(sides(video(note["files"][0], about)), caption)


def angles(facts: Facts) -> Iterable[str]:
    note = facts.notes["angles"]
    degrees = "".join(f"<span>{degree(yaw)}</span>" for yaw in note["yaw"])
    yield "<h2>Side by side</h2>"
    yield "<p>The same latent and the same cameras for both. Only the camera turns.</p>"
    yield '<div class="people">'
    for seed, file in zip(note["seeds"], note["files"], strict=True):
        about = f"seed {seed} from {len(note['yaw'])} angles, teacher above, student below"
        sheet = f'<div class="angles">{degrees}</div>{sides(image(file, about))}'
        yield figure(sheet, f"Seed {seed}")
    yield "</div>"


def walking(facts: Facts) -> Iterable[str]:
    note = facts.notes["walk"]
    yield "<h2>From one to another</h2>"
    yield (
        f"<p>A walk through the style codes of {len(note['seeds'])} people, from "
        f"{len(note['yaw'])} sides at once, drawn by the bundled student {STUDENT}.</p>"
    )
    caption = f"Seeds {listed(note['seeds'])} and back, from {', '.join(map(degree, note['yaw']))}."
    about = "one person becomes another, seen from several sides"
    yield figure(video(note["files"][0], about), caption)


def mixing(facts: Facts) -> Iterable[str]:
    note = facts.notes["mix"]
    rows, columns, grid = note["files"]
    first, last = note["layers"]
    yield "<h2>Mixed styles</h2>"
    yield (
        f"<p>Layers {first} to {last} of the person above, all others of the person at the left, "
        f"drawn by the bundled student {STUDENT}.</p>"
    )
    cells = [
        "<span></span>",
        image(columns, "the people whose late layers are taken"),
        image(rows, "the people whose early layers are taken"),
        image(grid, "each of them mixed with each"),
    ]
    columns_wide = f'style="--columns: {len(note["columns"])}fr"'
    seeds = f"Rows: seeds {listed(note['rows'])}. Columns: seeds {listed(note['columns'])}."
    yield figure(f'<div class="mixing" {columns_wide}>{"".join(cells)}</div>', seeds)


def learning(facts: Facts) -> Iterable[str]:
    began, plan = second_stage(facts.records), facts.recipe.train
    yield "<h2>How it learned</h2>"
    story = "Stage 1 imitates the teacher"
    if began is not None:
        story += f"; from {began:,} pictures on, stage 2 also has to convince a discriminator"
    run = facts.run.name
    files = f'<a href="{run}/{RECIPE}">recipe</a> and <a href="{run}/{LOG}">log</a>'
    distinct = facts.recipe.teacher.cache_targets
    again = f", {distinct:,} of the teacher's pictures again and again" if distinct else ""
    yield (
        f"<p>The mapping network is the teacher's, all else was trained here. {story}. Batches of "
        f"{plan.batch}{again}; {files} of the run.</p>"
    )
    yield '<div class="charts">'
    losses = plot_losses(facts.records, facts.recipe.loss)
    yield figure(losses, "Losses of the student, with their last values")
    if facts.psnr is not None:
        yield figure(plot_psnr(facts.records), "PSNR of final and raw pictures that it never saw")
    yield "</div>"


def costing(facts: Facts) -> Iterable[str]:
    machine = escape(facts.notes["cost"]["machine"])
    yield "<h2>What a picture costs here</h2>"
    yield (
        "<p>Milliseconds for a picture, from its latent to pixels, when so many new people are "
        "drawn at once; both in turns, medians. Megabytes of the model and of what drawing adds to "
        f"it at most. {machine}.</p>"
    )
    heads = (
        *("at once", "teacher, ms", "student, ms", "as fast"),
        *("teacher, MB", "student, MB", "as light"),
    )
    yield '<div class="wide"><table><thead><tr>'
    yield "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr></thead><tbody>"
    for teacher, student in zip(facts.costs["teacher"], facts.costs["student"], strict=True):
        cells = (
            f"{1000 * teacher.seconds:.1f}",
            f"{1000 * student.seconds:.1f}",
            f"<b>{ratio(teacher.seconds, student.seconds)}</b>",
            megabytes(teacher.memory),
            megabytes(student.memory),
            f"<b>{ratio(teacher.memory, student.memory)}</b>",
        )
        yield f"<tr><td>{teacher.batch}</td>" + "".join(f"<td>{cell}</td>" for cell in cells)
        yield "</tr>"
    yield "</tbody></table></div>"


def going_on(facts: Facts) -> Iterable[str]:
    yield "<h2>Go on</h2>"
    for command in commands(facts):
        yield f"<p>{escape(command.about)}:</p><pre>{escape(command.line)}</pre>"


def closing(facts: Facts) -> Iterable[str]:
    yield (
        f"<footer>Made by nerfgan {__version__}; the teacher is "
        f"{escape(Path(facts.recipe.teacher.model).name)}."
    )
    if facts.licence is not None:
        yield f" Terms of this student: {escape(facts.licence)}"
    yield "</footer>"


def figure(content: str, caption: str) -> str:
    return f"<figure>{content}<figcaption>{caption}</figcaption></figure>"


def image(file: str, about: str) -> str:
    return f'<img src="{escape(file)}" alt="{escape(about)}">'


def video(file: str, about: str) -> str:
    told = f'src="{escape(file)}" aria-label="{escape(about)}"'
    return f"<video {told} autoplay loop muted playsinline controls></video>"


def listed(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, seeds))


def degree(yaw: float) -> str:
    return f"{yaw:+g}°" if yaw else "0°"
