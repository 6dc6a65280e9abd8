"""A volumetric generator whose latents stand for ToyHeads, in each way that it draws.

This is what cards tell of a teacher (`benchmarks/bundled.py`), and how trainings of teachers are
compared (`examples/ablations.py`). `nerfgan eval` measures the same distances of any model.

    fid       to real pictures, by the features of the bundled discriminator (`distances.py`)
    psnr_mv   psnr_mv_fast, ssim_mv_fast and psnr_mv_gain: whether views are of one scene
              (`consistency.py`)
    others    beside the heads themselves (`metrics/toyheads.py`)
"""

from collections.abc import Sequence
from dataclasses import replace
from math import radians
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nerfgan_cli.data.toyheads.dataset import ToyHeads
from nerfgan_cli.data.toyheads.identity import LATENT_SIZE
from nerfgan_cli.errors import UsageError
from nerfgan_cli.evaluation.consistency import Multiview
from nerfgan_cli.evaluation.distances import DISTANCES
from nerfgan_cli.evaluation.metric import Metric, Networks, Setting
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator
from nerfgan_cli.generators.mimic3d import BRANCH_3D
from nerfgan_cli.metrics.toyheads import HELD_OUT, Likeness, likeness
from nerfgan_cli.training.distributed import World

DIRECT = "direct"
USUAL = "image"  # of a generator without branches
YAWS = tuple(radians(yaw) for yaw in (-30, 0, 30))  # from which heads are seen
ENDLESS = 100_000  # the length of ToyHeads that recipes state
FID = DISTANCES[0]


class Amount(NamedTuple):
    """How much is looked at."""

    heads: int = 32  # beside the truth, from each side; an even number
    pictures: int = 500  # of `fid`, and twice as many real ones
    scenes: int = 3


class Measured(NamedTuple):
    fid: float
    psnr_mv: float  # dB
    ssim_mv: float
    gain: float  # dB
    truth: Likeness

    def numbers(self) -> dict[str, float]:
        """All by name."""
        numbers = self._asdict()
        truth: Likeness = numbers.pop("truth")
        return {**numbers, **truth._asdict()}


def ways_of(generator: Generator) -> dict[str, DrawOptions]:
    """Its branches; where none is strict, also its volume, of which each pixel is one ray.

    The latter is what a 3D branch is compared with (Mimic3D, table 2, A and B).
    """
    ways = {branch: DrawOptions(branch=branch) for branch in generator.branches}
    ways = ways or {USUAL: DEFAULT_OPTIONS}
    if BRANCH_3D not in ways:
        ways[DIRECT] = DrawOptions(resolution=generator.img_resolution, raw_only=True)
    return ways


def measure(
    generator: Generator,
    options: DrawOptions,
    cache: Path,  # folder of what can be used again
    amount: Amount,
) -> Measured:
    """In one way."""
    if generator.z_dim != LATENT_SIZE or not generator.has_depth:
        raise UsageError(
            "only a volumetric model whose latents stand for ToyHeads has a truth beside it: take "
            "eg3d-toyheads or what began as it, or measure this one with nerfgan eval."
        )
    setting = Setting(
        name="volume",
        generator=generator,
        images=None,
        teacher=None,
        data=ToyHeads(generator.img_resolution, ENDLESS),
        number=amount.pictures,
        seed=0,
        batch=None,
        world=World(next(generator.parameters()).device),
        cache=cache,
        progress=lambda what, done, of: None,
        networks=Networks(extractors=("discriminator",)),
        options=options,
    )
    (fid,) = _values(FID, setting)
    scenes = replace(setting, number=amount.scenes)
    psnr_mv, ssim_mv, gain = _values(Multiview(), scenes)
    heads = np.arange(HELD_OUT, HELD_OUT + amount.heads)
    truth = likeness(generator, heads, YAWS, options=options)
    return Measured(fid, psnr_mv, ssim_mv, gain, truth)


def _values(metric: Metric, setting: Setting) -> Sequence[float]:
    return [value.value for value in metric.measure(setting)]
