"""Samples, extractors and passes of an evaluation: what makes its numbers reproducible."""

import tracemalloc
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch
from datasets import archive
from inversion_case import Models
from test_training_distributed import fork_all  # of this folder
from torchvision.models import squeezenet1_1

from nerfgan_cli.cameras import angles_from_pose
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.measuring import INCEPTION
from nerfgan_cli.checkpoints.published import Published
from nerfgan_cli.data.opening import open_images
from nerfgan_cli.errors import InputError, UsageError, WeightsError
from nerfgan_cli.evaluation import extractors, features, judges, likeness, rows
from nerfgan_cli.evaluation.comparison import Baseline, compare
from nerfgan_cli.evaluation.extractors import (
    choose_extractors,
    find_omission,
    load_discriminator,
    name_of,
    open_inception,
    open_squeezenet,
)
from nerfgan_cli.evaluation.metric import Networks, Setting, Value
from nerfgan_cli.evaluation.report import Report, describe, open_report, read_report
from nerfgan_cli.evaluation.run import evaluate
from nerfgan_cli.evaluation.samples import (
    cameras_for,
    draw_pictures,
    gather,
    latents,
    own_share,
    render,
)
from nerfgan_cli.evaluation.table import METRICS
from nerfgan_cli.evaluation.tables import Row, Table, as_latex, as_markdown, as_text
from nerfgan_cli.generators.drawing import heeds_conditioning, latent
from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.kid import kid_with_error
from nerfgan_cli.training.distributed import LostError, World

CPU = torch.device("cpu")
MEASURED = ("fid", "kid", "fid3d", "psnr", "ssim", "lpips", "perceptual")


@pytest.fixture(scope="module")
def setting(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Setting:
    folder = tmp_path_factory.mktemp("evaluation")
    squeezenet = folder / "squeezenet.pth"  # of random weights
    torch.save(squeezenet1_1(weights=None).state_dict(), squeezenet)
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
        networks=Networks(
            discriminator=str(models.critic), lpips="squeeze", lpips_weights=squeezenet
        ),
    )


def test_a_sample_depends_on_seed_and_index_only(setting: Setting) -> None:
    generator = setting.generator
    assert generator is not None
    everyone = np.arange(5)
    cameras = cameras_for(setting, everyone)
    assert torch.equal(cameras_for(setting, everyone[3:4]).label, cameras.label[3:4])
    spread = cameras_for(replace(setting, data=None), np.arange(500))
    yaw, pitch, _ = angles_from_pose(spread.cam2world)
    assert 0.5 < yaw.abs().max() < 0.6  # 0.3, cut off at two deviations
    assert 0.25 < (pitch - pitch.mean()).abs().max() < 0.33
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
    own = replace(setting, batch=4)
    drawn = list(draw_pictures(own, np.arange(6)))
    assert [tuple(some.pictures.shape) for some in drawn] == [(4, 64, 64, 3), (2, 64, 64, 3)]
    assert all(bool(some.finite) for some in drawn)
    generator = setting.generator
    assert generator is not None
    alone = render(generator, 0, np.array([5]), cameras_for(setting, np.array([5]))).image
    last = torch.from_numpy(to_pixels(alone))[0]
    torch.testing.assert_close(drawn[1].pictures[1], last, atol=1, rtol=0)


def test_noise_is_drawn_for_each_sample(setting: Setting) -> None:
    teacher = deepcopy(setting.teacher)
    assert teacher is not None
    strengths = [p for name, p in teacher.named_parameters() if name.endswith("noise_strength")]
    for strength in strengths:
        strength.data.fill_(0.5)
    own = replace(setting, generator=teacher, teacher=None)
    everyone = torch.cat([some.pictures for some in draw_pictures(own, np.arange(3))]).int()
    (alone,) = draw_pictures(own, np.array([2]))
    assert torch.equal(alone.pictures[0], everyone[2])
    constant = to_pixels(render(teacher, 0, np.array([2]), cameras_for(own, np.array([2]))).image)
    assert (everyone[2] - torch.from_numpy(constant)[0]).abs().float().mean() > 1
    (other,) = draw_pictures(replace(own, seed=1), np.array([2]))
    assert not torch.equal(other.pictures, alone.pictures)
    assert METRICS["fid"].measure(own)[0].protocol["noise"] == "random"
    assert METRICS["fid"].measure(setting)[0].protocol["noise"] == "none"


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


class Made:
    """A metric that is whatever it is made of."""

    def __init__(self, name: str, measure: Callable[[Setting], list[Value]]) -> None:
        self.name, self.measure = name, measure

    def obstacle(self, setting: Setting) -> str | None:
        return None


def test_what_fails_in_one_process_fails_in_all_and_keeps_nothing_else(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PART", 2)
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def fetch(*_: object) -> Path:
        raise WeightsError("it cannot be fetched: get it by hand.")

    def partly(setting: Setting) -> list[Value]:
        def make(work: list[rows.Work]) -> Iterator[dict[str, rows.Rows]]:
            for some in work:
                if 3 in some.indices:  # the second process's part
                    raise InputError("picture 3 is broken: mend it.")
                yield {"numbers": some.indices[:, None].astype(np.float32)}

        rows.fill(setting.world, {"numbers": setting.cache / "partly"}, 5, make, lambda done: None)
        return []

    def together(setting: Setting) -> list[Value]:
        ranks = setting.world.gather(setting.world.rank)
        return [Value("ranks", sum(ranks), None, "", "lower", {})]

    monkeypatch.setattr(extractors, "find_or_fetch", fetch)
    metrics = [METRICS["fid"], Made("partly", partly), Made("together", together)]

    def work(world: World) -> None:
        networks = Networks(extractors=("inception",))
        own = replace(setting, world=world, cache=tmp_path, networks=networks)
        report = Report(describe(own, {}))
        failures = evaluate(own, metrics, report, tmp_path, lambda sentence: None)
        assert [type(error) for error in failures.values()] == [WeightsError, InputError]
        assert report.skipped == [
            {"metric": "fid", "reason": "it cannot be fetched: get it by hand"},
            {"metric": "partly", "reason": "picture 3 is broken: mend it"},
        ]
        assert [value["value"] for value in report.values] == [world.size * (world.size - 1) / 2]

    assert fork_all(1, work) == [0]
    assert fork_all(2, work) == [0, 0]

    def gone(setting: Setting) -> list[Value]:
        raise LostError("another process has ended: start again.")

    report = Report(describe(setting, {}))
    with pytest.raises(LostError):
        evaluate(setting, [Made("gone", gone)], report, tmp_path, lambda sentence: None)


def test_processes_share_the_parts_that_are_lacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those that an interrupted run left to one of them."""
    monkeypatch.setattr(rows, "PART", 2)
    folders, parts = {"numbers": tmp_path / "numbers"}, [[2, 3], [6, 7]]

    def fill(world: World) -> list[list[int]]:
        made = []

        def make(work: list[rows.Work]) -> Iterator[dict[str, rows.Rows]]:
            for some in work:
                made.append(some.indices.tolist())
                yield {"numbers": some.indices[:, None].astype(np.float32)}

        table = rows.fill(world, folders, 8, make, lambda done: None)["numbers"]
        assert table.all()[:, 0].tolist() == list(range(8))
        return made

    fill(World(CPU))
    for path in sorted(folders["numbers"].iterdir())[1::2]:  # of whoever has odd parts
        path.unlink()

    def work(world: World) -> None:
        assert fill(world) == [parts[world.rank]]

    assert fork_all(2, work) == [0, 0]


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


def test_more_pictures_take_no_more_memory(tmp_path: Path) -> None:
    peaks = []
    for count in (10 * rows.PART, 40 * rows.PART):

        def make(work: list[rows.Work]) -> Iterator[dict[str, rows.Rows]]:
            for some in work:
                random = np.random.default_rng(some.indices[0])
                yield {"rows": random.standard_normal((len(some.indices), 64), np.float32)}

        tracemalloc.start()
        folders = {"rows": tmp_path / str(count)}
        table = rows.fill(World(CPU), folders, count, make, lambda done: None)["rows"]
        features._moments(World(CPU), table).statistics()
        kid_with_error(table.__getitem__, count, table.__getitem__, count, subsets=2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


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
    with_file = replace(setting, networks=Networks(inception=tmp_path))
    assert choose_extractors(with_file) == ["inception"]
    nobodys = replace(setting, networks=Networks())
    assert choose_extractors(nobodys) == ["inception"]


def test_perceptual_is_the_distance_of_training(setting: Setting, models: Models) -> None:
    """On pictures as they are saved, of the same latents and cameras."""
    (value,) = METRICS["perceptual"].measure(setting)
    assert (value.name, value.better) == ("perceptual6:discriminator", "lower")
    indices = np.arange(6)
    cameras = cameras_for(setting, indices)
    saved = []
    for generator in (setting.generator, setting.teacher):
        assert generator is not None
        pixels = torch.from_numpy(to_pixels(render(generator, 0, indices, cameras).image))
        saved.append(pixels.permute(0, 3, 1, 2) / 127.5 - 1)
    network = load_discriminator(models.critic, CPU)
    with torch.inference_mode():
        expected = DiscriminatorDistance(network)(*saved).mean().item()
    assert value.value == pytest.approx(expected, rel=1e-3)
    assert value.value > 0.01
    unknown = replace(setting, networks=Networks())
    assert "--discriminator" in str(METRICS["perceptual"].obstacle(unknown))


def test_lpips_is_fetched_only_where_it_is_named(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NERFGAN_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    file, fetched = setting.networks.lpips_weights, []
    assert file is not None

    def fetch(published: Published, alternative: str) -> Path:
        fetched.append(published.name)
        return file

    with monkeypatch.context() as patched:
        patched.setattr(likeness, "open_judge", lambda *_: pytest.fail("nobody asked for it"))
        METRICS["psnr"].measure(replace(setting, named=frozenset({"psnr", "ssim"})))
    monkeypatch.setattr(judges, "find_or_fetch", fetch)
    bare = replace(setting, networks=replace(setting.networks, lpips=None, lpips_weights=None))
    lpips, psnr = METRICS["lpips"], METRICS["psnr"]
    assert "nerfgan weights get alex" in str(lpips.obstacle(bare))
    psnr.measure(replace(bare, named=frozenset({"psnr"})))
    assert fetched == []
    assert lpips.obstacle(replace(bare, named=frozenset({"lpips"}))) is None
    chosen = replace(bare, networks=replace(bare.networks, lpips="squeeze"))
    assert lpips.obstacle(chosen) is None
    (value,) = lpips.measure(chosen)
    assert set(fetched) == {"squeezenet1_1-b8a52dc0.pth"}
    assert value.name == METRICS["lpips"].measure(setting)[0].name  # of the same weights


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
    found = extractor(torch.from_numpy(pictures))
    theirs = FeatureExtractorInceptionV3("inception", ["2048"], str(file))
    (expected,) = theirs(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    assert found.shape == (2, 2048)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
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
    odd = as_latex(Table(["a"], [Row(["{x}^2 ~ $5 < 6\\n ↓"])]))
    assert (
        "\\{x\\}\\textasciicircum{}2 \\textasciitilde{} \\$5 $<$ 6\\textbackslash{}n $\\downarrow$"
        in odd
    )
    lines = as_markdown(table).splitlines()
    assert [line.split("|")[1:3] for line in lines][3:] == [[" *c*   ", " " * 18]]
    assert len({len(line) for line in lines}) == 1


def test_a_column_is_one_protocol() -> None:
    def report(name: str, label: str, number: float, **protocol: object) -> Report:
        value = Value(name, number, None, "dB", "higher", protocol)
        facts = {key: protocol.pop(key) for key in ("seed", "precision") if key in protocol}
        made = Report({"name": f"{number:g}", "data": label, **facts})
        made.add("psnr", [value], 0.0)
        return made

    fid = "fid5_full:discriminator"
    reports = [
        report("psnr5", "a", 1, teacher="aaaaaaaa", resolution=64),
        report("psnr5", "a", 2, teacher="bbbbbbbb", resolution=64),
        report("psnr5", "a", 3, teacher="aaaaaaaa", resolution=512),
        report("pose5:x", "a", 4, corrected_by="aaaaaaaa", teacher=0.1, estimator_sha256="d" * 64),
        report("pose5:x", "a", 5, corrected_by="aaaaaaaa", teacher=0.2),
        report("pose5:x", "a", 6, corrected_by="bbbbbbbb", teacher=0.2),
        report("pose5:x", "a", 7, corrected_by="aaaaaaaa", estimator_sha256="c" * 64),
        report(fid, "a", 8, data="a", data_fingerprint="one"),
        report(fid, "b", 9, data="b", data_fingerprint="two"),  # the row's label tells it
        report(fid, "a", 10, data="a", data_fingerprint="three"),
        report("psnr5", "a", 12, teacher="aaaaaaaa", resolution=64, precision="fp16"),
        report("psnr5", "a", 13, seed=0, precision="fp32"),
        report("psnr5", "a", 14, seed=1, precision="fp16"),
        report(fid, "a", 15, cameras="of a"),
        report(fid, "b", 16, cameras="of b"),
        report(fid, "a", 17, cameras="Gaussian"),
        report("pose5:x", "a", 18, estimator_description="side=1.5"),
        report("pose5:x", "a", 19, estimator_description="side=2"),
        report("psnr_mv_fast3", "a", 20, side=64, field={"steps": 300}),
        report("psnr_mv_fast3", "a", 21, side=32, field={"steps": 300}),
        report("psnr_mv_fast3", "a", 22, side=64, field={"steps": 600}),
    ]
    before = deepcopy([made.to_json() for made in reports])
    table = compare(reports, [Baseline("paper", "a", "there", {"psnr5": 11})])
    columns = {
        column.split(" ")[0]: [row.cells[place] for row in table.rows if row.cells[place]]
        for place, column in enumerate(table.head)
    }
    for label in ("model", "data", "source"):
        columns.pop(label)
    assert columns == {
        "psnr5": ["1", "12", "11"],
        "psnr5@precision=fp32": ["13"],
        "psnr5@seed=1": ["14"],
        "psnr5@teacher=bbbbbbbb": ["2"],
        "psnr5@resolution=512": ["3"],
        "pose5:x": ["4", "5", "18"],
        "pose5:x@described=f031bb51": ["19"],
        "pose5:x@corrected_by=bbbbbbbb": ["6"],
        "pose5:x@cccccccc": ["7"],
        fid: ["8", "9", "15", "16"],
        f"{fid}@cameras=Gaussian": ["17"],
        f"{fid}@data=three": ["10"],
        "psnr_mv_fast3": ["20"],
        "psnr_mv_fast3@side=32": ["21"],
        f"psnr_mv_fast3@described={crc32(str({'steps': 600}).encode()):08x}": ["22"],
    }
    assert [made.to_json() for made in reports] == before
    head = compare([], [Baseline("paper", "a", "there", {"psnr1k": 1, "fid50k": 2, "odd": 3})])
    assert head.head[3:] == ["psnr1k dB ↑", "fid50k ↓", "odd"]


def test_what_is_still_missing_of_several_metrics_stays_told(tmp_path: Path) -> None:
    facts = {"name": "one", "seed": 0}
    first = open_report(facts, tmp_path)
    first.add("psnr", [Value("psnr", 1.0, None, "", "lower", {})], seconds=1.0)
    first.skip("fid:inception, kid:inception", "Inception is missing")
    first.skip("pose", "no network")
    first.write(tmp_path)
    second = open_report(facts, tmp_path)
    second.add("fid", [Value("fid2k:inception", 1.0, None, "", "lower", {})], seconds=1.0)
    second.skip("pose", "no network, still")
    second.write(tmp_path)
    assert read_report(tmp_path).skipped == [
        {"metric": "kid:inception", "reason": "Inception is missing"},
        {"metric": "pose", "reason": "no network, still"},
    ]


def test_two_evaluations_at_once_keep_the_numbers_of_both(tmp_path: Path) -> None:
    """Each opened the folder before the other wrote."""
    facts = {"name": "one", "seed": 0}
    both = open_report(facts, tmp_path), open_report(facts, tmp_path)
    for name in ("fid", "psnr", "kid", "ssim"):
        report = both[name in ("psnr", "ssim")]
        report.add(name, [Value(name, 1.0, None, "", "lower", {})], seconds=2.0)
        report.skip(f"lpips beside {name}", "it is missing")
        report.write(tmp_path)
    written = read_report(tmp_path)
    assert sorted(value["name"] for value in written.values) == ["fid", "kid", "psnr", "ssim"]
    assert len(written.skipped) == 4
    assert written.seconds == 8
    other = open_report({"name": "other", "seed": 1}, tmp_path / "elsewhere")
    other.add("fid", [Value("fid", 1.0, None, "", "lower", {})], seconds=1.0)
    with pytest.raises(InputError, match="another seed"):
        other.write(tmp_path)
