"""What a training of Mimic3D can start from (mimic3d.md 2, 10).

A model of the same phase; or for the 3D phase one of the 2D phase: the residual planes begin as
they were drawn. An EG3D serves too if its planes are xy, yz and zx, as those of the published ones
are not; its planes then go through a 3D-aware stream that at first changes nothing.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nerfgan_cli.checkpoints.header import Header, read_header
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.generators.config_reader import read_config
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.generators.mimic3d_config import AXES, Mimic3DConfig
from nerfgan_cli.nn.aware import PLANES, AwareBlock
from nerfgan_cli.nn.stylegan2 import SynthesisLayer, ToRGBLayer
from nerfgan_cli.ops.bias_act import LRELU_GAIN, LRELU_SLOPE
from nerfgan_cli.ops.plane_axes import PLANE_AXES
from nerfgan_cli.training.transfer import Start

PLANES_NETWORK = "backbone.synthesis"  # what the names of its tensors begin with
CONSTANT = f"{PLANES_NETWORK}.b4.const"
GENERATORS = ("generator", "average")


@torch.no_grad()
def scale_residual(generator: Mimic3D, gain: float) -> None:
    """The residual planes, if there are any: their last layer is linear in its weight."""
    *_, last = (None, *generator.planes_network().residual_blocks().values())
    if last is not None:
        last.torgb.weight.mul_(gain)


def state_of(blocks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Of blocks of the network that draws planes, by their names in a generator."""
    return {
        f"{PLANES_NETWORK}.{name}.{key}": tensor
        for name, block in blocks.items()
        for key, tensor in block.state_dict().items()
    }


def convert_start(start: Start, generator: Mimic3D, source: str) -> Start:
    """The weights of a start with what they lack for this generator, or why they cannot serve."""
    header = read_header(start.model)
    if header.kind == EG3D.kind:
        refuse_other_axes(header, source)
        make = from_eg3d
    elif header.kind == Mimic3D.kind:
        refuse_other_planes(header, generator, source)
        make = with_residual
    else:
        raise WeightsError(
            f"{source} is a {header.kind}, and this recipe trains a mimic3d: start from a Mimic3D."
        )
    networks = dict(start.networks)
    for name in GENERATORS:
        networks[name] = make(networks[name], generator)
    return start._replace(networks=networks)


def refuse_other_axes(header: Header, source: str) -> None:
    """Of an EG3D."""
    axes = read_config(EG3DConfig, header.config).volume.plane_axes
    if PLANE_AXES[axes] == PLANE_AXES[AXES]:
        return
    its, own = (
        ", ".join("xyz"[column] + "xyz"[row] for column, row in PLANE_AXES[name])
        for name in (axes, AXES)
    )
    raise WeightsError(
        f"{source} is an EG3D with the planes {its}, and a Mimic3D has {own}: its weights would "
        "mean something else; start from a Mimic3D of the 2D phase, or without train.init."
    )


def refuse_other_planes(header: Header, generator: Mimic3D, source: str) -> None:
    its, own = read_config(Mimic3DConfig, header.config), generator.eg3d_config
    assert isinstance(own, Mimic3DConfig)
    if its.residual and not own.residual:
        raise WeightsError(
            f"{source} is of the 3D phase, and this recipe is for the 2D phase, which has no "
            "residual planes: start from a model of the 2D phase, or use a recipe of the 3D phase."
        )
    if its.aware != own.aware:
        has, wants = ("a" if config.aware else "no" for config in (its, own))
        raise WeightsError(
            f"{source} has {has} 3D-aware stream, and this recipe wants {wants} such: set "
            "model.generator.aware as it is there, or start from another model."
        )


def with_residual(tensors: Mapping[str, Tensor], generator: Mimic3D) -> dict[str, Tensor]:
    """A generator of the 2D phase gets S³ᴰ as it was drawn, if the recipe has it."""
    return {**state_of(generator.planes_network().residual_blocks()), **tensors}


@torch.no_grad()
def from_eg3d(tensors: Mapping[str, Tensor], generator: Mimic3D) -> dict[str, Tensor]:
    """A Mimic3D whose coarse planes are those of an EG3D: its stream passes them on."""
    synthesis = generator.planes_network()
    stream = synthesis.stream_blocks()
    taken = state_of(stream) | state_of(synthesis.residual_blocks()) | dict(tensors)
    if CONSTANT in tensors:
        taken[CONSTANT] = tensors[CONSTANT][None]  # the shapes of the two releases differ
    for number, (name, block) in enumerate(stream.items(), start=1):
        made = {"torgb.weight": torch.zeros_like(block.torgb.weight)}  # it adds nothing
        if number == len(stream):
            made = identity_block(block)
        taken |= {f"{PLANES_NETWORK}.{name}.{key}": made[key] for key in made}
    return taken


def identity_block(block: AwareBlock) -> dict[str, Tensor]:
    """Weights with which its output is its input.

    What a leaky ReLU does to one sign, the next one does to the other if it gets the negative:
    φ(−φ(x)) = −0.2 · x. Each plane has styles for its own slot and none for those of the others.
    Weights are as large as those that are drawn, so that a step of learning changes them as much.
    """
    own: dict[str, Tensor] = {}
    for name, sign in (("conv0", 1.0), ("conv1", -1.0), ("torgb", -1.0)):
        layer = block.get_submodule(name)
        assert isinstance(layer, SynthesisLayer | ToRGBLayer)
        weight = torch.zeros_like(layer.weight)
        channels, middle = len(weight), weight.shape[-1] // 2
        strength = weight[0].numel() ** 0.5
        itself = torch.eye(channels, device=weight.device).repeat(1, PLANES)
        weight[:, :, middle, middle] = sign * strength * itself
        own[f"{name}.weight"] = weight
        own[f"{name}.affine.weight"] = torch.zeros_like(layer.affine.weight)
        slots = torch.eye(PLANES, device=weight.device).repeat_interleave(channels, dim=1)
        own[f"{name}.affine.bias"] = slots.flatten()
    # The others are demodulated, so that the scale of their weights is nothing to them.
    passed = LRELU_GAIN**2 * LRELU_SLOPE * strength * block.torgb.weight_gain
    own["torgb.affine.bias"] /= passed
    return own
