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

Of a Mimic3D both branches are measured, and more of everyone. `image`, `raw`, `far`, `truncated`
and `features` compare with its 2D branch, `views` follows the depth of its 3D branch.

    coarse      as `views`, along the depth of the 2D branch
    kid         kernel distance of the features of `frechet`, unbiased
    strict      PSNR to the pictures of the 3D branch, of the subjects and cameras of `image`
    strict_features  perceptual distance to these pictures, as `features`
    sharpness   mean difference of neighbouring pixels, as a fraction of the 2D branch's. It is read
                beside what follows: blurred pictures are explained well
    psnr_mv     psnr_mv_fast: how well one scene explains thirty views (`reconstruction/fit.py`)
    ssim_mv     ssim_mv_fast, the same as structural similarity
    gain        by how much better than a still picture it does, dB
    memory      for the network and one picture, in a process of its own (`bench/probe.py`)

Decibels of 100 say that pictures are equal. The discriminator is a judge in its own cause where
a student was trained with it: what only `frechet` shows is to be looked at.
"""

from collections import defaultdict
from itertools import zip_longest
from math import nan
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from torch.utils.data import DataLoader, Subset

from nerfgan_cli.bench.memory import MB, is_told
from nerfgan_cli.bench.probe import Case, Probe
from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.evaluation.consistency import SIDE, make_scene
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator
from nerfgan_cli.generators.drawing import Person, latent
from nerfgan_cli.generators.mimic3d import BRANCH_3D
from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.fid import fid
from nerfgan_cli.metrics.kid import kid
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.metrics.toyheads import contrast
from nerfgan_cli.metrics.warped_psnr import see_both_sides, warped_psnr
from nerfgan_cli.ops.resize import filtered_resizing
from nerfgan_cli.reconstruction.sweep import TRUNCATION as SCENE_TRUNCATION
from nerfgan_cli.reconstruction.sweep import VIEWS
from nerfgan_cli.training.distill_recipe import DistillRecipe
from nerfgan_cli.training.feed import open_data
from nerfgan_cli.training.teacher import open_discriminator, open_teacher

MANY = 256  # subjects, and real pictures, of `image`, `raw`, `features` and `frechet`
FEW = 64  # of the others; an even number
FAR = 0.7  # radians
TRUNCATION = 0.7
FRAMES = 5  # that are timed
BATCH = 16
SCENES = 6  # of a generator, where scenes are made

Numbers = dict[str, float]
Rows = dict[str, Numbers]  # by the way that a model draws; "" where there is only one
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
STRICT_COLUMNS = {
    "coarse": ("views, 2D depth, dB", 2),
    "kid": ("KID", 4),
    "strict": ("3D, dB", 2),
    "strict_features": ("3D, features", 4),
    "sharpness": ("sharpness", 2),
    "psnr_mv": ("scene, dB", 2),
    "ssim_mv": ("scene, SSIM", 4),
    "gain": ("gain, dB", 2),
    "memory": ("MB", 0),
}
AXES = {  # of the chart
    "frechet": "Frechet distance to real pictures",
    "psnr_mv": "psnr_mv_fast, dB",
}


class Portraits(NamedTuple):
    """Subjects as their teacher draws them."""

    ws: Tensor  # [B, L, w_dim]
    camera: Camera  # B
    image: Tensor  # [B, 3, H, H]
    raw: Tensor  # [B, 3, h, h]


class Judge:
    """Measures students by the same pictures of one teacher."""

    def __init__(self, recipe: DistillRecipe, device: torch.device) -> None:
        asked = recipe.teacher
        self.source = find_model(asked.model)
        self.learned = f"from {asked.cache_targets} targets of {Path(asked.model).name}"
        self.teacher = open_teacher(asked, device).network
        self.facts = {"teacher": weights_checksum(self.teacher)}
        self.critic = open_discriminator(recipe.teacher, self.teacher).to(device)
        self.distance = DiscriminatorDistance(self.critic)
        self.real, cameras = self._look_at(open_data(recipe.data, self.teacher.img_resolution))
        preset = PRESETS[self.teacher.camera_preset]
        sides = preset.at([-FAR, FAR] * (FEW // 2)).to(device)
        front = preset.frontal().to(device)
        self.branches = {name: DrawOptions(branch=name) for name in self.teacher.branches}
        self.strict = self.branches.get(BRANCH_3D)
        self.usual = portray(self.teacher, cameras, cameras)
        self.strictly: list[Portraits] = []
        self.columns = COLUMNS | (STRICT_COLUMNS if self.strict else {})
        self.axes = AXES if self.strict else {}
        if self.strict is not None:
            self.strictly = portray(self.teacher, cameras, cameras, options=self.strict)
        self.far = portray(self.teacher, sides, front.expand(FEW))
        few = cameras[:FEW]
        self.truncated = portray(self.teacher, few, front.expand(len(few)), TRUNCATION)
        depth = self.strict or DEFAULT_OPTIONS
        self.both_sides = list(see_both_sides(self.teacher, range(FEW), options=depth))
        self.coarse = list(see_both_sides(self.teacher, range(FEW))) if self.strict else []

    def references(self) -> Rows:
        """What is measured of the teacher, or of each of its branches."""
        if not self.branches:
            return {"teacher": self.measure(self.teacher)}
        return {
            f"teacher, {name}": self.measure(self.teacher, options) | self.memory(self.source, name)
            for name, options in self.branches.items()
        }

    def rows(self, model: Path) -> Rows:
        """What is measured of a student."""
        generator = load_model(model, next(self.teacher.parameters()).device)
        return {"": self.measure(generator) | self.memory(model)}

    def memory(self, model: Path, branch: str | None = None) -> Numbers:
        """NaN where the system does not tell."""
        if self.strict is None:
            return {}
        device = next(self.teacher.parameters()).device
        if not is_told(device):
            return {"memory": nan}
        case = Case(str(model), "", "fp32", device.type, torch.get_num_threads(), branch=branch)
        with Probe(case) as probe:
            taken = probe.measure(1)
        return {"memory": nan if taken is None else taken.own / MB}

    @torch.inference_mode()
    def measure(self, generator: Generator, options: DrawOptions = DEFAULT_OPTIONS) -> Numbers:
        """All but the memory."""
        found: dict[str, list[np.ndarray]] = defaultdict(list)
        for portraits, strict in zip_longest(self.usual, self.strictly):
            drawn = generator.synthesis(portraits.ws, portraits.camera, options)
            small = adaptive_avg_pool2d(drawn.image_raw, portraits.raw.shape[-1])
            found["image"].append(decibels(drawn.image, portraits.image))
            found["raw"].append(decibels(small, portraits.raw))
            found["features"].append(self.distance(drawn.image, portraits.image).cpu().numpy())
            if strict is not None:
                found["strict"].append(decibels(drawn.image, strict.image))
                apart = self.distance(drawn.image, strict.image)
                found["strict_features"].append(apart.cpu().numpy())
                found["sharpness"].append(sharpness(drawn.image, portraits.image))
            found["frechet"].append(self._features(drawn.image, small))
        features = np.concatenate(found.pop("frechet"))
        numbers = {name: float(np.concatenate(values).mean()) for name, values in found.items()}
        numbers |= {
            "far": likeness(generator, self.far, options),
            "truncated": likeness(generator, self.truncated, options),
            "views": warped_psnr(generator, self.both_sides, options=options),
            "frechet": fid(self.real, features),
            "ms": milliseconds(generator, self.usual[0], options),
        }
        if not self.strictly:
            return numbers
        numbers["coarse"] = warped_psnr(generator, self.coarse, options=options)
        return numbers | {"kid": kid(self.real, features)} | explained(generator, options)

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
    options: DrawOptions = DEFAULT_OPTIONS,
) -> list[Portraits]:
    """As many subjects, of the first seeds, in batches."""
    found = []
    for start in range(0, len(cameras), BATCH):
        some = slice(start, start + BATCH)
        camera, seeds = cameras[some], range(len(cameras))[some]
        z = torch.cat([latent(seed, teacher.z_dim) for seed in seeds]).float().to(camera.device)
        ws = teacher.mapping(z, conditioning[some], truncation)
        drawn = teacher.synthesis(ws, camera, options)
        found.append(Portraits(ws, camera, drawn.image, drawn.image_raw))
    return found


def likeness(generator: Generator, asked: list[Portraits], options: DrawOptions) -> float:
    """Mean PSNR of the images."""
    found = [
        decibels(generator.synthesis(its.ws, its.camera, options).image, its.image) for its in asked
    ]
    return float(np.concatenate(found).mean())


@torch.inference_mode(False)
def explained(generator: Generator, options: DrawOptions) -> Numbers:
    """Means over scenes of the first seeds; a scene is learned."""
    people = [Person(seed, SCENE_TRUNCATION) for seed in range(SCENES)]
    scenes = [make_scene(generator, person, VIEWS, SIDE, options) for person in people]
    means = {"psnr_mv": "psnr", "ssim_mv": "ssim", "gain": "gain"}
    return {name: fmean(getattr(one, key) for one in scenes) for name, key in means.items()}


def decibels(drawn: Tensor, target: Tensor) -> np.ndarray:  # [B, 3, H, H] -> [B]
    return psnr(to_pixels(drawn), to_pixels(target))


def sharpness(drawn: Tensor, target: Tensor) -> np.ndarray:  # [B, 3, H, H] -> [B]
    pairs = zip(drawn.split(1), target.split(1), strict=True)
    return np.array([float(contrast(own) / contrast(other)) for own, other in pairs])


def milliseconds(generator: Generator, portraits: Portraits, options: DrawOptions) -> float:
    """Of one view, as in a video: of a subject that is prepared. The first only warms up."""
    subject = generator.prepare(portraits.ws[:1], options)
    seconds = []
    for _ in range(FRAMES + 1):
        start = perf_counter()
        generator.draw(subject, portraits.camera[:1], options).image.cpu()  # waits for a GPU
        seconds.append(perf_counter() - start)
    return 1000 * median(seconds[1:])
