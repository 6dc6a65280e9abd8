"""What drawing costs, as a metric of `nerfgan eval`: its numbers, its figure, its company."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inversion_case import Models
from PIL import Image

from nerfgan_cli.bench import measure
from nerfgan_cli.bench.measure import Plan
from nerfgan_cli.bench.probe import Case, Taken
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.evaluation import efficiency
from nerfgan_cli.evaluation.comparison import compare, read_published
from nerfgan_cli.evaluation.efficiency import Efficiency, _limit, _memories, write_memory
from nerfgan_cli.evaluation.metric import Origin, Setting, Value
from nerfgan_cli.evaluation.report import Report
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS
from nerfgan_cli.training.distributed import World


class Growing:
    """Instead of a process: 100 MB and 3 more for each picture, of which 50 are not the work's."""

    def __init__(self, case: Case) -> None:
        assert (case.precision, case.branch) == ("fp32", None)
        assert Path(case.model).is_file()

    def __enter__(self) -> "Growing":
        return self

    def __exit__(self, *_: object) -> None: ...

    def measure(self, batch: int) -> Taken:
        size = (100 + 3 * batch) * 10**6
        return Taken(size - 50 * 10**6, size, 1.0 * batch)


class Refusing(Growing):
    """A GPU's, which takes forty pictures."""

    def __init__(self, case: Case) -> None: ...

    def measure(self, batch: int) -> Taken | None:
        return super().measure(batch) if batch <= 40 else None


@pytest.fixture
def setting(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """On a clock that ticks once a look."""
    monkeypatch.setattr(measure, "Probe", Growing)
    monkeypatch.setattr(measure, "is_told", lambda device: True)
    ticks = iter(range(1000))
    monkeypatch.setattr(efficiency.time, "perf_counter", lambda: 0.5 * next(ticks))
    return Setting(
        name="student",
        generator=load_model(models.student),
        images=None,
        teacher=None,
        data=None,
        number=None,
        seed=0,
        batch=None,
        world=World(torch.device("cpu")),
        cache=tmp_path,
        progress=lambda what, done, of: None,
        origin=Origin(models.student, "fp32"),
    )


def test_costs_are_those_of_bench(setting: Setting) -> None:
    passes: dict[str, list[tuple[int, int]]] = {}

    def follow(what: str, done: int, of: int) -> None:
        passes.setdefault(what, []).append((done, of))

    measured = Efficiency().measure(replace(setting, progress=follow))
    values = {value.name: value for value in measured}
    for steps in passes.values():
        assert len(steps) > 3
        assert (steps[0][0], steps[-1][0]) == (0, steps[-1][1])
        assert all(done < of for done, of in steps[:-1])
    network = setting.generator
    assert network is not None
    assert {name: value.value for name, value in values.items()} == {
        "pictures_per_second_b1_64:cpu": 2,  # half a second a batch
        "pictures_per_second_b4_64:cpu": 8,
        "memory_b4_64:cpu": 62,
        "largest_batch_24GiB_64:cpu": (24 * 2**30 // 10**6 - 100) // 3,
        "parameters": sum(each.numel() for each in network.parameters()) / 1e6,
    }
    assert values["memory_b4_64:cpu"].protocol["curve"] == [[1, 53], [2, 56], [4, 62]]
    assert "by the line" in str(values["largest_batch_24GiB_64:cpu"].protocol["note"])
    assert Efficiency().obstacle(setting) is None
    assert "give a --model" in str(Efficiency().obstacle(replace(setting, origin=None)))


@pytest.mark.parametrize(
    ("free", "total", "note"),
    [
        (25 << 30, 80 << 30, None),
        (23 << 30, 25.4e9, "or more, as only 23 GiB"),  # of 24 GiB, as it tells of itself
        (11 << 30, 12 << 30, "less than 24 GiB"),
    ],
)
def test_a_gpu_that_is_small_or_busy(
    free: int, total: float, note: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(efficiency, "machine_name", str)
    monkeypatch.setattr(efficiency, "total_memory", lambda device: total)
    monkeypatch.setattr(measure, "Probe", Refusing)
    monkeypatch.setattr(measure, "free_memory", lambda device: free)
    gpu = torch.device("cuda")
    plan = Plan(
        *(["a"], "", (1, 4), 1, 0, _limit(gpu), gpu, "fp32", DEFAULT_OPTIONS, lambda: 0.0),
    )
    drawn, largest = measure.memory_of("a", plan, lambda what: None)
    found = _memories(drawn, largest, plan, 512)
    named = [] if plan.limit is None else ["largest_batch_24GiB_512:cuda"]
    assert [value.name for value in found][1:] == named
    if largest is not None:
        assert found[-1].protocol["at_least"] == largest.at_least == (note is not None)
    assert str(note) in str(found[-1].protocol.get("note"))


def report(name: str, **changes: object) -> Report:
    made = Report({"name": name, "data": "toyheads", "seed": len(name), "precision": name})
    protocol: dict[str, Any] = {"machine": "a", "curve": [[1, 53], [4, 62]], **changes}
    told = [Value("memory_b4_64:cpu", 62, None, "MB", "lower", protocol)]
    told.append(Value("largest_batch_24GiB_512:cuda", 40, None, "", "higher", {"machine": "a"}))
    made.add("efficiency", told, 0.0)
    return made


def test_curves_of_two_sides_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: list[str] = []

    def note(title: str, axes: object, lines: list[Any]) -> Any:
        labels.extend(line[0] for line in lines)
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(efficiency, "line_chart", note)
    both = report("one").values
    both.append(both[0] | {"name": "memory_b4_512:cpu"})
    write_memory({"one": both}, tmp_path)
    assert labels == ["one, 64 px", "one, 512 px"]


def test_machines_are_not_mixed_and_published_batches_stand_beside(tmp_path: Path) -> None:
    reports = [report("one"), report("two"), report("elsewhere", machine="b")]
    table = compare(reports, read_published())
    memory = [table.head.index(f"memory_b4_64:cpu{more} MB ↓") for more in ("", "@machine=b")]
    assert [[row.cells[place] for place in memory] for row in table.rows[:3]] == [
        ["62", ""],
        ["62", ""],
        ["", "62"],
    ]
    largest = table.head.index("largest_batch_24GiB_512:cuda ↑")
    published = {row.cells[0]: row.cells[largest] for row in table.rows[3:] if row.cells[largest]}
    assert published == {"EG3D": "14", "student": "96"}
    (path,) = write_memory({made.name: made.values for made in reports}, tmp_path)
    both = np.asarray(Image.open(path))
    write_memory({"elsewhere": reports[2].values}, tmp_path)
    assert both.shape[0] == len(np.asarray(Image.open(path))) + 18  # a row of the legend more
    assert write_memory({"nobody": []}, tmp_path) == []


def test_ablations_of_both_papers_are_published() -> None:
    """2303.12865, tables 3 and 5; 2303.09036, tables 2 and 3."""
    found = {
        table: [row.values for row in read_published() if row.source.startswith(table)]
        for table in ("arXiv 2303.12865, table 3", "arXiv 2303.12865, table 5")
    }
    fids = {
        table: [value["fid50k_full:inception"] for value in values]
        for table, values in found.items()
    }
    assert list(fids.values()) == [[56.77, 30.55, 11.14, 3.17], [10.39, 6.58]]
    mimic = [row for row in read_published() if row.source.startswith("arXiv 2303.09036, table ")]
    assert [row.values for row in mimic if "table 2" in row.source] == [
        *({"fid50k_full_raw256:inception": fid} for fid in (30.6, 29.9)),  # without a 3D branch
        *({"fid50k_full:inception": fid} for fid in (9.29, 22.8)),
    ]
    costs = {
        (row.values["parameters:planes"], row.values["memory:planes"])
        for row in read_published()
        if "parameters:planes" in row.values
    }
    assert costs == {(29.0, 2.3), (111.7, 11.6), (32.6, 2.4)}
