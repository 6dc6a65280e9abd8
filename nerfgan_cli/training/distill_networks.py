"""The networks of a distillation, as its recipe states them."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators.config_reader import read_config
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import StudentConfig
from nerfgan_cli.generators.volumetric import VolumetricGenerator
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.discriminators import SingleDiscriminator, build_discriminator
from nerfgan_cli.nn.superresolution import SuperResolution
from nerfgan_cli.training.distances import build_distance
from nerfgan_cli.training.distill_recipe import PREDICTOR, STUDENT, DistillRecipe, Optim
from nerfgan_cli.training.muon import Muon, is_matrix
from nerfgan_cli.training.recipe_reader import flatten, to_plain
from nerfgan_cli.training.targets import choose
from nerfgan_cli.training.teacher import augmentation_of

# Of a StudentConfig, what may differ between a student and the one that it starts from: the shapes
# of the tensors tell the channels, and the others change no picture.
FREE = (
    *("camera_preset", "predictor.channel_base", "predictor.channel_max"),
    "predictor.magnitude_ema_beta",
)
IDLE = ("predictor.num_layers", "predictor.margin_size")  # of a StyleGAN2


def build_student(recipe: DistillRecipe, teacher: VolumetricGenerator) -> Student:
    config = recipe.model.config(teacher, recipe.teacher.raw_resolution)
    if recipe.loss.freeze_superresolution:
        is_strict = choose(recipe.teacher, teacher).is_strict
        refuse_to_freeze(config.superresolution, teacher.superresolution, is_strict)
    student = Student(config)
    student.mapping_network.requires_grad_(False)  # the teacher's: a seed stays the same person
    student.superresolution.requires_grad_(not recipe.loss.freeze_superresolution)
    return student


def refuse_to_freeze(name: str, given: SuperResolution | None, is_strict: bool) -> None:
    """A student's super-resolution that is not the one that its teacher gives: it is random.

    Of a Mimic3D it is that of the 2D branch, whichever branch teaches: the 3D branch has none.
    """
    if given is None:
        raise UsageError(
            "this teacher has no super-resolution, so that the student's has to learn: "
            "set loss.freeze_superresolution to false."
        )
    if name != given.name:
        raise UsageError(
            f"the super-resolution of this student is {name} and not the teacher's {given.name}, "
            f"so that it has to learn: set model.superresolution to {given.name}, or "
            "loss.freeze_superresolution to false."
        )
    if is_strict:
        raise UsageError(
            "the pictures of a 3D branch come from no super-resolution, so that the student's, "
            "which starts as the 2D branch's, has to learn: set loss.freeze_superresolution to "
            "false, or teacher.branch to 2d."
        )


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
    loss = recipe.loss
    if not loss.is_perceptual:
        return None
    weights, precision = loss.perceptual_weights, recipe.train.precision
    return build_distance(loss.perceptual, weights, given, precision, device)


def first_strength(recipe: DistillRecipe) -> float:
    """The probability of the discriminator's augmentations when stage 2 begins."""
    loss = recipe.loss
    if loss.augment != "ada":
        return loss.first_p
    if loss.ada_start is not None:
        return loss.ada_start
    if loss.discriminator_start != "teacher":
        return 0.0
    return augmentation_of(recipe.teacher.discriminator or recipe.teacher.model)


def build_optimizer(student: Student, teacher: VolumetricGenerator, optim: Optim) -> Muon:
    """Each group's `rate` is the key of [optim] by which its rate is set in each step."""
    groups: dict[str, list[nn.Parameter]] = {"lr": [], "sr_lr": [], "matrix_lr": []}
    is_given = student.superresolution_of(teacher) is not None
    given = student.superresolution.parameters() if is_given else ()
    enlarging = {id(parameter) for parameter in given}
    for parameter in student.parameters():
        if not parameter.requires_grad:
            continue
        if id(parameter) in enlarging:
            groups["sr_lr"].append(parameter)
        elif optim.matrix_lr is not None and is_matrix(parameter):
            groups["matrix_lr"].append(parameter)
        else:
            groups["lr"].append(parameter)
    tables = [
        {"params": parameters, "rate": name, "matrices": name == "matrix_lr"}
        for name, parameters in groups.items()
        if parameters
    ]
    return Muon(tables, optim.lr, optim.betas, optim.eps, fused=True)


def refuse_changed(student: Student, model: Path, source: str) -> None:
    """Weights mean the same in students of one configuration only; `model` is where they are."""
    header = read_header(model)
    if header.kind != student.kind:
        return  # its tensors have other names
    config = student.student_config
    free = FREE + (IDLE if config.predictor.network == "stylegan2" else ())
    its = flatten(asdict(read_config(StudentConfig, header.config)))
    for key, own in flatten(asdict(config)).items():
        if key not in free and its[key] != own:
            raise WeightsError(
                f"{source} is a student with {recipe_key(key)} = {its[key]!r}, and this recipe's "
                f"has {own!r}: change the recipe, or start from another student."
            )


def recipe_key(key: str) -> str:
    """What people know an item of a StudentConfig by."""
    name = key.rpartition(".")[2]
    if name in (*PREDICTOR, *STUDENT):
        return f"model.{name}"
    return "teacher.raw_resolution" if name == "raw_resolution" else f"the teacher's {name}"


def refuse_foreign(student: Student, teacher: VolumetricGenerator, source: str) -> None:
    """A student whose codes are another teacher's cannot go on with this one."""
    own, its = student.latent_space().state_dict(), teacher.latent_space().state_dict()
    if any(not torch.equal(own[name], its[name]) for name in its):
        raise WeightsError(
            f"{source} is the student of another teacher: name that one in teacher.model, or start "
            "from another student."
        )
