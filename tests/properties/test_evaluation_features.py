"""Features in the order in which a GPU is kept busy: nothing of it changes them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import archive
from inversion_case import Models

from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.data.opening import open_images
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.evaluation import features, likeness, rows
from nerfgan_cli.evaluation.extractors import Extractor
from nerfgan_cli.evaluation.judges import LPIPS, Judge
from nerfgan_cli.evaluation.metric import Setting
from nerfgan_cli.evaluation.samples import Drawn
from nerfgan_cli.training.distributed import World

CPU = torch.device("cpu")


class Mean:
    """Colours; notes how many pictures it is shown at once."""

    def __init__(self) -> None:
        self.shown: list[int] = []

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        self.shown.append(len(pictures))
        return pictures.double().mean(dim=(2, 3))


@pytest.fixture
def setting(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setattr(rows, "PART", 4)
    return Setting(
        name="student",
        generator=load_model(models.student),
        images=None,
        teacher=None,
        data=open_images(archive(tmp_path / "real.zip", count=7, side=64)),
        number=None,
        seed=0,
        batch=2,
        world=World(CPU),
        cache=tmp_path / "cache",
        progress=lambda what, done, of: None,
    )


def found(setting: Setting, network: Mean) -> list[np.ndarray]:
    mean = Extractor("mean", "", network, CPU)
    drawn = features.generated_features(setting, [mean], 11, False)["mean"]
    real = features.real_features(setting, [mean], np.arange(7))["mean"]
    return [each.table.all() for each in (drawn, real)]


def test_pictures_at_once_and_parts_ahead_change_nothing(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody, by_threes = Mean(), Mean()
    plain = found(setting, everybody)
    assert everybody.shown == [4, 4, 3, 4, 3]  # parts, drawn by twos
    monkeypatch.setattr(features, "LOOKED_AT", {"cpu": 3})
    monkeypatch.setattr(features, "AHEAD", {"cpu": 2})
    ahead = found(replace(setting, cache=tmp_path / "other"), by_threes)
    assert by_threes.shown == [3, 1, 3, 1, 3, 3, 1, 3]
    assert [len(each) for each in plain] == [11, 7]
    for first, second in zip(plain, ahead, strict=True):
        np.testing.assert_array_equal(first, second)


def test_rows_of_any_sizes_are_regrouped() -> None:
    numbers = torch.arange(12)
    for sizes in ([12], [5, 5, 2], [1] * 12, [3, 0, 9]):
        groups = list(features.regrouped(iter(numbers.split(sizes)), 5))
        assert list(map(len, groups)) == [5, 5, 2]
        assert torch.equal(torch.cat(groups), numbers)
    assert list(features.regrouped(iter([]), 5)) == []


def test_parts_are_begun_ahead_and_come_in_order() -> None:
    begun: list[int] = []

    def begin() -> Iterator[features.Pending]:
        for number in range(5):
            begun.append(number)
            rows = {"mean": torch.tensor([float(number)])}
            yield features.Pending(rows, torch.tensor(True), None)

    for number, part in enumerate(features._finish(begin(), 2)):
        assert part["mean"].tolist() == [number]
        assert len(begun) == min(number + 3, 5)


def test_values_that_are_not_finite_are_found_late_and_not_kept(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a picture to see whether it is one."""
    draw = features.draw_pictures

    def spoil(own: Setting, indices: np.ndarray, frontal: bool) -> Iterator[Drawn]:
        for number, drawn in enumerate(draw(own, indices, frontal)):
            yield drawn._replace(finite=torch.tensor(indices[0] != 4 or number != 0))

    monkeypatch.setattr(features, "draw_pictures", spoil)
    with pytest.raises(WeightsError, match="not finite"):
        found(setting, Mean())
    assert [path.name[:8] for path in setting.cache.rglob("*.npy")] == ["00000000"]


def test_another_network_of_lpips_measures_no_pair_anew(
    setting: Setting, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pairs are drawn again, and the network alone looks at them."""
    own = replace(setting, teacher=load_model(models.teacher), number=3)
    compared: list[int] = []
    compare = likeness._compare

    def note(pair: likeness.Pair) -> rows.Rows:
        compared.append(len(pair.final[0]))
        return compare(pair)

    monkeypatch.setattr(likeness, "_compare", note)

    class Distance(torch.nn.Linear):
        """Of the mean colours, times a factor that tells networks apart."""

        def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            return self.bias * (first - second).abs().mean(dim=(1, 2, 3))

    without = likeness.compare_pairs(own, 3, {})
    assert compared == [2, 1]
    found = []
    for factor in (1.0, 2.0):
        network = Distance(1, 1)
        torch.nn.init.constant_(network.bias, factor)
        judge = Judge(network, "mean", f"factor {factor}")  # type: ignore[arg-type]
        columns = likeness.compare_pairs(own, 3, {LPIPS: judge})
        found.append(columns.pop(LPIPS))
        for name, column in without.items():
            np.testing.assert_array_equal(columns[name], column)
    assert compared == [2, 1]
    assert found[0].min() > 0
    np.testing.assert_allclose(found[1], 2 * found[0], rtol=1e-6)
