"""Models that know nobody but ToyHeads, for which the package brings whatever they need."""

from functools import lru_cache

from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import TEACHER, find_model
from nerfgan_cli.generators.contract import Generator


def is_of_toyheads(generator: Generator) -> bool:
    """Whether it is a model of the bundled teacher's latent space."""
    return space_checksum(generator) == _bundled_space()


@lru_cache(maxsize=1)
def _bundled_space() -> str:
    return space_checksum(load_model(find_model(TEACHER)))
