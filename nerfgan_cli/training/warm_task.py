"""A supervised warm start of EG3D or Mimic3D from the truth of ToyHeads, then to be made sharper.

A head of ToyHeads is a fixed function of a Gaussian vector, which serves as the latent z itself:
the generator learns to draw that head from it.

    traits   z → w ─→ numbers that state the head     the mapping network alone
    points   z → w → planes → density, colour         at points near and before the surface
    views    … → rays → colour and distance           of a few rays all over the picture
    parts    … → picture → enlarged picture           of a part of it
"""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from itertools import filterfalse
from math import radians
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.data.toyheads.identity import LATENT_SIZE, heads_from_latent
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.eg3d import EG3D, EG3DConfig
from nerfgan_cli.generators.mimic3d import Mimic3D, Mimic3DConfig
from nerfgan_cli.generators.precision import set_precision
from nerfgan_cli.media import Picture, depth_to_image, tile, to_pixels
from nerfgan_cli.metrics.toyheads import HELD_OUT, view_heads
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.feed import open_data
from nerfgan_cli.training.mimic3d_rates import Part, parts_of
from nerfgan_cli.training.mimic3d_start import convert_start, scale_residual
from nerfgan_cli.training.muon import Muon, is_matrix
from nerfgan_cli.training.randomness import key, keyed
from nerfgan_cli.training.samples import compare_branches
from nerfgan_cli.training.schedules import ema_beta, learning_rate
from nerfgan_cli.training.task import Numbers, Say, Task
from nerfgan_cli.training.transfer import read_start, take_over
from nerfgan_cli.training.update import descend, follow
from nerfgan_cli.training.warm import point_losses, trace, view_losses
from nerfgan_cli.training.warm_recipe import Optim, WarmRecipe
from nerfgan_cli.training.warm_traits import TraitReadout
from nerfgan_cli.training.warm_truth import Truth, truths

STARTED = ("generator", "average")  # what `train.init` can give weights to

# What is solid needs densities of 60 and more; features would have to grow by as much, and with
# them all that does not differ between heads.
DENSITY_GAIN = 10.0
SHOWN_HEADS = 8
SHOWN_YAWS = (-30, 0, 30)  # degrees

Losses = Mapping[str, Tensor]  # [] each


class Stage(NamedTuple):
    """What a step does now."""

    optimizer: str
    rate: float  # as a fraction of the full learning rates
    enlarging_rate: float  # the same of the super-resolution, which begins late
    losses: Callable[[int], Losses]  # of one slice


class WarmTask(Task):
    """See the module."""

    def __init__(self, recipe: WarmRecipe, world: World) -> None:
        self.recipe: WarmRecipe = recipe
        self.world = world
        self.slices = world.slices(recipe.train.batch, recipe.train.batch_gpu)
        self.data: ImageSet = open_data(recipe.data, recipe.model.generator.img_resolution)
        seed = recipe.train.seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(seed, "weights"))
            self.generator = build_volume(recipe.model.generator)
            with torch.no_grad():
                self.generator.decoder.get_parameter("net.2.weight")[0] *= DENSITY_GAIN
            self.generator.to(world.device)
            readout = TraitReadout(recipe.model.generator.w_dim, keyed("cpu", seed, "survey"))
        self.readout = readout.to(world.device)
        self.average = deepcopy(self.generator).requires_grad_(False).eval()
        self.modules = {
            "generator": self.generator,
            "average": self.average,
            "readout": self.readout,
        }
        for convolutions in (self.generator.backbone.synthesis, self.generator.superresolution):
            precision = recipe.train.precision
            set_precision(convolutions, "fp32" if precision == "auto" else precision, world.device)
        self.optimizers = build_optimizers(self.generator, self.readout, recipe.optim)

    def initialize(self, say: Say) -> None:
        init = self.recipe.train.init
        if init is not None:
            start = read_start(init, say)
            if isinstance(self.generator, Mimic3D):
                start = convert_start(start, self.generator, init)
            self.licence = start.licence
            take_over(self.modules, STARTED, start, init)

    def begin(self, step: int) -> None:
        first = max(step, self.recipe.first_drawn)
        self.truths = truths(self.recipe, self.data, self.slices, first)

    def step(self, step: int) -> Numbers:
        batch, optim = self.recipe.train.batch, self.recipe.optim
        stage = self._stage(step)
        optimizer = self.optimizers[stage.optimizer]
        for group in optimizer.param_groups:
            rate = stage.enlarging_rate if group["enlarging"] else stage.rate
            group["lr"] = group["full_lr"] * rate
        found: list[Losses] = []

        def loss_of(index: int) -> Tensor:
            losses = stage.losses(index)
            found.append({name: value.detach() for name, value in losses.items()})
            return self.weigh(losses)

        descend(optimizer, self.world, self.slices, loss_of)
        beta = ema_beta(step * batch, batch, optim.ema_rampup, optim.ema_kimg)
        follow(self.average, self.generator, beta)
        numbers: Numbers = {
            f"loss/{name}": torch.stack([each[name] for each in found]).mean() for name in found[0]
        }
        return numbers | {"schedule/rate": stage.rate}

    def _stage(self, step: int) -> Stage:
        recipe, optim, batch = self.recipe, self.recipe.optim, self.recipe.train.batch
        if step < recipe.first_drawn:
            alone = recipe.loss.traits_kimg
            rate = learning_rate(step * batch, optim.warmup_kimg, alone, optim.last_lr)
            return Stage("traits", rate, 0.0, lambda index: self.trait_losses(step, index))
        truth = {index: next(self.truths) for index in self.slices.own}
        drawn = (step - recipe.first_drawn) * batch
        rate = learning_rate(drawn, optim.warmup_kimg, optim.decay_kimg, optim.last_lr)
        enlarged = max(step - recipe.first_enlarged, 0) * batch
        length = recipe.loss.parts_kimg
        enlarging = learning_rate(enlarged, optim.warmup_kimg, length, optim.last_lr)

        def losses(index: int) -> Losses:
            draws = keyed(self.world.device, recipe.train.seed, "rays", step, index)
            return self.drawing_losses(truth[index], recipe.stage_at(step), draws)

        return Stage("drawing", rate, enlarging, losses)

    def trait_losses(self, step: int, index: int) -> Losses:
        draws = keyed("cpu", self.recipe.train.seed, "traits", step, index)
        z = torch.randn(self.recipe.loss.traits_batch, LATENT_SIZE, generator=draws)
        z = z.to(self.world.device)
        codes = self._mapping(z)[:, 0]
        losses: Losses = self.readout(codes, heads_from_latent(z))
        return losses

    def drawing_losses(self, truth: Truth, stage: str, draws: torch.Generator | None) -> Losses:
        device, generator = self.world.device, self.generator
        truth = {name: tensor.to(device, non_blocking=True) for name, tensor in truth.items()}
        all_planes = DrawOptions(branch=generator.finest_branch)
        subject = generator.prepare(self._mapping(truth["z"]), all_planes)
        traced = trace(generator, truth)
        losses = point_losses(generator, subject, traced, self.recipe.loss, draws)
        if stage != "points":
            losses |= view_losses(generator, subject, truth, traced, draws)
        return losses

    def _mapping(self, z: Tensor) -> Tensor:  # [B, L, w_dim]
        frontal = PRESETS[self.generator.camera_preset].frontal().to(z.device)
        return self.generator.mapping(z, frontal, update_average=True)

    def weigh(self, losses: Losses) -> Tensor:
        """Their weighted sum."""
        table = self.recipe.loss
        if "looks" in losses:
            return losses["traits"] + table.looks * losses["looks"]
        points = table.occupancy * losses["occupancy"] + table.colour * losses["colour"]
        if "raw" not in losses:
            return points
        views = table.raw * losses["raw"] + table.depth * losses["depth"]
        total = table.points_weight * points + views
        for name in ("image", "strict"):
            if name in losses:
                total = total + getattr(table, name) * losses[name]
        return total

    @property
    def result(self) -> Generator:
        return self.average

    @torch.inference_mode()
    def pictures(self) -> Mapping[str, Picture]:
        """Heads beyond those of the run: the truth above what the generator makes of them."""
        heads = np.arange(HELD_OUT, HELD_OUT + SHOWN_HEADS)
        preset = PRESETS[self.average.camera_preset]
        cells: list[Picture] = []
        for yaw in SHOWN_YAWS:
            view = view_heads(self.average, heads, preset.at(radians(yaw)), self.recipe.data.seed)
            cells.extend(to_pixels(view.image))
            cells.extend(to_pixels(view.rendering.image))
        exact = view.raw.depth
        cells.extend(to_pixels(depth_to_image(exact.clamp(max=exact[exact.isfinite()].max()))))
        assert view.rendering.depth is not None
        cells.extend(to_pixels(depth_to_image(view.rendering.depth)))
        shown = {"truth": tile(cells, SHOWN_HEADS)}
        if len(self.average.branches) > 1:
            shown["branches"] = compare_branches(self.average)
        return shown

    def rehearsals(self) -> Mapping[str, Callable[[], object]]:
        """The last stage, which keeps the most in memory."""
        recipe, size, device = self.recipe, self.slices.size, self.world.device
        config, crop = recipe.model.generator, recipe.loss.crop
        scale = config.img_resolution // config.raw_resolution
        label = PRESETS[config.camera_preset].frontal().label.expand(size, -1)
        shapes = {"z": (config.z_dim,), "raw": (3, crop, crop), "depth": (1, crop, crop)}
        shapes["image"] = (3, crop * scale, crop * scale)
        truth = {name: torch.zeros(size, *shape, device=device) for name, shape in shapes.items()}
        truth["label"] = label.to(device)
        return {"generator": lambda: self.weigh(self.drawing_losses(truth, "parts", None))}


def build_volume(config: EG3DConfig) -> EG3D:
    """The residual planes of a Mimic3D begin as nothing."""
    if not isinstance(config, Mimic3DConfig):
        return EG3D(config)
    generator = Mimic3D(config)
    scale_residual(generator, 0.0)
    return generator


def build_optimizers(generator: EG3D, readout: TraitReadout, optim: Optim) -> dict[str, Muon]:
    """For the traits and for what is drawn; `full_lr` is a group's rate before it is scheduled."""
    mapping, synthesis = generator.backbone.mapping, generator.backbone.synthesis
    enlarging, decoder = generator.superresolution, generator.decoder
    traits = [
        group(filter(is_matrix, mapping.parameters()), optim.traits_lr, matrices=True),
        group(filterfalse(is_matrix, mapping.parameters()), optim.traits_lr),
        group(readout.parameters(), optim.readout_lr),
    ]
    drawing = [
        group(mapping.parameters(), optim.mapping_lr),
        group(decoder.parameters(), optim.lr),
    ]
    parts = [(part, False) for part in parts_of(synthesis.parameters(), synthesis, optim)]
    for (weights, share), late in (*parts, (Part(list(enlarging.parameters()), 1.0), True)):
        kernels = filter(is_kernel, weights)
        drawing.append(group(kernels, share * optim.matrix_lr, matrices=True, enlarging=late))
        rest = filterfalse(is_kernel, weights)
        drawing.append(group(rest, share * optim.lr, enlarging=late))
    return {
        name: Muon(groups, optim.lr, optim.betas, optim.eps, fused=True)
        for name, groups in (("traits", traits), ("drawing", drawing))
    }


def is_kernel(parameter: Tensor) -> bool:
    """Whether Muon steps it: the weight of a convolution."""
    return parameter.ndim == 4 and is_matrix(parameter)


def group(
    parameters: Iterable[nn.Parameter], lr: float, matrices: bool = False, enlarging: bool = False
) -> dict[str, Any]:
    """Of an optimizer."""
    chosen = {"matrices": matrices, "enlarging": enlarging}
    return {"params": list(parameters), "full_lr": lr, **chosen}
