"""Several processes distil as one: gloo on the CPU."""

from pathlib import Path

import pytest
import torch
from distill_case import MIMIC3D, STYLEGAN3, read, save_teacher, write_case
from test_training_distributed import (  # of this folder
    fork_all,
    gradients_of_each_phase,
    the_same,
)

from nerfgan_cli.nn.stylegan3 import SynthesisLayer
from nerfgan_cli.training.distill_task import DistillTask
from nerfgan_cli.training.distributed import World

pytestmark = pytest.mark.usefixtures("quick_training")

# Stage 2 begins by itself after the second step.
SETTINGS = ("train.switch_kimg=1", "train.plateau=0.99", "train.plateau_kimg=0.004")

# From the start, with rates of 0: `gradients_of_each_phase`.
BOTH_STAGES = ("train.stage=2", "loss.discriminator_alone_kimg=0")
STILL = ("optim.lr=0", "optim.sr_lr=0", "optim.discriminator_lr=0")


@pytest.mark.parametrize("network", [(), STYLEGAN3], ids=["stylegan2", "stylegan3"])
def test_two_processes_have_the_gradients_of_one(tmp_path: Path, network: tuple[str, ...]) -> None:
    """And StyleGAN3's average magnitudes."""
    case = write_case(tmp_path)

    def work(world: World) -> None:
        settings = (*BOTH_STAGES, *STILL, *network, "train.batch=8", "train.heldout=0")
        task = DistillTask(read(case, *settings), world)
        task.initialize(print)
        for module in task.generator.modules():
            if isinstance(module, SynthesisLayer):
                module.magnitude_ema_beta = 0.5  # so that one step tells
        found = gradients_of_each_phase(task)
        for name in ("generator", "average"):
            found |= {f"{name} 0 {key}": x for key, x in task.modules[name].named_buffers()}
        torch.save(found, tmp_path / f"{world.rank} of {world.size}.pt")

    assert fork_all(1, work) == [0]
    assert fork_all(2, work) == [0, 0]
    found = the_same(tmp_path)
    updates = {name.rpartition(" ")[0] for name in found}
    assert updates >= {"generator 1", "discriminator 1", "discriminator 2"}
    magnitudes = [tensor for name, tensor in found.items() if name.endswith("magnitude_ema")]
    assert all(tensor != 1 for tensor in magnitudes)
    assert bool(magnitudes) == bool(network)


def test_two_processes_learn_from_both_branches_as_one(tmp_path: Path) -> None:
    """And compare with the same held-out pictures."""
    case = write_case(tmp_path)
    save_teacher(tmp_path / "teacher.safetensors", 1, MIMIC3D)
    asked = ("teacher.branch=hybrid", "teacher.patch=24", "loss.pixels=1", "train.heldout=2")
    few = ("teacher.views_per_latent=2", "loss.consistency=1", "train.kimg=0.004", "train.stage=1")

    def work(world: World) -> None:
        task = DistillTask(read(case, *STILL, *asked, *few), world)
        task.initialize(print)
        found = gradients_of_each_phase(task)
        assert task.heldout is not None
        numbers = task.heldout.compare(task.average)
        found |= {name: torch.tensor(value) for name, value in numbers.items()}
        torch.save(found, tmp_path / f"{world.rank} of {world.size}.pt")

    assert fork_all(1, work) == [0]
    assert fork_all(2, work) == [0, 0]
    assert {"psnr/image", "psnr/strict", "generator 1 0"} <= the_same(tmp_path).keys()


def test_two_processes_change_stages_as_one(tmp_path: Path) -> None:
    """By the sums of both, after steps that leave them the same weights."""
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
