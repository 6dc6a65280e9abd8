"""Adversarial training of EG3D (EG3D section 5; eg3d.md section 9).

One step: generator, density every 4th step, discriminator, R1 every 16th, each over the slices of
a batch of its own (the discriminator and R1 share the reals); then the average follows and the
augmentation adapts. What each phase computes is in `eg3d.py`, how numbers change in `schedules.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_network
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.data.toyheads.identity import LATENT_SIZE, heads_from_latent
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.losses.density import MONOTONIC_POINTS, MONOTONIC_STEP
from nerfgan_cli.nn.discriminators import build_discriminator
from nerfgan_cli.training.ada import Ada, phase_numbers
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d import (
    Latents,
    Moment,
    PhaseResult,
    Reals,
    Truth,
    density_phase,
    discriminator_phase,
    generator_phase,
    r1_phase,
)
from nerfgan_cli.training.eg3d_draws import Schedule, SliceDraws
from nerfgan_cli.training.eg3d_recipe import EG3DRecipe
from nerfgan_cli.training.feed import open_data, reals
from nerfgan_cli.training.precision import set_training_precision
from nerfgan_cli.training.randomness import key
from nerfgan_cli.training.schedules import (
    blur_sigma,
    ema_beta,
    rendering_resolution,
    swap_probability,
)
from nerfgan_cli.training.task import Numbers, Say, Task
from nerfgan_cli.training.teacher import augmentation_of
from nerfgan_cli.training.transfer import Start, copy_all_weights, read_start, take_over
from nerfgan_cli.training.update import descend, follow, lazy_adam

GROUP = "model.discriminator.mbstd_group_size"


class Phase(NamedTuple):
    """A part of a step that trains one network."""

    name: str
    network: nn.Module
    interval: int  # steps
    compute: Callable[[SliceDraws], PhaseResult]


class EG3DTask(Task):
    """See the module."""

    generator_type: type[EG3D] = EG3D
    started: tuple[str, ...] = ("generator", "discriminator", "average")  # by `train.init`
    keeps_strength = False  # of adaptive augmentation, by `train.init`

    def __init__(self, recipe: EG3DRecipe, world: World) -> None:
        self.recipe: EG3DRecipe = recipe
        self.world = world
        self.slices = world.slices(recipe.train.batch, recipe.train.batch_gpu)
        refuse_odd_groups(self.slices.size, recipe.model.discriminator.mbstd_group_size, GROUP)
        if recipe.loss.truth and recipe.model.generator.z_dim != LATENT_SIZE:
            raise UsageError(
                f"loss.truth needs latents of {LATENT_SIZE} numbers, which stand for a head of "
                "ToyHeads: set model.generator.z_dim to it, or loss.truth to 0."
            )
        self.data: ImageSet = open_data(recipe.data, recipe.model.generator.img_resolution)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(recipe.train.seed, "weights"))
            self.networks = self._build()
        self.average = deepcopy(self.generator).requires_grad_(False).eval()
        self.ada = Ada(recipe.loss.first_p)
        self.modules = {**self.networks, "average": self.average, "ada": self.ada}
        for module in self.modules.values():
            set_training_precision(module.to(world.device), recipe.train.precision, world.device)
        self.optimizers = {
            name: self._optimizer(network) for name, network in self.networks.items()
        }

    def _build(self) -> dict[str, nn.Module]:
        """The networks that learn, with weights of the recipe's seed."""
        recipe = self.recipe
        self.generator = self.generator_type(recipe.generator_config())
        self.discriminator = build_discriminator(
            recipe.model.discriminator.class_name, recipe.discriminator_config()
        )
        return {"generator": self.generator, "discriminator": self.discriminator}

    def _optimizer(self, network: nn.Module) -> Adam:
        loss, optim = self.recipe.loss, self.recipe.optim
        if network is self.generator:
            rate, interval = optim.generator_lr, loss.density_interval if loss.density_reg else None
        else:
            rate, interval = optim.discriminator_lr, loss.r1_interval
        return lazy_adam(network.parameters(), rate, optim.betas, optim.eps, interval)

    def initialize(self, say: Say) -> None:
        init, given = self.recipe.train.init, self._discriminator_files()
        start = None if init is None else self._read_start(init, say)
        if start is not None and init is not None:
            self.licence = start.licence
            take_over(self.modules, self.started, start, init)
        for name, file in given.items():
            if file is not None:
                weights = load_network(find_model(file)).state_dict()
                copy_all_weights(self.modules[name], weights, file)
            elif start is not None and name not in start.networks:
                say(
                    f"no {name.replace('_', ' ')} in {init}: it starts from random weights, "
                    f"unless train.init_{name} names one."
                )
        if self.keeps_strength and self.recipe.loss.augment == "ada":
            self._keep_strength(start)
            say(f"augmentation begins at p = {float(self.ada.pipe.p):.3g}")

    def _discriminator_files(self) -> dict[str, str | None]:
        """Files that [train] names for discriminators to start from."""
        return {"discriminator": self.recipe.train.init_discriminator}

    def _keep_strength(self, start: Start | None) -> None:
        """Of the augmentations that the discriminator is used to."""
        file = self.recipe.train.init_discriminator
        if file is not None:
            self.ada.pipe.p.fill_(augmentation_of(file))
        elif start is not None and "ada" in start.networks:
            self.ada.pipe.p.copy_(start.networks["ada"]["pipe.p"])

    def _read_start(self, init: str, say: Say) -> Start:
        return read_start(init, say)

    def begin(self, step: int) -> None:
        seed, workers = self.recipe.train.seed, self.recipe.data.workers
        self.reals = reals(self.data, self.world, self.slices, seed, workers, step)
        self.ada.leave_to_first(self.world)

    def gather(self) -> None:
        self.ada.gather(self.world)

    def step(self, step: int) -> Numbers:
        """The algorithm. A phase that is due every n-th step weighs n times as much."""
        plan, images = self.recipe.train, step * self.recipe.train.batch
        now = self._schedule(images)
        numbers: Numbers = {f"schedule/{name}": value for name, value in now._asdict().items()}
        real = {index: next(self.reals) for index in self.slices.own}
        for phase in self._phases(now, real):
            if step % phase.interval == 0:
                numbers |= self._descend(phase, step)
        optim = self.recipe.optim
        beta = ema_beta(images, plan.batch, optim.ema_rampup, optim.ema_kimg)
        follow(self.average, self.generator, beta)
        if self.recipe.loss.augment == "ada" and (step + 1) % self.recipe.loss.ada_interval == 0:
            self._adapt()
        return numbers | {"schedule/augment_p": self.ada.pipe.p.clone()}

    def _schedule(self, images: int) -> Schedule:
        loss, last = self.recipe.loss, self.recipe.model.generator.raw_resolution
        return Schedule(
            swap_probability(images, loss.swap_probability, loss.swap_fade_kimg),
            blur_sigma(images, loss.blur_fade_kimg, loss.blur_sigma),
            rendering_resolution(images, loss.first_resolution, last, loss.resolution_fade_kimg),
        )

    def _phases(self, now: Schedule, real: Mapping[int, Reals]) -> Iterator[Phase]:
        """What the slices of a batch go through, one phase after the other."""
        loss, G, D = self.recipe.loss, self.generator, self.discriminator
        distance, in_line = loss.density_distance, 0
        if loss.is_monotonic:
            distance, in_line = G.eg3d_config.volume.box_warp * MONOTONIC_STEP, MONOTONIC_POINTS

        def generate(draws: SliceDraws) -> PhaseResult:
            given = self._latents(draws)
            truth = Truth(self._exact(given), loss.truth) if loss.truth else None
            return self._generate(draws, given, self._moment(draws, now), truth)

        def smooth(draws: SliceDraws) -> PhaseResult:
            points = draws.points(loss.density_points, distance, in_line)
            strength, held = loss.density_reg, loss.density_regularizer == "monotonic-detach"
            moment = self._moment(draws, now)
            return density_phase(G, self._latents(draws), points, moment, strength, held)

        def discriminate(draws: SliceDraws) -> PhaseResult:
            given, moment = self._latents(draws), self._moment(draws, now)
            return discriminator_phase(G, D, given, real[draws.index], moment)

        def penalize(draws: SliceDraws) -> PhaseResult:
            return r1_phase(D, real[draws.index], loss.r1_gamma, self._moment(draws, now))

        yield Phase("generator", G, 1, generate)
        if loss.density_reg:
            yield Phase("density", G, loss.density_interval, smooth)
        yield Phase("discriminator", D, 1, discriminate)
        yield Phase("r1", D, loss.r1_interval, penalize)

    def _generate(
        self, draws: SliceDraws, latents: Latents, moment: Moment, truth: Truth | None
    ) -> PhaseResult:
        return generator_phase(self.generator, self.discriminator, latents, moment, truth)

    def _latents(self, draws: SliceDraws) -> Latents:
        return draws.latents(self.generator, self.data, self.recipe.loss.style_mixing)

    def _moment(self, draws: SliceDraws, now: Schedule) -> Moment:
        loss = self.recipe.loss
        moment = draws.moment(now, None if loss.augment == "none" else self.ada.pipe)
        return replace(moment, official_raw=loss.official_raw)

    def _exact(self, latents: Latents) -> Tensor:
        """The heads that the latents stand for, as the cameras see them: [B, 3, H, W]."""
        with torch.no_grad():
            heads = heads_from_latent(latents.z)
            return draw(heads, latents.camera, self.generator.img_resolution).image

    def _descend(self, phase: Phase, step: int) -> Numbers:
        """One phase over this process's slices; what it has to tell."""
        seed, size = self.recipe.train.seed, self.slices.size
        results: list[PhaseResult] = []

        def loss_of(index: int) -> Tensor:
            draws = SliceDraws(seed, phase.name, step, index, size, self.world.device)
            result = phase.compute(draws)
            loss = result.loss.mean()
            results.append(result._replace(loss=loss.detach()))
            return loss * phase.interval

        for name, network in self.networks.items():
            network.requires_grad_(network is phase.network)
            if network is phase.network:
                optimizer = self.optimizers[name]
        descend(optimizer, self.world, self.slices, loss_of)
        return phase_numbers(phase.name, results, self.ada)

    def _adapt(self) -> None:
        loss, batch = self.recipe.loss, self.recipe.train.batch
        change = batch * loss.ada_interval / (loss.ada_kimg * 1000)
        self.ada.adjust(loss.ada_target, change, self.world)

    @property
    def result(self) -> Generator:
        return self.average

    def rehearsals(self) -> Mapping[str, Callable[[], object]]:
        """The two phases of which one keeps the most in memory."""
        device, size, config = self.world.device, self.slices.size, self.recipe.model.generator
        camera = PRESETS[config.camera_preset].frontal().to(device).expand(size)
        latents = Latents(torch.zeros(size, config.z_dim, device=device), camera, torch.zeros(size))
        rays = config.raw_resolution
        drawing = DrawOptions(noise_mode="random", ray_chunk=rays**2)
        moment = Moment(0.0, 0.0, rays, drawing)
        side = config.img_resolution
        real = Reals(torch.zeros(size, 3, side, side, device=device), camera)
        draws = SliceDraws(self.recipe.train.seed, "generator", 0, 0, size, device)
        return {
            "generator": lambda: self._generate(draws, latents, moment, None),
            "r1": lambda: r1_phase(self.discriminator, real, 1.0, moment),
        }


def refuse_odd_groups(size: int, group: int, name: str) -> None:
    """The discriminator compares the images of a slice in groups; `name` is what says how large."""
    if size % group:
        raise UsageError(
            f"slices of {size} images cannot be compared in groups of {group}: make "
            f"train.batch_gpu a multiple of {name}."
        )
