"""Starting a run from the weights of another model or run (eg3d.md 8.5: tensors by name)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from nerfgan_cli.checkpoints.format import load_network
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import derived_licence
from nerfgan_cli.checkpoints.zoo import find_model, is_name
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.training.checkpoints import MODEL, STATE, find_newest
from nerfgan_cli.training.state import MODULE, read_state, split
from nerfgan_cli.training.task import Say

CONSTANT = "resample_filter"  # the same in all networks, and not every release has all of them


class Start(NamedTuple):
    """Weights of a model or a run."""

    networks: Mapping[str, Mapping[str, Tensor]]  # by their names in a task
    licence: str | None  # terms that a model made from them carries on
    model: Path  # the file of the model, or of a run's, that says how it is built


def read_start(init: str, say: Say) -> Start:
    """A run, or a checkpoint of one, with all its networks; or a model, without a discriminator:
    then generator and average are the same.
    """
    given = Path(init).expanduser()
    if given.suffix == STATE and not given.is_file():
        raise InputError(f"there is no {init}: name a checkpoint that the run has kept.")
    state = given if given.suffix == STATE else None
    if state is None and not is_name(init):
        state = find_newest(given, say)
    if state is not None:
        facts, tensors = read_state(state)
        return Start(split(tensors)[MODULE], facts.licence, state.with_suffix(MODEL))
    path = find_model(init)
    tensors = load_network(path).state_dict()
    licence = derived_licence(read_header(path).provenance)
    return Start({"generator": tensors, "average": tensors}, licence, path)


def take_over(
    modules: Mapping[str, nn.Module], names: Iterable[str], start: Start, source: str
) -> None:
    """The weights of those that both have, all of each."""
    for name in names:
        if name in modules and name in start.networks:
            copy_all_weights(modules[name], start.networks[name], source)


def copy_weights(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Takes over the tensors that both have; one of another shape is an error."""
    own = network.state_dict()
    common = {name: tensor for name, tensor in tensors.items() if name in own}
    for name, tensor in common.items():
        if tensor.shape != own[name].shape:
            raise WeightsError(
                f"{name} is {tuple(tensor.shape)} in {source} and {tuple(own[name].shape)} in this "
                "recipe: start from a model of the same sizes, or change [model]."
            )
    if not common:
        raise WeightsError(
            f"{source} holds no weights of such a network: name another file to start from."
        )
    network.load_state_dict(common, strict=False)


def copy_all_weights(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """As `copy_weights`, where nothing may be left as it was drawn; statistics neither."""
    missing = [n for n in network.state_dict() if n not in tensors and not n.endswith(CONSTANT)]
    if missing:
        raise WeightsError(
            f"{source} lacks {len(missing)} of the weights that this recipe starts from, "
            f"{missing[0]} among them: name a model or run of the same [model]."
        )
    copy_weights(network, tensors, source)
