"""The discriminator of a distillation: what it is shown, how it learns, how it is augmented.

All of it is EG3D's (eg3d.md 9): logistic loss, R1 every 16th step, adaptive augmentation. The
student's pictures are those it was just taught with.
"""

from collections.abc import Callable, Mapping

from torch import Tensor

from nerfgan_cli.nn.discriminators import SingleDiscriminator
from nerfgan_cli.training.ada import Ada, phase_numbers
from nerfgan_cli.training.distill_recipe import DistillRecipe
from nerfgan_cli.training.distributed import Slices, World
from nerfgan_cli.training.eg3d import Exhibit, Moment, PhaseResult, judge, penalize
from nerfgan_cli.training.eg3d_draws import Schedule, SliceDraws
from nerfgan_cli.training.task import Numbers
from nerfgan_cli.training.update import descend, lazy_adam

Exhibits = Mapping[int, Exhibit]  # by slice


class Adversary:
    """See the module."""

    def __init__(
        self,
        network: SingleDiscriminator,
        p: float,  # of its augmentation, at first
        recipe: DistillRecipe,
        resolution: int,  # of raw pictures
        world: World,
        slices: Slices,
    ) -> None:
        self.network = network.to(world.device)
        self.ada = Ada(p).to(world.device)
        self.recipe, self.world, self.slices = recipe, world, slices
        self.schedule = Schedule(swap_probability=0.0, blur_sigma=0.0, resolution=resolution)
        optim = recipe.optim
        self.optimizer = lazy_adam(
            network.parameters(),
            optim.discriminator_lr,
            optim.betas,
            optim.eps,
            recipe.loss.r1_interval,
        )

    def moment(self, phase: str, step: int, index: int) -> Moment:
        """How pictures of a slice are shown."""
        seed, device = self.recipe.train.seed, self.world.device
        draws = SliceDraws(seed, phase, step, index, self.slices.size, device)
        augmented = self.recipe.loss.augment != "none"
        return draws.moment(self.schedule, self.ada.pipe if augmented else None)

    def learn(self, step: int, fakes: Exhibits, reals: Exhibits) -> Numbers:
        loss, network = self.recipe.loss, self.network
        network.requires_grad_(True)

        def discriminate(index: int, moment: Moment) -> PhaseResult:
            return judge(network, fakes[index], reals[index], moment)

        def regularise(index: int, moment: Moment) -> PhaseResult:
            return penalize(network, reals[index], loss.r1_gamma, moment)

        numbers = self._descend("discriminator", step, discriminate, 1)
        if step % loss.r1_interval == 0:
            numbers |= self._descend("r1", step, regularise, loss.r1_interval)
        if loss.augment == "ada" and (step + 1) % loss.ada_interval == 0:
            change = self.recipe.train.batch * loss.ada_interval / (loss.ada_kimg * 1000)
            self.ada.adjust(loss.ada_target, change, self.world)
        network.requires_grad_(False)
        return numbers | {"schedule/augment_p": self.ada.pipe.p.clone()}

    def _descend(
        self, name: str, step: int, compute: Callable[[int, Moment], PhaseResult], weight: float
    ) -> Numbers:
        results: list[PhaseResult] = []

        def loss_of(index: int) -> Tensor:
            result = compute(index, self.moment(name, step, index))
            results.append(result._replace(loss=result.loss.detach().mean()))
            return result.loss.mean() * weight

        descend(self.optimizer, self.world, self.slices, loss_of)
        return phase_numbers(name, results, self.ada)
