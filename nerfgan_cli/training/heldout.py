"""Pictures of the teacher that a student is compared with while it learns from others."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import Subject
from nerfgan_cli.generators.student import Student
from nerfgan_cli.losses.features import RGB
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.lessons import Lessons
from nerfgan_cli.training.samples import require_finite

Pixels = NDArray[np.uint8]  # [B, H, W, 3]


class Pair(NamedTuple):
    """Of one subject and camera."""

    w: Tensor  # [1, w_dim]
    camera: Camera  # 1
    image: Pixels
    raw: Pixels
    strict: Pixels | None = None  # a 3D branch's, beside the 2D branch's


class HeldOut:
    """Subjects and cameras as in training, drawn as a user would draw them.

    They are never truncated, and rays are sampled at fixed depths. The teacher is asked at the
    first comparison.
    """

    def __init__(self, lessons: Lessons, count: int, world: World) -> None:
        table = replace(
            lessons.table, jitter=False, truncation=1.0, truncation_share=0.0, views_per_latent=1
        )
        whole = lessons.wanted._replace(patch=None)
        self.lessons = replace(
            lessons, table=table, wanted=whole, purpose="held-out", raw_only=False, size=1
        )
        self.count, self.world = count, world
        self.pairs: list[Pair] = []

    @torch.no_grad()
    def compare(self, student: Student) -> dict[str, float]:
        """Mean PSNR in dB, to the picture of either branch where two teach.

        Each process draws a share of the pairs, which are always the same.
        """
        if not self.pairs:
            numbers = range(self.world.rank, self.count, self.world.size)
            self.pairs = [self._pair(number) for number in numbers]
        names = ("image", "raw", "strict") if self.lessons.wanted.is_hybrid else ("image", "raw")
        found = np.zeros(len(names))
        for pair in self.pairs:
            ws = pair.w[:, None].expand(-1, student.num_ws, -1)
            drawn = student.draw(Subject(ws), pair.camera)
            require_finite(drawn.image)
            own = {"image": drawn.image, "raw": drawn.image_raw, "strict": drawn.image}
            found += [psnr(to_pixels(own[name]), getattr(pair, name)).item() for name in names]
        total = self.world.sum(torch.tensor(found, dtype=torch.float32, device=self.world.device))
        means = (total / self.count).tolist()
        return {f"psnr/{name}": mean for name, mean in zip(names, means, strict=True)}

    def _pair(self, number: int) -> Pair:
        lesson = self.lessons(number)
        raw = to_pixels(lesson.features[:, :RGB])
        strict = None if lesson.strict is None else to_pixels(lesson.strict)
        return Pair(lesson.w, lesson.camera, to_pixels(lesson.image), raw, strict)
