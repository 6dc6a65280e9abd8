"""Pictures of the teacher that a student is compared with while it learns from others."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.errors import DivergedError
from nerfgan_cli.generators.contract import Subject
from nerfgan_cli.generators.student import Student
from nerfgan_cli.losses.features import RGB
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.lessons import Lessons

Pixels = NDArray[np.uint8]  # [B, H, W, 3]


class Pair(NamedTuple):
    """Of one slice."""

    w: Tensor  # [B, w_dim]
    camera: Camera  # B
    image: Pixels
    raw: Pixels


class HeldOut:
    """Subjects and cameras as in training, drawn as a user would draw them.

    They are never truncated, and rays are sampled at fixed depths. The teacher is asked at the
    first comparison.
    """

    def __init__(self, lessons: Lessons, count: int, world: World) -> None:
        table = replace(
            lessons.table, jitter=False, truncation=1.0, truncation_share=0.0, views_per_latent=1
        )
        self.lessons = replace(lessons, table=table, purpose="held-out", raw_only=False)
        each = -(-count // (lessons.size * world.size))  # slices of a process
        self.numbers = range(world.rank, each * world.size, world.size)
        self.pairs: list[Pair] = []

    @torch.no_grad()
    def compare(self, student: Student) -> dict[str, float]:
        """Mean PSNR in dB of this process's share."""
        if not self.pairs:
            self.pairs = [self._pair(number) for number in self.numbers]
        found = {"psnr/image": 0.0, "psnr/raw": 0.0}
        for pair in self.pairs:
            ws = pair.w[:, None].expand(-1, student.num_ws, -1)
            drawn = student.draw(Subject(ws), pair.camera)
            if not bool(drawn.image.isfinite().all()):
                raise DivergedError(
                    "the training diverged: the student draws values that are not finite; the last "
                    "good checkpoint is kept: start another run with a smaller learning rate."
                )
            found["psnr/image"] += psnr(to_pixels(drawn.image), pair.image).mean()
            found["psnr/raw"] += psnr(to_pixels(drawn.image_raw), pair.raw).mean()
        return {name: float(total) / len(self.pairs) for name, total in found.items()}

    def _pair(self, number: int) -> Pair:
        lesson = self.lessons(number)
        raw = to_pixels(lesson.features[:, :RGB])
        return Pair(lesson.w, lesson.camera, to_pixels(lesson.image), raw)
