"""The networks of a distillation, as its recipe states them."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from torch.optim import Adam

from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.student import Student
from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance
from nerfgan_cli.losses.lpips import Lpips, open_lpips
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.discriminators import SingleDiscriminator, build_discriminator
from nerfgan_cli.training.distill_recipe import DistillRecipe, Optim
from nerfgan_cli.training.precision import set_training_precision
from nerfgan_cli.training.recipe_reader import to_plain

ALTERNATIVE = "set loss.perceptual_weights to it, or loss.perceptual to discriminator"


def build_student(recipe: DistillRecipe, teacher: EG3D) -> Student:
    config = recipe.model.config(teacher.eg3d_config, recipe.teacher.raw_resolution)
    given = teacher.eg3d_config.superresolution
    if recipe.loss.freeze_superresolution and config.superresolution != given:
        raise UsageError(
            f"the super-resolution of this student is {config.superresolution} and not the "
            f"teacher's {given}, so that it has to learn: set model.superresolution to {given}, "
            "or loss.freeze_superresolution to false."
        )
    student = Student(config)
    student.mapping_network.requires_grad_(False)  # the teacher's: a seed stays the same person
    student.superresolution.requires_grad_(not recipe.loss.freeze_superresolution)
    return student


def build_critic(
    recipe: DistillRecipe, resolution: int, given: Callable[[], SingleDiscriminator]
) -> SingleDiscriminator:
    """The discriminator of stage 2: the one that the teacher had, or a new one."""
    if recipe.loss.discriminator_start == "teacher":
        return given()
    table = to_plain(recipe.model.discriminator)
    class_name = table.pop("class_name")
    clamp = recipe.model.discriminator.conv_clamp
    config = DiscriminatorConfig(img_resolution=resolution, **table | {"conv_clamp": clamp})
    return build_discriminator(class_name, config)


def build_perceptual(
    recipe: DistillRecipe,
    given: Callable[[], SingleDiscriminator],  # the teacher's
    device: torch.device,
) -> Perceptual | None:
    """The distance of pictures, if there is one; without weights on the device "meta"."""
    loss, precision = recipe.loss, recipe.train.precision
    if not loss.is_perceptual:
        return None
    if loss.perceptual == "discriminator":
        discriminator = deepcopy(given())  # that of stage 2 goes on learning
        set_training_precision(discriminator, precision, device)
        return DiscriminatorDistance(discriminator).to(device)
    network, file = loss.perceptual.removeprefix("lpips-"), loss.perceptual_weights
    weights = None if file is None else Path(file).expanduser()
    distance = (
        Lpips(network) if device.type == "meta" else open_lpips(network, weights, ALTERNATIVE)
    )
    set_training_precision(distance, precision, device)
    return distance.to(device)


def build_optimizer(student: Student, optim: Optim) -> Adam:
    """The groups are what is new and the super-resolution; their rates are set in each step."""
    trained = [p for p in student.parameters() if p.requires_grad]
    others = {id(parameter) for parameter in student.superresolution.parameters()}
    own = [parameter for parameter in trained if id(parameter) not in others]
    enlarging = [parameter for parameter in trained if id(parameter) in others]
    groups = [{"params": own}, {"params": enlarging}]
    return Adam(groups, optim.lr, optim.betas, optim.eps, fused=True)


def refuse_foreign(student: Student, teacher: EG3D, source: str) -> None:
    """A student whose codes are another teacher's cannot go on with this one."""
    own = student.mapping_network.state_dict()
    its = teacher.backbone.mapping.state_dict()
    if any(not torch.equal(own[name], its[name]) for name in its):
        raise WeightsError(
            f"{source} is the student of another teacher: name that one in teacher.model, or start "
            "from another student."
        )
