"""The teacher of a distillation, and the discriminator that it was trained with."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.checkpoints.format import load_network, save_model
from nerfgan_cli.checkpoints.header import Header, read_header
from nerfgan_cli.checkpoints.provenance import AUGMENTATION, derived_licence
from nerfgan_cli.checkpoints.zoo import find_model, is_name
from nerfgan_cli.errors import InputError, NerfganError, WeightsError
from nerfgan_cli.generators.precision import set_precision
from nerfgan_cli.generators.volumetric import VolumetricGenerator
from nerfgan_cli.nn.discriminators import SingleDiscriminator, build_discriminator
from nerfgan_cli.training import teacher_recipe
from nerfgan_cli.training.adversarial_recipe import TRAINABLE
from nerfgan_cli.training.checkpoints import newest_state
from nerfgan_cli.training.eg3d_recipe import EG3DRecipe
from nerfgan_cli.training.mimic3d_recipe import Mimic3DRecipe
from nerfgan_cli.training.precision import set_training_precision
from nerfgan_cli.training.recipe_reader import parse_toml, read_table
from nerfgan_cli.training.run import RECIPE
from nerfgan_cli.training.state import MODULE, read_state, split

ADVERSARIAL = {"eg3d": EG3DRecipe, "mimic3d": Mimic3DRecipe}  # recipes that train a discriminator
# What those are called in a checkpoint of the releases, and in a task.
DISCRIMINATORS = {"D": "discriminator", "D_patch": "patch_discriminator"}


class Teacher(NamedTuple):
    network: VolumetricGenerator  # frozen
    source: str  # name of the file, without its folder
    licence: str | None  # terms that its students carry on


def open_teacher(table: teacher_recipe.Teacher, device: torch.device) -> Teacher:
    """The model that a recipe names."""
    path = find_model(table.model)
    network = load_network(path, device)
    if not isinstance(network, VolumetricGenerator):
        kind = read_header(path).kind
        raise WeightsError(
            f"{table.model} is a {kind}, which has no volume to learn from: "
            "set teacher.model to an EG3D model or a Mimic3D."
        )
    if table.img_resolution not in (None, network.img_resolution):
        raise WeightsError(
            f"{table.model} draws {network.img_resolution}² and this recipe is for a teacher that "
            f"draws {table.img_resolution}²: name another one, or change teacher.img_resolution."
        )
    network.requires_grad_(False)
    if table.precision == "auto":
        set_training_precision(network, "auto", device)
    else:
        set_precision(network, table.precision, device)
    return Teacher(network, path.name, derived_licence(read_header(path).provenance))


def open_discriminator(
    table: teacher_recipe.Teacher, teacher: VolumetricGenerator
) -> SingleDiscriminator:
    """The one that the recipe names, or the one of the run that the teacher comes from."""
    source = table.discriminator or table.model
    state = None if is_name(source) else newest_state(Path(source).expanduser())
    if state is not None:
        network: nn.Module | None = discriminator_of_run(state)
    elif table.discriminator is None:
        network = None
    else:
        network = load_network(find_discriminator(table.discriminator))
    if not isinstance(network, SingleDiscriminator):
        raise WeightsError(
            f"{source} has no discriminator: set teacher.discriminator to the one that the teacher "
            "was trained with (nerfgan convert --network D takes it from an official checkpoint), "
            "or do without it as loss.discriminator_start = scratch and loss.perceptual = "
            "lpips-vgg do."
        )
    if (name := type(network).__name__) not in TRAINABLE:
        raise WeightsError(
            f"the discriminator of {source} is a {name}, with which no run could go on where it "
            f"stopped: name one of class {' or '.join(TRAINABLE)}."
        )
    if network.config.img_resolution != teacher.img_resolution:
        raise WeightsError(
            f"the discriminator of {source} looks at {network.config.img_resolution}² and the "
            f"teacher draws {teacher.img_resolution}²: name the one that the teacher was trained "
            "with."
        )
    return network


def augmentation_of(source: str) -> float:
    """The probability of augmentations with which a discriminator was last trained, or 0."""
    state = None if is_name(source) else newest_state(Path(source).expanduser())
    if state is not None:
        _, tensors = read_state(state)
        return strength(tensors)
    path = find_discriminator(source)
    return float(read_header(path).provenance.training.get(AUGMENTATION, 0.0))


def strength(tensors: Mapping[str, Tensor]) -> float:
    """Of the augmentations, by the state of a run."""
    modules = split(tensors)[MODULE]
    return float(modules["ada"]["pipe.p"]) if "ada" in modules else 0.0


def find_discriminator(name: str) -> Path:
    try:
        return find_model(name)
    except NerfganError as error:
        raise WeightsError(
            f"the discriminator {name} of the teacher is not there: make it with nerfgan convert "
            "--network D, or set loss.discriminator_start to scratch and loss.perceptual to an "
            "lpips one."
        ) from error


def discriminator_of_run(state: Path, key: str = "D") -> nn.Module | None:
    """From the state of a training run; None if the run has none such."""
    data = parse_toml((state.parents[1] / RECIPE).read_text("utf-8"), RECIPE)
    kind = ADVERSARIAL.get(data.get("kind", ""))
    if kind is None:
        return None
    recipe = read_table(kind, data)
    _, tensors = read_state(state)
    weights = split(tensors)[MODULE].get(DISCRIMINATORS[key])
    if weights is None:
        return None
    name, config = recipe.model.discriminator.class_name, recipe.discriminator_config()
    if key == "D_patch" and isinstance(recipe, Mimic3DRecipe):
        name, config = "SingleDiscriminator", recipe.patch_discriminator_config()
    network = build_discriminator(name, config)
    network.load_state_dict(weights)
    return network.eval()


def write_discriminator(run: Path, out: Path, half: bool, key: str = "D") -> Header:
    """A discriminator of a training run as a file, made by what its model was made by."""
    model = find_model(str(run))
    state = newest_state(run)
    network = None if state is None else discriminator_of_run(state, key)
    if network is None or state is None:
        kind = "mimic3d in its 3D phase" if key == "D_patch" else " or ".join(ADVERSARIAL)
        raise WeightsError(
            f"the run {run} trains no {DISCRIMINATORS[key].replace('_', ' ')}: give one of kind "
            f"{kind}."
        )
    provenance = read_header(model).provenance
    _, tensors = read_state(state)
    training = provenance.training | {AUGMENTATION: strength(tensors)}
    provenance = replace(provenance, network=key, training=training)
    save_model(out, network, provenance, half)
    return read_header(out)


class Signature(nn.Module):
    """Tells whether a run that is continued learns from the same networks as before."""

    number: Tensor  # [] int64: of the networks that the run began with

    def __init__(self, *networks: nn.Module) -> None:
        super().__init__()
        self.actual = weights_checksum(*networks)
        self.register_buffer("number", torch.tensor(self.actual))

    def verify(self) -> None:
        if int(self.number) != self.actual:
            raise InputError(
                "the teacher, or the network of the perceptual loss, is not the one that this run "
                "learned from: name the ones of before in the recipe, or give another --out."
            )
