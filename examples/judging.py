"""What the ablations measure of a student, and of its teacher for comparison.

    image, raw  PSNR to the teacher's pictures, final ones and features. Cameras are the data's,
                and w is that of the same camera, as when FID is measured (metrics.md 2.1)
    far         PSNR from yaw −40° and 40°, beyond most cameras of the data; from here on, w is
                that of the frontal camera, as when a subject turns in a video
    truncated   PSNR at ψ = 0.7
    views       PSNR between a generator's own views from yaw −15° and 15°, one carried over to the
                other along the teacher's depth (`metrics/warped_psnr.py`)
    features    perceptual distance to the pictures of `image`, by the teacher's discriminator
    frechet     Fréchet distance of that discriminator's features to those of real pictures
    ms          to draw one view, median

Decibels of 100 say that pictures are equal. The discriminator is a judge in its own cause where
a student was trained with it: what only `frechet` shows is to be looked at.
"""

from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.drawing import latent
from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.fid import fid
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.metrics.warped_psnr import see_both_sides, warped_psnr
from nerfgan_cli.ops.resize import filtered_resizing
from nerfgan_cli.training.distill_recipe import DistillRecipe
from nerfgan_cli.training.feed import open_data
from nerfgan_cli.training.teacher import open_discriminator, open_teacher

MANY = 256  # subjects, and real pictures, of `image`, `raw`, `features` and `frechet`
FEW = 64  # of the others; an even number
FAR = 0.7  # radians
TRUNCATION = 0.7
FRAMES = 5  # that are timed
BATCH = 16

Numbers = dict[str, float]


class Portraits(NamedTuple):
    """Subjects as their teacher draws them."""

    ws: Tensor  # [B, L, w_dim]
    camera: Camera  # B
    image: Tensor  # [B, 3, H, H]
    raw: Tensor  # [B, 3, h, h]


class Judge:
    """Measures generators by the same pictures of one teacher."""

    def __init__(self, recipe: DistillRecipe, device: torch.device) -> None:
        self.teacher = open_teacher(recipe.teacher, device).network
        self.checksum = weights_checksum(self.teacher)
        self.critic = open_discriminator(recipe.teacher, self.teacher).to(device)
        self.distance = DiscriminatorDistance(self.critic)
        self.real, cameras = self._look_at(open_data(recipe.data, self.teacher.img_resolution))
        preset = PRESETS[self.teacher.camera_preset]
        sides = preset.at([-FAR, FAR] * (FEW // 2)).to(device)
        front = preset.frontal().to(device)
        self.usual = portray(self.teacher, cameras, cameras)
        self.far = portray(self.teacher, sides, front.expand(FEW))
        few = cameras[:FEW]
        self.truncated = portray(self.teacher, few, front.expand(len(few)), TRUNCATION)
        self.both_sides = list(see_both_sides(self.teacher, range(FEW)))

    @torch.inference_mode()
    def measure(self, generator: Generator) -> Numbers:
        image, raw, distances, features = [], [], [], []
        for portraits in self.usual:
            drawn = generator.synthesis(portraits.ws, portraits.camera)
            image.append(decibels(drawn.image, portraits.image))
            raw.append(decibels(drawn.image_raw, portraits.raw))
            distances.append(self.distance(drawn.image, portraits.image))
            features.append(self._features(drawn.image, drawn.image_raw))
        return {
            "image": float(np.concatenate(image).mean()),
            "raw": float(np.concatenate(raw).mean()),
            "far": likeness(generator, self.far),
            "truncated": likeness(generator, self.truncated),
            "views": warped_psnr(generator, self.both_sides),
            "features": torch.cat(distances).mean().item(),
            "frechet": fid(self.real, np.concatenate(features)),
            "ms": milliseconds(generator, self.usual[0]),
        }

    @torch.inference_mode()
    def _look_at(self, data: ImageSet) -> tuple[np.ndarray, Camera]:
        """Features of real pictures, [N, C], and the cameras that they were taken with."""
        features, labels = [], []
        device, size = next(self.critic.parameters()).device, self.teacher.raw_resolution
        for item in DataLoader(Subset(data, range(min(MANY, len(data)))), BATCH):
            image = item.image.to(device).float() / 127.5 - 1
            features.append(self._features(image, filtered_resizing(image, size)))
            labels.append(item.label.to(device))
        return np.concatenate(features), Camera.from_label(torch.cat(labels))

    def _features(self, image: Tensor, raw: Tensor) -> np.ndarray:  # [B, C]
        *_, last = self.critic.features(image, raw)
        return last.float().mean(dim=(2, 3)).cpu().numpy()


@torch.inference_mode()
def portray(
    teacher: Generator,
    cameras: Camera,  # N
    conditioning: Camera,  # N
    truncation: float = 1.0,
) -> list[Portraits]:
    """As many subjects, of the first seeds, in batches."""
    found = []
    for start in range(0, len(cameras), BATCH):
        some = slice(start, start + BATCH)
        camera, seeds = cameras[some], range(len(cameras))[some]
        z = torch.cat([latent(seed, teacher.z_dim) for seed in seeds]).float().to(camera.device)
        ws = teacher.mapping(z, conditioning[some], truncation)
        drawn = teacher.synthesis(ws, camera)
        found.append(Portraits(ws, camera, drawn.image, drawn.image_raw))
    return found


def likeness(generator: Generator, asked: list[Portraits]) -> float:
    """Mean PSNR of the images."""
    found = [
        decibels(generator.synthesis(portraits.ws, portraits.camera).image, portraits.image)
        for portraits in asked
    ]
    return float(np.concatenate(found).mean())


def decibels(drawn: Tensor, target: Tensor) -> np.ndarray:  # [B, 3, H, H] -> [B]
    return psnr(to_pixels(drawn), to_pixels(target))


def milliseconds(generator: Generator, portraits: Portraits) -> float:
    """Of one view, as in a video: of a subject that is prepared. The first only warms up."""
    subject = generator.prepare(portraits.ws[:1])
    seconds = []
    for _ in range(FRAMES + 1):
        start = perf_counter()
        generator.draw(subject, portraits.camera[:1]).image.cpu()  # waits for a GPU
        seconds.append(perf_counter() - start)
    return 1000 * median(seconds[1:])
