"""Samples, extractors and passes of an evaluation: what makes its numbers reproducible."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import archive
from inversion_case import Models
from test_training_distributed import fork_all  # of this folder

from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.measuring import INCEPTION
from nerfgan_cli.data.opening import open_images
from nerfgan_cli.errors import InputError, UsageError, WeightsError
from nerfgan_cli.evaluation import rows
from nerfgan_cli.evaluation.comparison import Published, compare
from nerfgan_cli.evaluation.extractors import (
    choose_extractors,
    find_omission,
    name_of,
    open_inception,
    open_squeezenet,
)
from nerfgan_cli.evaluation.metric import Networks, Setting, Value
from nerfgan_cli.evaluation.report import Report, describe
from nerfgan_cli.evaluation.run import evaluate
from nerfgan_cli.evaluation.samples import (
    cameras_for,
    draw_samples,
    gather,
    heeds_conditioning,
    latents,
    own_share,
    render,
)
from nerfgan_cli.evaluation.table import METRICS
from nerfgan_cli.evaluation.tables import Row, Table, as_latex, as_markdown, as_text
from nerfgan_cli.generators.drawing import latent
from nerfgan_cli.training.distributed import World

CPU = torch.device("cpu")
MEASURED = ("fid", "kid", "fid3d", "psnr", "ssim")


@pytest.fixture(scope="module")
def setting(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Setting:
    folder = tmp_path_factory.mktemp("evaluation")
    return Setting(
        name="student",
        generator=load_model(models.student),
        images=None,
        teacher=load_model(models.teacher),
        data=open_images(archive(folder / "real.zip", count=7, side=64)),
        number=6,
        seed=0,
        batch=2,
        world=World(CPU),
        cache=folder / "cache",
        progress=lambda what, done, of: None,
        networks=Networks(discriminator=str(models.critic)),
    )


def test_a_sample_depends_on_seed_and_index_only(setting: Setting) -> None:
    generator = setting.generator
    assert generator is not None
    everyone = np.arange(5)
    cameras = cameras_for(setting, everyone)
    assert torch.equal(cameras_for(setting, everyone[3:4]).label, cameras.label[3:4])
    assert len(cameras_for(replace(setting, data=None), everyone)) == 5
    assert torch.equal(latents(generator, 0, everyone)[4:], latent(4, generator.z_dim).float())
    others = latents(generator, 1, everyone), cameras_for(replace(setting, seed=1), everyone).label
    assert not torch.isclose(others[0], latents(generator, 0, everyone)).any()
    assert not torch.equal(others[1], cameras.label)
    together = render(generator, 0, everyone, cameras).image
    alone = render(generator, 0, everyone[2:3], cameras[2:3]).image
    torch.testing.assert_close(alone, together[2:3], atol=1e-5, rtol=0)
    frontal = render(generator, 0, everyone, cameras, frontal=True).image
    assert heeds_conditioning(generator)
    assert not torch.allclose(frontal, together, atol=1e-3)
    with pytest.raises(UsageError, match="out of range"):
        latents(generator, 4096, everyone)
    with pytest.raises(UsageError, match="too many"):
        latents(generator, 0, np.array([1 << 20]))


def test_samples_come_in_order_and_in_batches(setting: Setting) -> None:
    drawn = list(draw_samples(replace(setting, batch=4), 6))
    assert [sample.indices.tolist() for sample in drawn] == [[0, 1, 2, 3], [4, 5]]
    assert drawn[1].pictures.shape == (2, 64, 64, 3)
    assert drawn[1].pictures.dtype == np.uint8


def test_two_processes_measure_what_one_does(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PART", 2)  # each process has some

    def work(world: World) -> None:
        torch.set_num_threads(1)
        own = replace(setting, world=world, cache=tmp_path / f"of {world.size}")
        found = {
            value.name: value.value for name in MEASURED for value in METRICS[name].measure(own)
        }
        share = own_share(world, 5)
        found["gathered"] = gather(world, share, share * 10).tolist()
        torch.save(found, tmp_path / f"{world.rank} of {world.size}.pt")

    assert fork_all(1, work) == [0]
    assert fork_all(2, work) == [0, 0]
    one, first, second = (
        torch.load(tmp_path / name) for name in ("0 of 1.pt", "0 of 2.pt", "1 of 2.pt")
    )
    assert first == second
    assert len(one) == len(MEASURED) + 2
    assert one.pop("gathered") == first.pop("gathered") == [0, 10, 20, 30, 40]
    assert first == {name: pytest.approx(value, rel=1e-6) for name, value in one.items()}


def test_of_several_processes_an_error_ends_all(setting: Setting, tmp_path: Path) -> None:
    """Nobody knows whether the others met it too: they may be waiting."""

    class Broken:
        name = "broken"

        def obstacle(self, setting: Setting) -> str | None:
            return None

        def measure(self, setting: Setting) -> list[Value]:
            raise InputError("it cannot be: take another.")

    report = Report(describe(setting, {}))
    assert [str(e) for e in evaluate(setting, [Broken()], report, tmp_path)] == [
        "it cannot be: take another."
    ]
    assert report.skipped == [{"metric": "broken", "reason": "it cannot be: take another"}]
    with pytest.raises(InputError, match="take another"):
        evaluate(replace(setting, world=World(CPU, rank=1, size=2)), [Broken()], report, tmp_path)


def test_rows_of_any_order(setting: Setting, tmp_path: Path) -> None:
    count = rows.PART + 5
    numbers = np.arange(count, dtype=np.float32)[:, None] * [1, 10]
    asked: list[int] = []

    def make(work: list[rows.Work]) -> object:
        for some in work:
            asked.extend(some.indices.tolist())
            yield {"numbers": numbers[some.indices]}

    folders = {"numbers": tmp_path / "numbers"}
    done: list[int] = []
    table = rows.fill(World(CPU), folders, count, make, done.append)["numbers"]
    assert asked == list(range(count))
    assert done == [0, rows.PART, count]
    some = np.array([count - 1, 0, 7, rows.PART])
    np.testing.assert_array_equal(table[some], numbers[some])
    np.testing.assert_array_equal(table.all(), numbers)
    longer = rows.fill(World(CPU), folders, rows.PART, make, done.append)["numbers"]
    assert len(longer.all()) == rows.PART
    assert len(asked) == count  # the first part served again


def test_a_cpu_has_time_for_one_extractor(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NERFGAN_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert choose_extractors(setting) == ["discriminator"]
    assert "nerfgan weights get inception" in str(find_omission(setting))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / INCEPTION.name).touch()
    assert choose_extractors(setting) == ["discriminator"]
    assert "--extractor inception" in str(find_omission(setting))
    on_gpu = replace(setting, world=World(torch.device("cuda")))
    assert choose_extractors(on_gpu) == ["discriminator", "inception"]
    asked = replace(setting, networks=replace(setting.networks, extractors=("squeezenet",)))
    assert choose_extractors(asked) == ["squeezenet"]
    assert find_omission(on_gpu) is find_omission(asked) is None
    nobodys = replace(setting, networks=Networks())
    assert choose_extractors(nobodys) == ["inception"]


def random_inception(path: Path) -> Path:
    """Weights of the right shapes."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unloaded(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: object) -> None: ...

    torch.save({}, path)
    torch.manual_seed(0)
    torch.save(Unloaded("inception", ["2048"], str(path)).state_dict(), path)
    return path


def test_inception_is_torch_fidelitys(tmp_path: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    file = random_inception(tmp_path / "inception.pth")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)
    extractor = open_inception(file, CPU)
    assert extractor.name == f"inception@{extractor.checksum[:8]}"  # these are not those published
    assert name_of("inception", INCEPTION.sha256, INCEPTION) == "inception"
    found = extractor(pictures)
    theirs = FeatureExtractorInceptionV3("inception", ["2048"], str(file))
    (expected,) = theirs(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    assert found.shape == (2, 2048)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-6)
    with pytest.raises(WeightsError, match="is no SqueezeNet"):
        open_squeezenet(file, CPU)


@pytest.mark.parametrize("open_network", [open_inception, open_squeezenet])
def test_weights_that_would_run_code_are_refused(
    open_network: Callable[[Path, torch.device], object], tmp_path: Path
) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "harm",))

    torch.save({"features.0.weight": Attack()}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match="reads safely"):
        open_network(tmp_path / "weights.pth", CPU)
    assert not (tmp_path / "harm").exists()


def test_wide_tables_go_on_below() -> None:
    head = ["model", *(f"metric number {index:02d}" for index in range(9))]
    ours = Row(["a_b", *map(str, range(9))])
    theirs = Row(["c", *[""] * 8, "50% ± 1"], published=True)
    table = Table(head, [ours, theirs])
    text = as_text(table, colour=True)
    assert max(map(len, text.splitlines())) <= 110 + len("\x1b[90m\x1b[0m")
    assert text.count("a_b") == 2
    assert text.count("\x1b[90m") == 1  # where it has no number it has no line
    assert "\\textcolor{gray}{50\\% $\\pm$ 1}" in as_latex(table)
    assert "| *c* |  |" in as_markdown(table)


def test_a_column_is_one_protocol() -> None:
    def report(name: str, label: str, number: float, **protocol: object) -> Report:
        value = Value(name, number, None, "dB", "higher", protocol)
        made = Report({"name": f"{number:g}", "data": label})
        made.add("psnr", [value], 0.0)
        return made

    fid = "fid5_full:discriminator"
    reports = [
        report("psnr5", "a", 1, teacher="aaaaaaaa", resolution=64),
        report("psnr5", "a", 2, teacher="bbbbbbbb", resolution=64),
        report("psnr5", "a", 3, teacher="aaaaaaaa", resolution=512),
        report("pose5:x", "a", 4, corrected_by="aaaaaaaa", teacher=0.1),
        report("pose5:x", "a", 5, corrected_by="aaaaaaaa", teacher=0.2),
        report("pose5:x", "a", 6, corrected_by="bbbbbbbb", teacher=0.2),
        report("pose5:x", "a", 7, corrected_by="aaaaaaaa", estimator_sha256="c" * 64),
        report(fid, "a", 8, data="a", data_fingerprint="one"),
        report(fid, "b", 9, data="b", data_fingerprint="two"),  # the row's label tells it
        report(fid, "a", 10, data="a", data_fingerprint="three"),
    ]
    before = deepcopy([made.to_json() for made in reports])
    table = compare(reports, [Published("paper", "a", "there", {"psnr5": 11})])
    columns = {
        column.split(" ")[0]: [row.cells[place] for row in table.rows if row.cells[place]]
        for place, column in enumerate(table.head)
    }
    for label in ("model", "data", "source"):
        columns.pop(label)
    assert columns == {
        "psnr5": ["1", "11"],
        "psnr5@teacher=bbbbbbbb": ["2"],
        "psnr5@resolution=512": ["3"],
        "pose5:x": ["4", "5"],
        "pose5:x@corrected_by=bbbbbbbb": ["6"],
        "pose5:x@cccccccc": ["7"],
        fid: ["8", "9"],
        f"{fid}@data=three": ["10"],
    }
    assert [made.to_json() for made in reports] == before
