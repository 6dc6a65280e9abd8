"""Training of Mimic3D in either phase: EG3D's, and patches (Mimic3D section 3.3; mimic3d.md 8, 10).

One step: generator, density every 4th step, discriminator, R1 every 16th; where patches are judged,
then the patch discriminator, and its R1 every 16th. What each phase computes is in `eg3d.py` and
`mimic3d.py`.
"""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.optim import Adam

from nerfgan_cli.checkpoints.format import load_network
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.generators.mimic3d_config import PATCH
from nerfgan_cli.media import Picture
from nerfgan_cli.nn.discriminators import SingleDiscriminator, build_discriminator
from nerfgan_cli.nn.patches import cut
from nerfgan_cli.training.distances import build_distance
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d import Latents, Moment, PhaseResult, Reals, Truth
from nerfgan_cli.training.eg3d_draws import Schedule, SliceDraws
from nerfgan_cli.training.eg3d_task import EG3DTask, Phase, refuse_odd_groups
from nerfgan_cli.training.mimic3d import (
    Imitation,
    PatchAdversary,
    PatchTerms,
    generator_phase_3d,
    patch_discriminator_phase,
    patch_r1_phase,
)
from nerfgan_cli.training.mimic3d_rates import parts_of
from nerfgan_cli.training.mimic3d_recipe import Mimic3DRecipe
from nerfgan_cli.training.mimic3d_start import convert_start, scale_residual
from nerfgan_cli.training.samples import compare_branches
from nerfgan_cli.training.task import Say
from nerfgan_cli.training.teacher import Signature
from nerfgan_cli.training.transfer import Start

GROUP = "model.patch_discriminator.mbstd_group_size"


class Mimic3DTask(EG3DTask):
    """See the module."""

    recipe: Mimic3DRecipe
    generator: Mimic3D
    generator_type = Mimic3D
    started = ("generator", "discriminator", "patch_discriminator", "average")
    keeps_strength = True  # (mimic3d.md 10)

    def __init__(self, recipe: Mimic3DRecipe, world: World) -> None:
        super().__init__(recipe, world)
        loss = recipe.loss
        imitation: Imitation | None = None
        if loss.imitation:
            weights, given = loss.perceptual_weights, self._given
            # In full precision, as released: of 64² it costs little, and in the end it is small.
            distance = build_distance(loss.perceptual, weights, given, "fp32", world.device)
            imitation = Imitation(distance, loss.imitation)
            self.teachers = [distance]
        self.terms = PatchTerms(imitation, self.adversary, loss.patch_truth)
        self.signature = Signature(*self.teachers)
        self.modules = {**self.modules, "signature": self.signature.to(world.device)}

    def _build(self) -> dict[str, nn.Module]:
        networks, recipe = super()._build(), self.recipe
        scale_residual(self.generator, recipe.model.residual_gain)
        self.adversary: PatchAdversary | None = None
        if not recipe.loss.patch_adversarial:
            return networks
        config = recipe.patch_discriminator_config()
        refuse_odd_groups(self.slices.size, config.mbstd_group_size, GROUP)
        judge = build_discriminator("SingleDiscriminator", config)
        self.adversary = PatchAdversary(judge, recipe.loss.patch_adversarial)
        return {**networks, "patch_discriminator": judge}

    def _optimizer(self, network: nn.Module) -> Adam:
        optimizer = super()._optimizer(network)
        if network is not self.generator:
            return optimizer
        (group,), synthesis = optimizer.param_groups, self.generator.planes_network()
        first, *others = parts_of(group["params"], synthesis, self.recipe.optim)
        group["params"] = first.weights
        for weights, share in others:
            optimizer.add_param_group({**group, "params": weights, "lr": share * group["lr"]})
        return optimizer

    def _given(self) -> SingleDiscriminator:
        """The discriminator whose features tell how alike two pictures are."""
        name = self.recipe.loss.perceptual_discriminator
        assert name is not None
        network = load_network(find_model(name))
        if not isinstance(network, SingleDiscriminator):
            raise WeightsError(
                f"{name} is no discriminator: set loss.perceptual_discriminator to one, as "
                "nerfgan convert --network D writes them."
            )
        return network

    def _read_start(self, init: str, say: Say) -> Start:
        return convert_start(super()._read_start(init, say), self.generator, init)

    def _discriminator_files(self) -> dict[str, str | None]:
        files = super()._discriminator_files()
        if self.adversary is not None:
            files["patch_discriminator"] = self.recipe.train.init_patch_discriminator
        return files

    def begin(self, step: int) -> None:
        self.signature.verify()
        super().begin(step)

    def _generate(
        self, draws: SliceDraws, latents: Latents, moment: Moment, truth: Truth | None
    ) -> PhaseResult:
        if not self.recipe.loss.has_patches:
            return super()._generate(draws, latents, moment, truth)
        networks, corners = (self.generator, self.discriminator), self._corners(draws, "fake")
        return generator_phase_3d(*networks, latents, corners, moment, self.terms, truth)

    def _phases(self, now: Schedule, real: Mapping[int, Reals]) -> Iterator[Phase]:
        yield from super()._phases(now, real)
        if self.adversary is None:
            return
        G, D, loss = self.generator, self.adversary.discriminator, self.recipe.loss

        def patches(draws: SliceDraws) -> Tensor:
            return cut(real[draws.index].image, self._corners(draws, "real"), PATCH)

        def discriminate(draws: SliceDraws) -> PhaseResult:
            given, moment = self._latents(draws), self._moment(draws, now)
            corners = self._corners(draws, "fake")
            return patch_discriminator_phase(G, D, given, corners, patches(draws), moment)

        def penalize(draws: SliceDraws) -> PhaseResult:
            return patch_r1_phase(D, patches(draws), loss.r1_gamma, self._moment(draws, now))

        yield Phase("patch_discriminator", D, 1, discriminate)
        yield Phase("patch_r1", D, loss.r1_interval, penalize)

    def _corners(self, draws: SliceDraws, of: str) -> Tensor:  # [B, 2]
        return draws.corners(self.generator.img_resolution, of)

    def pictures(self) -> Mapping[str, Picture]:
        several = len(self.average.branches) > 1
        return {"branches": compare_branches(self.average)} if several else {}
