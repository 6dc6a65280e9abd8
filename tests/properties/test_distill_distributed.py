"""Several processes distil as one: gloo on the CPU."""

from pathlib import Path

import pytest
import torch
from distill_case import read, write_case
from test_training_distributed import fork_all  # of this folder

from nerfgan_cli.training.distill_task import DistillTask
from nerfgan_cli.training.distributed import World

pytestmark = pytest.mark.usefixtures("quick_training")

# Stage 2 begins by itself after the second step.
SETTINGS = ("train.switch_kimg=1", "train.plateau=0.99", "train.plateau_kimg=0.004")


def test_two_processes_distil_as_one(tmp_path: Path) -> None:
    """Losses of a step and the switch, from the sums of both."""
    case = write_case(tmp_path)

    def work(world: World) -> None:
        task = DistillTask(read(case, *SETTINGS, "train.heldout=8"), world)
        task.initialize(print)
        task.begin(0)
        for step in range(4):
            task.step(step)
        state = dict(task.generator.state_dict())
        state["began"] = task.curriculum.began
        torch.save(state, tmp_path / f"{world.rank} of {world.size}.pt")

    assert fork_all(1, work) == [0]
    assert fork_all(2, work) == [0, 0]
    alone, first, second = (
        torch.load(tmp_path / f"{who}.pt") for who in ("0 of 1", "0 of 2", "1 of 2")
    )
    assert alone["began"] == first["began"] == second["began"] == 8
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
