"""Models that know nobody but ToyHeads, for which the package brings whatever they need."""

from collections.abc import Mapping
from functools import lru_cache

from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import MIMIC3D, TEACHER, find_model
from nerfgan_cli.generators.contract import Generator


def is_of_toyheads(generator: Generator) -> bool:
    """Whether it is a model of a bundled teacher's latent space."""
    return toyheads_teacher(generator) is not None


def toyheads_teacher(generator: Generator) -> str | None:
    """The bundled teacher whose latent space it has, itself perhaps; None: it knows others."""
    return _bundled_spaces().get(space_checksum(generator))


@lru_cache(maxsize=1)
def _bundled_spaces() -> Mapping[str, str]:
    return {space_checksum(load_model(find_model(name))): name for name in (TEACHER, MIMIC3D)}
