"""Settings of every test: two threads for all, the goldens' helper module on the path."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does, before torch comes

# Of two processes that share the tests each has one, also for the programs that it starts.
os.environ.update({"OMP_NUM_THREADS": "1"} if "PYTEST_XDIST_WORKER" in os.environ else {})

import torch

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS), str(TESTS / "parity")]

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a recipe that trains in seconds, with its pictures."""
    from training_case import write_recipe

    return write_recipe(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory):
    """Files of a teacher, its student and a discriminator, small enough to invert with."""
    from inversion_case import write_models

    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def quick_training(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, as in a child process; small sheets of samples."""
    from nerfgan_cli.training import comparison, samples

    for module in (comparison, samples):
        monkeypatch.setattr(module, "PEOPLE", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
