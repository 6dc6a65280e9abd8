"""The walk of an inversion, in a folder from which it goes on when it was interrupted.

    photographs, cameras → unknown cameras' yaws → pivot → tuned generator → pictures, result.json

The folder's `unfinished.state` says where it stands; it goes when everything else is written.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from torch import Tensor
from tqdm import tqdm

from nerfgan_cli.camera_files import write_cameras
from nerfgan_cli.checkpoints.base import Base
from nerfgan_cli.checkpoints.checksum import checksum, space_checksum, weights_checksum
from nerfgan_cli.checkpoints.payloads import to_payload
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.zoo import RESULT, UNFINISHED
from nerfgan_cli.errors import DivergedError, InputError
from nerfgan_cli.files import make_folder, replacing
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.inversion import noise
from nerfgan_cli.inversion.distances import Distances
from nerfgan_cli.inversion.extras import FRAMES, codes_of_frames
from nerfgan_cli.inversion.first_cameras import FirstCameras
from nerfgan_cli.inversion.photos import View
from nerfgan_cli.inversion.pivot import PivotSearch
from nerfgan_cli.inversion.settings import Settings
from nerfgan_cli.inversion.stage import Stage, Terms
from nerfgan_cli.inversion.state import (
    Progress,
    read_state,
    restore,
    restore_optimizer,
    save_state,
)
from nerfgan_cli.inversion.statistics import Statistics, measure_codes
from nerfgan_cli.inversion.tuning import Tuning
from nerfgan_cli.latent_files import OFFSET, PIVOT, Latent, write_latent
from nerfgan_cli.training.signals import Signals, noted_signals

LOG, CAMERA = "progress.jsonl", "camera.json"
SAVE_SECONDS = 60.0  # between states that are written
LOG_STEPS = 10  # between records
STAGES = (FirstCameras.name, PivotSearch.name, Tuning.name)
LARGEST_LOSS = 1e6
RECOMPUTED = 512  # side of a student's pictures from which on memory counts more than time
BEGUN_WITH = {  # what must be the same when an inversion goes on
    "model": "another model",
    "photos": "other photographs or masks",
    "cameras": "other cameras",
    "distances": "other networks that compare pictures",
    "settings": "other settings",
}


@dataclass(frozen=True)
class Job:
    """What to invert, and with what."""

    name: str
    generator: Generator  # the base; it stays as it is
    base: Base
    provenance: Provenance  # of the tuned model
    views: list[View]
    distances: Distances
    settings: Settings

    def key(self) -> dict[str, str]:
        """Checksums of all that the result depends on."""
        views, networks = self.views, (self.distances.pivot, self.distances.tuning)
        pictures = [view.target for view in views]
        masks = [view.mask for view in views if view.mask is not None]
        which = json.dumps([view.mask is not None for view in views])
        told = json.dumps([view.known for view in views])
        found = {
            "model": self.base.checksum,
            "photos": crc32(which.encode(), _checksum(pictures + masks)),
            "cameras": crc32(told.encode(), _checksum([view.camera.label for view in views])),
            "distances": weights_checksum(*networks),
            "settings": crc32(json.dumps(asdict(self.settings)).encode()),
        }
        return {name: f"{value:08x}" for name, value in found.items()}


@dataclass(frozen=True)
class Inversion:
    """What was found."""

    pivot: Latent
    views: list[View]  # with the cameras that were found
    projecting: Generator  # the base with the pivot's noise images
    tuned: Generator
    shifts: list[list[float]]  # of the photographs, in sides: to the right and down
    steps: dict[str, int]  # that each stage took
    seconds: float


def recomputes(generator: Generator) -> bool:
    """Whether it does so without being asked: a large student, which then needs less than half of
    a teacher's memory."""
    return generator.img_resolution >= RECOMPUTED and not generator.has_depth


def find_result(job: Job, folder: Path) -> dict[str, Any] | None:
    """That of an inversion which is finished; another one, or other things, are refused."""
    path = folder / RESULT
    if not path.is_file():
        _refuse_strangers(folder)
        return None
    try:
        result: dict[str, Any] = json.loads(path.read_text("utf-8"))
        _refuse_other(folder, result["key"], job.key())
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: remove it, or give another -o.") from error
    (folder / UNFINISHED).unlink(missing_ok=True)  # of a process that was killed before it did so
    return result


def invert(job: Job, folder: Path, say: Callable[[str], None]) -> Inversion | None:
    """All stages, from where the folder stands; None: a signal stopped it, after saving."""
    _refuse_strangers(folder)
    own = not folder.exists()
    make_folder(folder)
    for leftover in folder.glob(".*.tmp"):  # what a killed process was writing
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with noted_signals() as signals:
            return Run(job, folder, signals, say).finish()
    finally:
        if own and not (folder / UNFINISHED).is_file():  # an error, with nothing to go on from
            shutil.rmtree(folder, ignore_errors=True)


class Run:
    """An inversion while a process works on it."""

    def __init__(
        self, job: Job, folder: Path, signals: Signals, say: Callable[[str], None]
    ) -> None:
        self.job, self.folder, self.signals, self.say = job, folder, signals, say
        self.file = folder / UNFINISHED
        self.progress, self.tensors = Progress(job.key()), dict[str, Tensor]()
        if self.file.is_file():
            self.progress, self.tensors = read_state(self.file)
            _refuse_other(folder, self.progress.key, job.key())
            stage = STAGES[self.progress.stage]
            say(f"continuing from step {self.progress.step} of the {stage}")
        _truncate(folder / LOG, self.progress.stage, self.progress.step)
        self.begun = self.saved = time.perf_counter()
        self.stages: list[Stage] = []

    def finish(self) -> Inversion | None:
        job, generator = self.job, deepcopy(self.job.generator)
        statistics = measure_codes(generator)
        search = PivotSearch(generator, job.views, job.distances.pivot, statistics, job.settings)
        if not (self.through(FirstCameras(search)) and self.through(search)):
            return None
        pivot, views = self.take_pivot(search, statistics)
        stop = job.settings.tuning.stop
        stop = job.distances.stop if stop is None else stop
        codes = codes_of_frames(pivot, generator)
        tuning = Tuning(generator, codes, views, job.distances.tuning, job.settings, stop)
        if not self.through(tuning):
            return None
        return Inversion(
            pivot,
            views,
            generator,
            tuning.tuned.requires_grad_(False),
            [] if search.search is None else search.shifts().tolist(),
            {"pivot": search.steps, "tuning": self.progress.step},
            self.seconds,
        )

    def take_pivot(self, search: PivotSearch, statistics: Statistics) -> tuple[Latent, list[View]]:
        """Fixes what was found, and writes it."""
        extras = {"w_avg": statistics.w_avg, "w_std": statistics.w_std}
        for name, image in search.noise.items():
            image.requires_grad_(False)
            extras[f"{noise.PREFIX}{name}"] = image
        if search.offset is not None:
            extras[OFFSET] = (search.offset * search.offset_scale).detach()
        ws, space = search.ws.detach(), space_checksum(search.generator)
        if search.moves is not None:  # so that ws is what the frames have in common
            common = search.moves.detach().mean(dim=0, keepdim=True)
            ws, extras[FRAMES] = ws + common, search.moves.detach() - common
        views = search.found_views()
        pivot = Latent(ws, self.job.name, space, extras)
        write_latent(self.folder / PIVOT, pivot)
        write_cameras([(None, view.camera) for view in views], self.folder / CAMERA)
        return pivot, views

    def through(self, stage: Stage) -> bool:
        """All steps of a stage that are left; False: a signal came, and the state is saved."""
        number = len(self.stages)
        self.stages.append(stage)
        if not stage.steps:
            return True
        if self.progress.stage > number:
            restore(stage, self.tensors)
            return True
        if self.progress.stage < number:
            self.progress = replace(self.progress, stage=number, step=0)
        elif self.tensors:
            restore(stage, self.tensors)
            restore_optimizer(stage, self.tensors)
        title = f"{stage.name:7}"
        hidden = not sys.stderr.isatty()
        first = self.progress.step
        with tqdm(total=stage.steps, initial=first, desc=title, disable=hidden) as bar:
            while self.progress.step < stage.steps and not self.signals.caught:
                terms = stage.step(self.progress.step)
                if terms is None:
                    self.say(f"{stage.name} is good enough after {self.progress.step} steps")
                    break
                self.record(stage, terms)
                self.progress = replace(self.progress, step=self.progress.step + 1)
                bar.update()
                if time.perf_counter() - self.saved > SAVE_SECONDS:
                    self.save()
        self.save()
        return not self.signals.caught

    @property
    def seconds(self) -> float:
        return self.progress.seconds + time.perf_counter() - self.begun

    def save(self) -> None:
        progress = replace(self.progress, seconds=self.seconds)
        save_state(self.file, progress, self.stages)
        self.saved = time.perf_counter()

    def record(self, stage: Stage, terms: Terms) -> None:
        """A line of the log; what is not finite ends the inversion."""
        step = self.progress.step
        for name, value in terms.items():
            if not abs(value) <= LARGEST_LOSS:  # nor if it is NaN
                raise DivergedError(
                    f"the inversion diverged: in step {step} of the {stage.name} its {name} is "
                    f"{value:g}: check the camera, or give another -o and --seed."
                )
        if step % LOG_STEPS and step != stage.steps - 1:
            return
        record = {"stage": stage.name, "step": step, **terms, "seconds": round(self.seconds, 2)}
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _refuse_strangers(folder: Path) -> None:
    """Where an inversion may begin or go on there is nothing else."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give -o a folder.")
    others = {path.name for path in folder.glob("*") if not path.name.startswith(".")}
    if not (folder / UNFINISHED).is_file() and others - {LOG}:
        raise InputError(f"{folder} holds other things than an inversion: give -o a new folder.")


def _checksum(tensors: list[Tensor]) -> int:
    return checksum({f"{index:04d}": to_payload(tensor) for index, tensor in enumerate(tensors)})


def _refuse_other(folder: Path, before: dict[str, str], now: dict[str, str]) -> None:
    for what, other in BEGUN_WITH.items():
        if before[what] != now[what]:
            raise InputError(
                f"{folder} holds an inversion with {other}: give another -o, or what it was begun "
                "with."
            )


def _truncate(file: Path, stage: int, step: int) -> None:
    """Drops the records that will be written again, and one that was cut off."""
    if not file.is_file():
        return
    kept = []
    for line in file.read_text("utf-8").splitlines(keepends=True):
        try:
            record = json.loads(line)
        except ValueError:
            break
        if (STAGES.index(record["stage"]), record["step"]) < (stage, step):
            kept.append(line)
    with replacing(file) as unfinished:
        unfinished.write_text("".join(kept), "utf-8")
