"""View consistency as metrics of `nerfgan eval`."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from inversion_case import Models
from test_training_distributed import fork_all  # of this folder

from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.evaluation import consistency, rows
from nerfgan_cli.evaluation.consistency import CONSISTENCY
from nerfgan_cli.evaluation.metric import Setting
from nerfgan_cli.evaluation.table import METRICS
from nerfgan_cli.reconstruction.fit import Fitting, explain
from nerfgan_cli.training.distributed import World

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def setting(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return Setting(
        name="student",
        generator=load_model(models.student),
        images=None,
        teacher=load_model(models.teacher),
        data=None,
        number=3,
        seed=0,
        batch=2,
        world=World(CPU),
        cache=tmp_path_factory.mktemp("views"),
        progress=lambda what, done, of: None,
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Scenes of a few steps and views; the number of them that were made."""
    made: list[int] = []

    def quickly(pictures, cameras, half_depth):
        made.append(len(pictures))
        return explain(pictures, cameras, half_depth, Fitting(steps=3, rays=64))

    monkeypatch.setattr(consistency, "explain", quickly)
    monkeypatch.setattr(consistency, "VIEWS", 3)
    monkeypatch.setattr(consistency, "SIDE", 16)
    return made


def values(setting: Setting) -> dict[str, float]:
    return {value.name: value.value for one in CONSISTENCY for value in one.measure(setting)}


def test_they_are_registered_and_named_by_their_number(setting: Setting) -> None:
    assert all(METRICS[one.name] is one for one in CONSISTENCY)
    names = ["warped_psnr3", "psnr_mv_fast3", "ssim_mv_fast3", "psnr_mv_gain3"]
    assert list(values(setting)) == names


def test_scenes_and_pairs_are_kept(
    setting: Setting, tmp_path: Path, quick: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two more subjects, not five; of pairs what is new of their parts."""
    monkeypatch.setattr(rows, "PART", 2)
    carried: list[int] = []
    carry = consistency.carry

    def note(generator, teacher, seeds, options):
        carried.extend(seeds)
        return carry(generator, teacher, seeds, options)

    monkeypatch.setattr(consistency, "carry", note)
    own = replace(setting, cache=tmp_path, number=3)
    first = values(own)
    assert (quick, carried) == ([3, 3, 3], [0, 1, 2])
    again = values(replace(own, number=5))
    assert (len(quick), carried) == (5, [0, 1, 2, 2, 3, 4])
    assert values(own) == first
    assert (len(quick), len(carried)) == (5, 6)
    assert again.keys().isdisjoint(first)


def test_neither_batches_nor_processes_change_them(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PART", 1)  # each process has some
    setting = replace(setting, number=2)
    alone = values(replace(setting, cache=tmp_path / "alone"))
    single = values(replace(setting, batch=1, cache=tmp_path / "single"))

    def work(world: World) -> None:
        torch.set_num_threads(1)
        own = replace(setting, world=world, cache=tmp_path / "shared")
        torch.save(values(own), tmp_path / f"{world.rank}.pt")

    assert fork_all(2, work) == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert first == second == {name: pytest.approx(x, rel=1e-6) for name, x in alone.items()}
    assert single == alone  # to the last bit


def test_obstacles_end_with_what_enables_them(setting: Setting, models: Models) -> None:
    views, multiview = CONSISTENCY
    assert views.obstacle(setting) is multiview.obstacle(setting) is None
    pictures = replace(setting, generator=None)
    assert "give a --model" in (views.obstacle(pictures) or "")
    assert "give a --model" in (multiview.obstacle(pictures) or "")
    assert "--teacher" in (views.obstacle(replace(setting, teacher=None)) or "")
    volume = replace(setting, generator=setting.teacher, teacher=None)
    assert views.obstacle(volume) is None
    (value,) = views.measure(volume)
    assert value.value == pytest.approx(value.protocol["teachers_own"])
    flat = replace(setting, teacher=setting.generator)
    assert "volumetric" in (views.obstacle(flat) or "")
