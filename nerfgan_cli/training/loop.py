"""The training loop: step, log, snapshot. What a step is, the recipe's kind says (`task.py`).

    restore the newest checkpoint, or start
    repeat   step → log → now and then a checkpoint, a sheet of pictures and a video
    until    train.kimg, or a signal: save and stop

All processes of a run walk through it in step; only the first one writes.
"""

from pathlib import Path

import torch

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.errors import InputError
from nerfgan_cli.media import write_png
from nerfgan_cli.training import checkpoints, samples
from nerfgan_cli.training.feed import find_foreign_cameras
from nerfgan_cli.training.log import Clock, Log, Meter, memory_gib
from nerfgan_cli.training.run import RECIPE, SAMPLES, write_recipe
from nerfgan_cli.training.signals import noted_signals
from nerfgan_cli.training.state import Facts, read_state, restore
from nerfgan_cli.training.task import Say, Task


def train(task: Task, folder: Path, say: Say) -> int:
    """Trains to the recipe's end from where the run in the folder stands; returns images seen."""
    plan, world = task.recipe.train, task.world
    session = Session(task, folder, say)
    if world.first:  # not before data and teacher are known to be the run's own
        write_recipe(folder / RECIPE, task.recipe)
    with noted_signals() as signals:
        while session.step < plan.steps:
            session.meter.add(task.step(session.step))
            session.step += 1
            stop = world.any(signals.caught is not None)
            last = session.step == plan.steps
            snapshot = last or session.due(plan.snapshot_kimg)
            if stop or snapshot or session.due(plan.log_kimg):
                session.log()
            if stop or snapshot:
                session.save()
            if snapshot and not stop:
                session.show()
            if stop:
                say(f"saved at {session.images / 1000:g} kimg: the same command continues.")
                break
    return session.images


class Session:
    """A run while a process trains it: from one start to one stop."""

    def __init__(self, task: Task, folder: Path, say: Say) -> None:
        self.task, self.folder = task, folder
        self.fingerprint = "" if task.data is None else task.data.fingerprint()
        facts = resume(task, folder, self.fingerprint, say)
        self.step = facts.step
        task.begin(self.step)  # may refuse: before anything in the folder changes
        if self.step:
            say(f"continuing from {self.images / 1000:g} kimg")
        self.meter = Meter()
        self.clock = Clock(facts.seconds, self.images)
        self.writer: Log | None = None
        if task.world.first:
            self.writer = Log(folder, self.images, say)
            if task.data is not None:
                preset = PRESETS[task.result.camera_preset]
                for warning in find_foreign_cameras(task.data, preset):
                    say(f"warning: {warning}")
                samples.write_reals(folder / SAMPLES / "reals.png", task.data)

    @property
    def images(self) -> int:
        return self.step * self.task.recipe.train.batch

    def due(self, kimg: float) -> bool:
        """Whether the last step passed a multiple of so many images."""
        before = self.images - self.task.recipe.train.batch
        return int(self.images / (kimg * 1000)) > int(before / (kimg * 1000))

    def log(self) -> None:
        means = self.meter.read(self.task.world)
        if self.writer is None:
            return
        device, plan = self.task.world.device, self.task.recipe.train
        record = {"step": self.step, "images": self.images, "kimg": self.images / 1000}
        record |= self.clock.lap(self.images) | {"resources/memory_gib": memory_gib(device)}
        left = (plan.steps * plan.batch - self.images) / record["time/images_per_second"]
        self.writer.write(record | means, left)

    def save(self) -> None:
        """A checkpoint. Its losses were found finite by `log`, weights and pictures are here."""
        self.task.gather()
        if not self.task.world.first:
            return
        samples.try_out(self.task.result)
        task, recipe = self.task, self.task.recipe
        facts = Facts(self.step, self.clock.seconds, task.licence, self.fingerprint)
        training = {
            "recipe": recipe.about,
            "kind": recipe.kind,
            "data": task.data.name if task.data is not None else None,
            "kimg": self.images / 1000,
            "seed": recipe.train.seed,
            "hours": round(facts.seconds / 3600, 3),
            "device": device_name(task.world.device),
            "processes": task.world.size,
            **task.card,
        }
        provenance = Provenance(self.folder.name, licence=task.licence, training=training)
        checkpoints.write(self.folder, self.images, task, facts, provenance)

    def show(self) -> None:
        """Pictures and a video of the result."""
        if self.writer is None:
            return
        place = self.folder / SAMPLES
        name = checkpoints.stem(self.images)
        sheet = samples.write_sheet(place / f"{name}.png", self.task.result)
        self.writer.board.picture("samples", sheet, self.images)
        for title, picture in self.task.pictures().items():
            write_png(picture, place / f"{name}-{title}.png")
            self.writer.board.picture(title, picture, self.images)
        if self.task.recipe.train.video_frames:
            frames = self.task.recipe.train.video_frames
            samples.write_video(place / f"{name}.mp4", self.task.result, frames)


def resume(task: Task, folder: Path, fingerprint: str, say: Say) -> Facts:
    """Restores the newest good checkpoint in all processes; without one, the run begins."""
    found = checkpoints.find_newest(folder, say) if task.world.first else None
    path = task.world.tell(found)
    if path is None:
        task.initialize(say)
        return Facts(licence=task.licence, data=fingerprint)
    facts, tensors = read_state(path)
    if facts.data != fingerprint:
        raise InputError(
            "the data set is not the one that this run was trained on: restore its pictures and "
            "labels, or give another --out."
        )
    restore(task, tensors, path)
    task.licence = facts.licence
    return facts


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
