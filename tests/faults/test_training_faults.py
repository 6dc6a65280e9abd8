"""What can happen to a training run: kills, full disks, damaged files, divergence, rivals."""

import errno
import json
import os
import signal
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_case import at_call, in_child, newest, read, records, train_run

from nerfgan_cli.checkpoints import container
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.errors import DivergedError, InputError, UsageError
from nerfgan_cli.training import checkpoints, eg3d, eg3d_task, loop
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.log import Log
from nerfgan_cli.training.run import locked

pytestmark = pytest.mark.usefixtures("quick_training")

KILLED = -signal.SIGKILL


def kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def uninterrupted(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps."""
    folder = tmp_path_factory.mktemp("runs") / "uninterrupted"
    assert in_child(lambda: train_run(folder, read(tiny_recipe))) == 0
    return folder


def assert_same_run(folder: Path, expected: Path) -> None:
    """Every tensor of the state to the last bit, and every record of the log."""
    facts, tensors = newest(folder)
    expected_facts, expected_tensors = newest(expected)
    assert facts.step == expected_facts.step
    assert tensors.keys() == expected_tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected_tensors[name]), name
    assert records(folder) == records(expected)


def copy_run(source: Path, target: Path) -> Path:
    for path in source.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return target


def test_the_run_has_what_a_run_has(uninterrupted: Path) -> None:
    names = {path.name for path in uninterrupted.rglob("*")}
    snapshots = [
        f"{8 * n:09d}{end}" for n in (1, 2, 3) for end in (".safetensors", ".state", ".png")
    ]
    assert {"recipe.toml", "log.jsonl", "reals.png", *snapshots} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert [record["images"] for record in records(uninterrupted)] == list(range(4, 25, 4))
    _, tensors = newest(uninterrupted)
    assert tensors["module.ada.pipe.p"] > 0  # else resuming it would prove little
    assert tensors["module.ada.signs"][1] > 0
    average = load_model(find_model(str(uninterrupted))).state_dict()
    for name, tensor in average.items():
        assert torch.equal(tensor, tensors[f"module.average.{name}"])


def test_tensorboard_reads_the_curves_and_the_pictures(uninterrupted: Path) -> None:
    board = EventAccumulator(str(uninterrupted)).Reload()
    for name in ("loss/generator", "schedule/augment_p", "scores/real"):
        expected = [(record["images"], record[name]) for record in records(uninterrupted)]
        curve = [(event.step, event.value) for event in board.Scalars(name)]
        np.testing.assert_allclose(curve, expected, rtol=1e-6)  # float32
    sheets = board.Images("samples")
    assert [event.step for event in sheets] == [8, 16, 24]
    shown = Image.open(BytesIO(sheets[-1].encoded_image_string))
    written = Image.open(uninterrupted / "samples" / "000000024.png")
    assert np.array_equal(np.asarray(shown), np.asarray(written))


def test_tensorboard_forgets_what_a_killed_run_lost(
    tiny_recipe: Path, tmp_path: Path, uninterrupted: Path
) -> None:
    """Its curves go on from the checkpoint, and have each moment once."""
    folder = copy_run(uninterrupted, tmp_path / "run")
    (folder / "checkpoints" / "000000024.state").unlink()
    train_run(folder, read(tiny_recipe))
    curve = EventAccumulator(str(folder)).Reload().Scalars("loss/generator")
    assert [event.step for event in curve] == list(range(4, 25, 4))


MOMENTS: dict[str, tuple[int, Any, str]] = {
    "in the first step": (1, eg3d_task, "follow"),
    "between the networks of step 4": (2 * 3 + 1, eg3d_task, "discriminator_phase"),
    "while the second state is written": (4, container.os, "fsync"),
    "between model and state": (2, checkpoints, "save_state"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    tiny_recipe: Path, tmp_path: Path, uninterrupted: Path, moment: str
) -> None:
    folder, recipe = tmp_path / "run", read(tiny_recipe)

    def killed() -> None:
        number, module, name = MOMENTS[moment]
        at_call(number, module, name, kill_myself)
        train_run(folder, recipe)

    assert in_child(killed) == KILLED
    assert (folder / "recipe.toml").is_file()
    assert in_child(lambda: train_run(folder, recipe)) == 0
    assert_same_run(folder, uninterrupted)
    assert not list(folder.rglob("*.tmp"))


def test_a_record_that_was_cut_off_is_written_again(
    tiny_recipe: Path, tmp_path: Path, uninterrupted: Path
) -> None:
    folder, recipe = tmp_path / "run", read(tiny_recipe)

    def killed() -> None:
        def write_half(log: Log, record: dict[str, Any], left: float) -> None:
            if record["step"] < 5:
                original(log, record, left)
                return
            text = json.dumps(record)
            with log.file.open("a") as file:
                file.write(text[: len(text) // 2])
            kill_myself()

        original = Log.write
        Log.write = write_half  # type: ignore[method-assign, assignment]
        train_run(folder, recipe)

    assert in_child(killed) == KILLED
    assert not (folder / "log.jsonl").read_text().endswith("\n")
    assert in_child(lambda: train_run(folder, recipe)) == 0
    assert_same_run(folder, uninterrupted)


def test_a_longer_run_continues_a_shorter_one(
    tiny_recipe: Path, tmp_path: Path, uninterrupted: Path
) -> None:
    folder = tmp_path / "run"
    assert in_child(lambda: train_run(folder, read(tiny_recipe, "train.kimg=0.02"))) == 0
    assert newest(folder)[0].step == 5  # within an interval of density, R1 and ADA
    assert in_child(lambda: train_run(folder, read(tiny_recipe))) == 0
    assert_same_run(folder, uninterrupted)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[: len(data) // 2],
    "one bit": lambda data: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
    "another step": lambda data: data.replace(rb"{\"step\": 6", rb"{\"step\": 7"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_told_and_the_one_before_serves(
    tiny_recipe: Path, tmp_path: Path, uninterrupted: Path, damage: str
) -> None:
    folder = copy_run(uninterrupted, tmp_path / "run")
    victim = folder / "checkpoints" / "000000024.state"
    data = victim.read_bytes()
    victim.write_bytes(DAMAGES[damage](data))
    assert victim.read_bytes() != data

    def resumed() -> None:
        said = train_run(folder, read(tiny_recipe))
        assert "000000024.state is damaged" in said[0]
        assert "from 0.016 kimg" in said[1]

    assert in_child(resumed) == 0
    assert_same_run(folder, uninterrupted)


def test_a_run_without_a_good_checkpoint_is_not_started_over(
    tiny_recipe: Path, tmp_path: Path, uninterrupted: Path
) -> None:
    folder = copy_run(uninterrupted, tmp_path / "run")
    for state in (folder / "checkpoints").glob("*.state"):
        state.write_bytes(b"")
    with pytest.raises(InputError, match="none of the 3 checkpoints"):
        train_run(folder, read(tiny_recipe))


def test_only_the_newest_checkpoints_are_kept(
    tiny_recipe: Path, tmp_path: Path, uninterrupted: Path
) -> None:
    """Also those of a future that is given up go when there is a new one."""
    folder = copy_run(uninterrupted, tmp_path / "run")
    for end in (".state", ".safetensors"):
        (folder / "checkpoints" / f"000000008{end}").unlink()
        (folder / "checkpoints" / f"000000024{end}").write_bytes(b"damaged")
    settings = ["train.keep=1", "train.snapshot_kimg=0.02", "train.kimg=0.02"]
    train_run(folder, read(tiny_recipe, *settings))
    files = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert files == ["000000020.safetensors", "000000020.state"]


def test_a_signal_saves_the_step_that_it_met(
    tiny_recipe: Path, tmp_path: Path, uninterrupted: Path
) -> None:
    folder, recipe = tmp_path / "run", read(tiny_recipe)

    def stopped() -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(77))
        at_call(3, eg3d_task, "follow", lambda: os.kill(os.getpid(), signal.SIGTERM))
        train_run(folder, recipe)

    assert in_child(stopped) == 77  # what the signal would have done, after all was saved
    assert newest(folder)[0].step == 3
    assert in_child(lambda: train_run(folder, recipe)) == 0
    assert_same_run(folder, uninterrupted)


def test_a_signal_to_all_processes_of_a_run(tiny_recipe: Path, tmp_path: Path) -> None:
    """As a cluster sends it: those that read data must outlive the step."""
    folder = tmp_path / "run"

    def stopped() -> None:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(77))
        at_call(2, eg3d_task, "follow", lambda: os.killpg(0, signal.SIGTERM))
        train_run(folder, read(tiny_recipe, "data.workers=1"))

    assert in_child(stopped) == 77
    assert newest(folder)[0].step == 2


def test_a_signal_that_is_ignored_stays_ignored(tiny_recipe: Path, tmp_path: Path) -> None:
    """As SIGHUP is under nohup."""
    folder = tmp_path / "run"

    def ignoring() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        at_call(1, eg3d_task, "follow", lambda: os.kill(os.getpid(), signal.SIGHUP))
        train_run(folder, read(tiny_recipe, "train.kimg=0.008"))

    assert in_child(ignoring) == 0
    assert newest(folder)[0].step == 2


def test_a_second_run_in_the_same_folder_is_refused(tiny_recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()

    def rival() -> None:
        with pytest.raises(InputError, match=f"being trained by process {os.getppid()}"):
            train_run(folder, read(tiny_recipe))

    with locked(folder / ".lock"):
        assert in_child(rival) == 0
    assert not (folder / "checkpoints").exists()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    def die() -> None:
        with locked(tmp_path / ".lock"):
            if os.fork() == 0:
                time.sleep(3)  # a child, as a reader of data, does not hold the lock
                os._exit(0)
            kill_myself()

    assert in_child(die) == KILLED
    with locked(tmp_path / ".lock"):
        pass


@pytest.mark.parametrize(("factor", "value"), [(torch.nan, "nan"), (1e8, r"\d\S*e\+0[78]")])
def test_a_loss_that_diverges_ends_the_run(
    tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float, value: str
) -> None:
    calls = []

    def loss(fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return original(fake, real) * (factor if len(calls) == 2 * 3 else 1)

    original = eg3d.discriminator_loss
    monkeypatch.setattr(eg3d, "discriminator_loss", loss)
    with pytest.raises(DivergedError, match=rf"loss discriminator is {value}, not within ±1e\+06"):
        train_run(tmp_path / "run", read(tiny_recipe))
    facts, tensors = newest(tmp_path / "run")
    assert facts.step == 2
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_only_losses_are_bounded_and_on_both_sides() -> None:
    meter, world = loop.Meter(), World(torch.device("cpu"))
    meter.add({"loss/large": 9e5, "scores/real": 1e9})
    assert meter.read(world) == {"loss/large": 9e5, "scores/real": 1e9}
    for value in (2e6, -2e6, torch.inf):
        meter.add({"loss/fine": 1.0, "loss/wild": torch.tensor(value)})
        with pytest.raises(DivergedError, match="the loss wild is"):
            meter.read(world)


class FiniteMeter(loop.Meter):
    """Looks away."""

    def add(self, numbers: Any) -> None:
        super().add(dict.fromkeys(numbers, 0.0))


def test_weights_that_are_not_finite_are_never_saved(
    tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(average: torch.nn.Module, network: torch.nn.Module, beta: float) -> None:
        original(average, network, beta)
        network.get_parameter("decoder.net.2.bias").data[0] = torch.inf

    original = eg3d_task.follow
    monkeypatch.setattr(eg3d_task, "follow", spoil)
    monkeypatch.setattr(loop, "Meter", FiniteMeter)
    recipe = read(tiny_recipe, "train.snapshot_kimg=0.004")
    with pytest.raises(DivergedError, match=r"generator\.decoder\.net\.2\.bias"):
        train_run(tmp_path / "run", recipe)
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_pictures_that_are_not_finite_are_never_saved(
    tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of weights that are: too large."""

    def spoil(average: torch.nn.Module, network: torch.nn.Module, beta: float) -> None:
        original(average, network, beta)
        for parameter in average.get_submodule("backbone.mapping").parameters():
            parameter.data.fill_(3e38)

    original = eg3d_task.follow
    monkeypatch.setattr(eg3d_task, "follow", spoil)
    monkeypatch.setattr(loop, "Meter", FiniteMeter)
    recipe = read(tiny_recipe, "train.snapshot_kimg=0.004")
    with pytest.raises(DivergedError, match="draws values that are not finite"):
        train_run(tmp_path / "run", recipe)
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_full_disk_loses_nothing(tiny_recipe: Path, tmp_path: Path) -> None:
    folder, recipe = tmp_path / "run", read(tiny_recipe)

    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def full() -> None:
        at_call(4, container.os, "fsync", fail)
        with pytest.raises(InputError, match="the disk is full"):
            train_run(folder, recipe)

    assert in_child(full) == 0
    assert newest(folder)[0].step == 2
    assert not list(folder.rglob("*.tmp"))


def test_a_run_of_an_earlier_version_goes_on(
    tiny_recipe: Path, tmp_path: Path, uninterrupted: Path
) -> None:
    """Its recipe lacks keys that were added since; their defaults are what it had."""
    folder = copy_run(uninterrupted, tmp_path / "run")
    written = (folder / "recipe.toml").read_text()
    (folder / "recipe.toml").write_text(written.replace("density_points = 10\n", ""))
    with pytest.raises(UsageError, match=r"loss\.density_points = 1000, not 10"):
        train_run(folder, read(tiny_recipe))
    (folder / "recipe.toml").write_text(written.replace("augment_p = 0.2\n", ""))
    train_run(folder, read(tiny_recipe))
    assert (folder / "recipe.toml").read_text() == written


def test_other_pictures_than_before_are_refused(
    tiny_recipe: Path, tmp_path: Path, uninterrupted: Path
) -> None:
    folder = copy_run(uninterrupted, tmp_path / "run")
    pictures = copy_run(tiny_recipe.parent / "pictures", tmp_path / "pictures")
    data = json.loads((pictures / "dataset.json").read_text())
    data["labels"][0][1], data["labels"][1][1] = data["labels"][1][1], data["labels"][0][1]
    (pictures / "dataset.json").write_text(json.dumps(data))
    recipe = (folder / "recipe.toml").read_text()
    with pytest.raises(InputError, match="data set is not the one"):
        train_run(folder, read(tiny_recipe, f"data.path={pictures}"))
    assert (folder / "recipe.toml").read_text() == recipe


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_picture_is_told_in_one_sentence(
    tiny_recipe: Path, tmp_path: Path, workers: int
) -> None:
    pictures = copy_run(tiny_recipe.parent / "pictures", tmp_path / "pictures")
    for file in sorted(pictures.glob("*.png"))[1:]:
        file.write_bytes(file.read_bytes()[:200])
    recipe = read(tiny_recipe, f"data.path={pictures}", f"data.workers={workers}")
    with pytest.raises(InputError, match=r"^img00\d\d\.png of .*data check\)\.$"):
        train_run(tmp_path / "run", recipe)
