"""One evaluation of `nerfgan eval`: its model, data and pictures, its progress, what it writes."""

import re
import sys
from dataclasses import replace
from os.path import abspath
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import typer
from tqdm import tqdm

from nerfgan_cli.cameras import PRESETS, CameraPreset
from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.checkpoints.toyheads import toyheads_teacher
from nerfgan_cli.checkpoints.zoo import DEFAULT, TEACHER, home
from nerfgan_cli.commands.counterparts import prefer_lesson
from nerfgan_cli.commands.data.prepare.folder import Like
from nerfgan_cli.commands.drawing import open_source
from nerfgan_cli.commands.eval_options import Order
from nerfgan_cli.commands.options import Shown
from nerfgan_cli.commands.parsing import parse_batch
from nerfgan_cli.commands.tables import Format, write_table
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.data.labels import has_labels
from nerfgan_cli.data.opening import open_images
from nerfgan_cli.data.storage import open_storage
from nerfgan_cli.data.toyheads.dataset import ToyHeads
from nerfgan_cli.errors import InputError, NerfganError, UsageError
from nerfgan_cli.evaluation.comparison import summary
from nerfgan_cli.evaluation.figures import Named, write_poses
from nerfgan_cli.evaluation.folder import PictureFolder
from nerfgan_cli.evaluation.metric import Metric, Origin, Setting, side_of
from nerfgan_cli.evaluation.report import (
    FILE,
    Report,
    describe,
    find_earlier,
    open_report,
    read_report,
)
from nerfgan_cli.evaluation.run import evaluate
from nerfgan_cli.evaluation.table import FIGURES, METRICS
from nerfgan_cli.files import make_folder
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.mimic3d import BRANCH_3D
from nerfgan_cli.training.distributed import World

FOLDER = Path("eval")  # of reports, each in a folder of its own name
TOYHEADS = "toyheads"
MANY_TOYHEADS = 100_000  # the length that recipes state; those that are looked at are drawn


class Judged(NamedTuple):
    """Who is evaluated, and what the report says of its origin."""

    setting: Setting
    facts: dict[str, object]


class Bars:
    """Shows how far each pass is and when it will be done; in the first process, on a terminal."""

    def __init__(self, shown: bool) -> None:
        self.shown = shown and sys.stderr.isatty()
        self.bar: Any = None
        self.what = ""

    def __call__(self, what: str, done: int, of: int) -> None:
        if not self.shown:
            return
        if self.bar is None or what != self.what or done < self.bar.n:
            self.close()
            self.what = what
            self.bar = tqdm(total=of, initial=done, desc=what, unit="picture")
        self.bar.total = of
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def __enter__(self) -> "Bars":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def choose_metrics(text: str | None) -> list[Metric]:
    """Those of a comma list, in its order; without a word all."""
    if text is None:
        return list(METRICS.values())
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in METRICS:
            raise UsageError(f"there is no metric {name!r}: use any of {', '.join(METRICS)}.")
    return [METRICS[name] for name in dict.fromkeys(names)]


def evaluate_one(
    order: Order,
    world: World,
    model: str | None,  # None: the default, or the order's pictures
    out: Path | None,  # None: a folder of its own name
    form: Format,
    label: str | None = None,  # what it is called; None: by its own name
    among: Path = FOLDER,  # where folders of their own names are
) -> tuple[Report, dict[str, NerfganError]]:
    """What was measured is on disk however it ends; what could not be is returned, by metric."""
    with Bars(world.first) as bars:
        setting, facts = open_judged(model, order, world, bars, label)
        folder = among / folder_name(setting) if out is None else out
        report = Report(describe(setting, facts))
        with world.alike():
            if world.first:
                make_folder(folder)
                report = open_report(report.facts, folder)
        metrics = choose_metrics(order.metrics)
        try:
            failures = evaluate(setting, metrics, report, folder, say if world.first else hush)
            if world.first:
                failures |= add_figures(setting, report, folder)
        finally:
            if world.first:
                report.write(folder)
                write_table(summary(read_report(folder)), folder, "table", form)
                if report.values:
                    say(f"wrote {folder / FILE}")
    return report, failures


def check_folder(order: Order, world: World, model: str, label: str, among: Path) -> None:
    """Refuses what `evaluate_one` would when its turn comes."""
    setting, facts = open_judged(model, order, world, Bars(False), label)
    with world.alike():
        if world.first:
            find_earlier(describe(setting, facts), among / folder_name(setting))


def folder_name(setting: Setting) -> str:
    return re.sub(r"[^\w.]+", "-", setting.name).strip("-")


def add_figures(setting: Setting, report: Report, out: Path) -> dict[str, NerfganError]:
    """A model that cannot draw has numbers nevertheless."""
    try:
        report.figures = [path.name for path in write_figures(setting, report, out)]
    except NerfganError as error:
        report.skip("figures", str(error).rstrip("."))
        return {"figures": error}
    return {}


def write_figures(setting: Setting, report: Report, out: Path) -> list[Path]:
    """The sheet over poses, and what the metrics that were measured show."""
    values = {report.name: report.whole().values}
    found = [path for figure in FIGURES for path in figure(values, out)]
    if setting.generator is None:
        return found
    shown = [Named(setting.name, setting.generator, setting.options)]
    if setting.teacher is not None:
        shown.insert(0, Named("teacher", setting.teacher))
    return [*write_poses(shown, out), *found]


def say(sentence: str) -> None:
    """Progress, beside the result."""
    typer.echo(sentence, err=True)


def hush(sentence: str) -> None:
    """The first process says it."""


def name_of(model: str | None) -> str:
    """Of a model by name, file or folder."""
    if model is None:
        return DEFAULT
    return Path(abspath(Path(model).expanduser())).name.removesuffix(".safetensors")


def open_judged(
    model: str | None, order: Order, world: World, progress: Bars, label: str | None
) -> Judged:
    """A model with its teacher and data, or pictures that were made elsewhere."""
    bare = Setting(
        name=label or name_of(model),
        generator=None,
        images=None,
        teacher=None,
        data=None,
        number=order.number,
        seed=order.seed,
        batch=parse_batch(order.batch),
        world=world,
        cache=order.cache or home() / "evaluation",
        progress=progress,
        networks=order.networks,
        condition_on_view=order.condition_on_view,
        named=frozenset(one.name for one in choose_metrics(order.metrics) if order.metrics),
    )
    if order.images is not None:
        return _open_pictures(order.images, order, bare)
    source = open_source(model, order.device, order.precision)
    generator, usual = source.generator, toyheads_teacher(source.generator)
    teacher = order.teacher or (None if generator.has_depth else usual)
    options = choose_look(generator, bare.name, order)
    branch, side = options.branch or generator.branch, side_of(generator, options)
    raw = f"raw {side}" if options.raw_only else None
    setting = replace(
        bare,
        name=" ".join(filter(None, [bare.name, branch, raw])),
        generator=generator,
        options=options,
        origin=Origin(source.path, source.precision),
        teacher=_open_teacher(teacher, order, source.path),
        data=_open_data(order.data, side, usual is not None),
    )
    facts: dict[str, object] = {
        "model": str(source.path),
        "kind": generator.kind,
        "branch": branch,
        "what": order.what.value,
        "checksum": f"{weights_checksum(generator):08x}",
        "precision": source.precision,
        "resolution": side,
        "teacher": teacher,
    }
    return Judged(setting, facts)


def choose_look(generator: Generator, name: str, order: Order) -> DrawOptions:
    """What of the model's drawing is judged."""
    raw, side = order.what is Shown.raw, order.resolution
    if order.what is Shown.depth:
        raise UsageError("depth is not judged: use --what image or raw.")
    chosen = choose_branch(generator, name, order.branch and order.branch.value)
    if (raw or side is not None) and (chosen.branch or generator.branch) == BRANCH_3D:
        raise UsageError(
            f"the 3D branch of {name} has no super-resolution, it is judged as it draws by itself, "
            f"{generator.img_resolution}²: leave --what and --resolution out."
        )
    if side is not None and not raw:
        raise UsageError("--resolution is that of raw pictures: give it with --what raw.")
    if side not in (None, generator.raw_resolution) and not generator.any_resolution:
        raise UsageError(
            f"{name} has no rays, its raw pictures are {generator.raw_resolution}² and nothing "
            "else: leave --resolution out, or judge a volumetric model."
        )
    return replace(chosen, raw_only=raw, resolution=side)


def choose_branch(generator: Generator, name: str, branch: str | None) -> DrawOptions:
    """Whichever is asked for; else its usual one."""
    if branch is not None and branch not in generator.branches:
        raise UsageError(f"{name} has no branch {branch}: leave --branch out.")
    return DrawOptions(branch=branch)


def _open_pictures(path: Path, order: Order, bare: Setting) -> Judged:
    """All of them, if no number is given: somebody else has drawn them already."""
    preset = PRESETS[(order.like or Like.ffhq).value]
    images = PictureFolder(path, order.cameras, preset)
    if order.number is not None and order.number > len(images):
        raise InputError(
            f"{path} has {len(images)} pictures, fewer than the {order.number} of --num: "
            "give more pictures, or a smaller --num."
        )
    teacher = order.teacher or (TEACHER if order.data == TOYHEADS else None)
    setting = replace(
        bare,
        name=images.name,
        images=images,
        teacher=_open_teacher(teacher, order),
        data=_open_reals(order.data, images.resolution, preset),
        number=order.number or len(images),
    )
    facts: dict[str, object] = {
        "images": str(path),
        "images_fingerprint": images.fingerprint(),
        "resolution": images.resolution,
    }
    return Judged(setting, facts)


def _open_reals(data: str | None, resolution: int, preset: CameraPreset) -> ImageSet | None:
    """To compare pictures with: no one asks for their cameras."""
    if data in (None, TOYHEADS) or has_labels(open_storage(Path(data).expanduser())):
        return _open_data(data, resolution, toy=False)
    return PictureFolder(Path(data).expanduser(), None, preset)


def _open_teacher(name: str | None, order: Order, student: Path | None = None) -> Generator | None:
    if name is None:
        return None
    teacher = open_source(name, order.device, order.precision).generator
    if student is not None:
        prefer_lesson(teacher, student)
    return teacher


def _open_data(data: str | None, resolution: int, toy: bool) -> ImageSet | None:
    if data == TOYHEADS or (data is None and toy):
        return ToyHeads(resolution, MANY_TOYHEADS)
    return None if data is None else open_images(Path(data).expanduser())
