"""Several processes train as one: gloo on the CPU, processes forked from this one."""

import os
import signal
import socket
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor
from training_case import at_call, in_child, newest, read
from training_mimic3d_case import STRICT
from training_mimic3d_case import write_case as write_mimic3d_case

from nerfgan_cli.errors import NerfganError, UsageError
from nerfgan_cli.training import eg3d_task
from nerfgan_cli.training.ada import Ada
from nerfgan_cli.training.distributed import World, open_world
from nerfgan_cli.training.feed import SliceSampler
from nerfgan_cli.training.kinds import build_task
from nerfgan_cli.training.loop import train
from nerfgan_cli.training.recipe import Recipe
from nerfgan_cli.training.run import open_run
from nerfgan_cli.training.task import Task

pytestmark = pytest.mark.usefixtures("quick_training")

CPU = torch.device("cpu")
SOON = 20  # seconds in which the death of one process must end the others


def fork_all(size: int, work: Callable[[World], None]) -> list[int]:
    """Runs a world of processes; their exit codes by rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def start(rank: int) -> None:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        with open_world(CPU) as world:
            work(world)

    children = []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            os._exit(in_child(lambda rank=rank: start(rank)) & 0xFF)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def gradients_of_each_phase(task: Task) -> dict[str, Tensor]:
    """All gradients that the updates of the first step take.

    Rates of 0: Adam's first step is ± its rate also where rounding alone decides the sign.
    """
    found: dict[str, Tensor] = {}

    def watch(name: str, optimizer: torch.optim.Optimizer) -> None:
        updates = count(1)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]

        def note(*_: object) -> None:
            update = next(updates)
            for index, parameter in enumerate(parameters):
                if parameter.grad is not None:
                    found[f"{name} {update} {index}"] = parameter.grad.clone()

        optimizer.register_step_pre_hook(note)

    for name, optimizer in task.optimizers.items():
        watch(name, optimizer)
    task.begin(0)
    task.step(0)
    return found


@pytest.mark.parametrize(
    "settings",
    [
        ["loss.augment=fixed", "loss.augment_p=1"],
        ["loss.augment=none", "model.discriminator.disc_c_noise=1"],
    ],
)
def test_two_processes_have_the_gradients_of_one(
    tiny_recipe: Path, tmp_path: Path, settings: list[str]
) -> None:
    assert updates_of_all(tiny_recipe, [*settings, "train.batch=8"], tmp_path) == {
        *("generator 1", "generator 2", "discriminator 1", "discriminator 2")
    }


def test_two_processes_have_the_gradients_of_one_with_patches(tmp_path: Path) -> None:
    """Which lie elsewhere in each slice, whoever draws it."""
    settings = [*STRICT, "train.batch=4", "train.batch_gpu=2"]
    settings += ["loss.augment=fixed", "loss.augment_p=1"]
    assert updates_of_all(write_mimic3d_case(tmp_path), settings, tmp_path) == {
        *("generator 1", "generator 2", "discriminator 1", "discriminator 2"),
        *("patch_discriminator 1", "patch_discriminator 2"),
    }


def updates_of_all(recipe: Path, settings: list[str], folder: Path) -> set[str]:
    """Which updates there are in a step, whose gradients are the same of one and two processes."""
    settings = [*settings, "optim.generator_lr=0", "optim.discriminator_lr=0"]

    def work(world: World) -> None:
        found = gradients_of_each_phase(build_task(read(recipe, *settings), world))
        torch.save(found, folder / f"{world.rank} of {world.size}.pt")

    assert fork_all(1, work) == [0]
    assert fork_all(2, work) == [0, 0]
    return {name.rpartition(" ")[0] for name in the_same(folder)}


def the_same(folder: Path) -> dict[str, Tensor]:
    """What one process saved, after a look at whether both of two saved the same."""
    alone, first, second = (
        torch.load(folder / f"{who}.pt") for who in ("0 of 1", "0 of 2", "1 of 2")
    )
    assert first.keys() == second.keys() == alone.keys()
    for name, tensor in alone.items():
        assert torch.equal(first[name], second[name]), name
        bound = 1e-5 * tensor.abs().max().item()
        torch.testing.assert_close(first[name], tensor, rtol=1e-5, atol=bound, msg=name)
    return dict(alone)


def run_of(folder: Path, recipe: Recipe, world: World) -> list[str]:
    """What a process of a run says; all but the first one get a folder that is not there."""
    task, said = build_task(recipe, world), []
    if world.first:
        with open_run(folder, recipe):
            train(task, folder, said.append)
    else:
        train(task, folder.with_name("nowhere"), said.append)
    return said


def test_a_run_of_two_processes(tiny_recipe: Path, tmp_path: Path) -> None:
    """Only the first writes, and another number of processes can continue it."""
    folder = tmp_path / "run"

    def train_to(kimg: float) -> Callable[[World], None]:
        def work(world: World) -> None:
            recipe = read(tiny_recipe, f"train.kimg={kimg}", "train.snapshot_kimg=1")
            assert bool(run_of(folder, recipe, world)) == world.first

        return work

    assert fork_all(2, train_to(0.008)) == [0, 0]
    assert newest(folder)[0].step == 2
    assert len((folder / "log.jsonl").read_text().splitlines()) == 2
    assert fork_all(1, train_to(0.012)) == [0]
    assert newest(folder)[0].step == 3
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_signal_to_one_process_stops_all(tiny_recipe: Path, tmp_path: Path) -> None:
    """Whichever it is, after the step that it met, and the first one saves."""
    folder = tmp_path / "run"

    def work(world: World) -> None:
        if world.rank == 1:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(77))
            at_call(2, eg3d_task, "follow", lambda: os.kill(os.getpid(), signal.SIGTERM))
        said = run_of(folder, read(tiny_recipe, "train.snapshot_kimg=1"), world)
        assert said[-1] == "saved at 0.008 kimg: the same command continues."

    assert fork_all(2, work) == [0, 77]
    assert newest(folder)[0].step == 2


def test_a_resumed_run_of_two_processes_is_the_uninterrupted_one(
    tiny_recipe: Path, tmp_path: Path
) -> None:
    """To the last bit, though it stops while each process has counted signs of its own."""

    def train_to(kimg: float, folder: Path) -> Callable[[World], None]:
        def work(world: World) -> None:
            settings = ["loss.ada_target=0.1", "loss.r1_interval=3", "train.snapshot_kimg=1"]
            run_of(folder, read(tiny_recipe, f"train.kimg={kimg}", *settings), world)

        return work

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert fork_all(2, train_to(0.024, whole)) == [0, 0]
    for kimg in (0.008, 0.012):
        assert fork_all(2, train_to(kimg, parts)) == [0, 0]
    facts, tensors = newest(parts)
    assert facts.step == 3  # ADA listens to the fourth
    assert tensors["module.ada.signs"][1] == 4 * 4  # three discriminator steps, one of R1, of all
    assert fork_all(2, train_to(0.024, parts)) == [0, 0]
    expected = newest(whole)[1]
    for name, tensor in newest(parts)[1].items():
        assert torch.equal(tensor, expected[name]), name


def test_signs_of_all_processes_count_once(tmp_path: Path) -> None:
    """Those that were saved too, and those that were seen since."""

    def work(world: World) -> None:
        ada = Ada(0.5)
        ada.observe(torch.tensor([[1.0, -1.0], [1.0, 1.0]][world.rank]))
        ada.gather(world)
        saved = ada.state_dict()
        if world.first:
            assert ada.signs.tolist() == [2, 4]
            torch.save(saved, tmp_path / "saved.pt")
        world.any(True)  # waits for the file
        restored = Ada(0.0)
        restored.load_state_dict(torch.load(tmp_path / "saved.pt"))
        restored.leave_to_first(world)
        for each in (ada, restored):
            each.observe(torch.tensor([[-1.0, -1.0], [-1.0, 1.0]][world.rank]))
            each.adjust(-0.1, 0.25, world)  # the mean of all eight is 0
            assert each.pipe.p == 0.75
            each.observe(torch.tensor([1.0]))
            each.adjust(0.9, 0.25, world)  # of the new ones alone
            assert each.pipe.p == 1

    assert fork_all(2, work) == [0, 0]


def test_a_dead_process_ends_the_others_soon(
    tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(world: World) -> None:
        task = build_task(read(tiny_recipe), world)
        task.begin(0)
        task.step(0)
        if world.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        start = time.monotonic()
        with pytest.raises(NerfganError, match="another process of this run has ended"):
            task.step(1)
        (tmp_path / "seconds").write_text(str(time.monotonic() - start))

    first, second = fork_all(2, work)
    assert first == 0
    assert second == -signal.SIGKILL & 0xFF
    assert float((tmp_path / "seconds").read_text()) < SOON


def test_slices_are_the_same_for_any_number_of_processes() -> None:
    def items(size: int) -> list[list[int]]:
        """What all processes read in two steps, in the order of the slices."""
        slices = [World(CPU, rank, size).slices(12, 2) for rank in range(size)]
        readers = [iter(SliceSampler(10, 3, part, first_step=5)) for part in slices]
        found = {
            (step, index): next(reader)
            for part, reader in zip(slices, readers, strict=True)
            for step in range(2)
            for index in part.own
        }
        return [found[place] for place in sorted(found)]

    assert items(1) == items(2) == items(3)
    assert len({tuple(part) for part in items(1)}) > 6


def test_resumed_order_is_the_tail_of_the_whole_order() -> None:
    slices = World(CPU).slices(4, 2)
    whole, tail = (iter(SliceSampler(10, 3, slices, first_step=step)) for step in (0, 3))
    assert [next(whole) for _ in range(10)][6:] == [next(tail) for _ in range(4)]


@pytest.mark.parametrize(("batch", "batch_gpu", "size"), [(6, 4, 1), (8, 4, 3), (2, None, 4)])
def test_a_batch_that_cannot_be_shared(batch: int, batch_gpu: int | None, size: int) -> None:
    with pytest.raises(UsageError, match=r"make train\.batch a multiple"):
        World(CPU, size=size).slices(batch, batch_gpu)


def test_bad_gradients_become_finite() -> None:
    parameter = torch.nn.Parameter(torch.zeros(4))
    parameter.grad = torch.tensor([torch.nan, torch.inf, -torch.inf, 1.0])
    World(CPU).share_gradients([parameter, torch.nn.Parameter(torch.zeros(2))], 2)
    assert parameter.grad.tolist() == [0, 1e5, -1e5, 0.5]
