"""What `nerfgan bench` tells is what it says: closed forms, fake clocks, fake memories."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from math import isqrt
from pathlib import Path

import pytest
import torch
from distill_case import TEACHER

from nerfgan_cli.bench import measure as measuring
from nerfgan_cli.bench import memory as telling
from nerfgan_cli.bench import probe as probing
from nerfgan_cli.bench.fits import fit_power, fit_straight
from nerfgan_cli.bench.growth import at_sides, measure_growth
from nerfgan_cli.bench.largest import Largest, largest_batch, largest_that
from nerfgan_cli.bench.measure import Measured, Plan
from nerfgan_cli.bench.memory import PUBLISHED_LIMIT, Memory, size_text
from nerfgan_cli.bench.networks import label, picture_work, works
from nerfgan_cli.bench.parts import PARTS, Counted, count_parts, time_parts, weightless
from nerfgan_cli.bench.probe import CONTEXT, Case, Probe, Taken
from nerfgan_cli.bench.report import as_data, as_text, figure
from nerfgan_cli.bench.turns import spread, take_turns
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.errors import NerfganError
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.generators.mimic3d_config import AXES, Mimic3DConfig
from nerfgan_cli.generators.precision import exact, tf32_is_on
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import PredictorConfig, student_config
from nerfgan_cli.metrics.cost import cost

CASE = Case("nobody", "nobody", "fp32", "cpu", 1)


def test_turns_are_taken_and_the_first_only_warm_up() -> None:
    """On a clock that the calls themselves move: the first two are slow."""
    now, calls = [0.0], []

    def work(name: str, seconds: float) -> None:
        calls.append(name)
        now[0] += 100 * seconds if calls.count(name) <= 2 else seconds

    ways = {"a": lambda: work("a", 1.0), "b": lambda: work("b", 3.0)}
    found = take_turns(ways, 3, lambda: now[0], warm_up=2)
    assert "".join(calls) == "ab" * 5
    assert found == {"a": [1.0] * 3, "b": [3.0] * 3}
    assert spread([4.0, 1.0, 2.0, 3.0, 5.0]) == (3.0, 2.0, 4.0)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process's peak memory")
def test_peak_memory_is_what_a_call_adds() -> None:
    memory = Memory(torch.device("cpu"))
    kept = torch.ones(20_000_000)
    added = memory.added(lambda: torch.ones(10_000_000).sum())
    assert 38e6 < added < 50e6
    assert kept.sum() > 0
    assert memory.added(lambda: None) < 5e6


def test_the_driver_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "DRIVER", tmp_path / "version")
    assert telling.driver_version() is None
    text = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 23 2025\nGCC 12"
    (tmp_path / "version").write_text(text)
    assert telling.driver_version() == "570.86.15"


@pytest.mark.parametrize("size", [0, 1, 14, 96, 4095, 4096, 9999])
def test_the_largest_batch_is_found(size: int) -> None:
    asked: list[int] = []

    def fits(batch: int) -> bool:
        asked.append(batch)
        return batch <= size

    assert largest_that(fits, 4096) == min(size, 4096)
    assert len(asked) < 30


def bytes_of(batch: int) -> int:
    """A memory model with a bend."""
    return 100 + 7 * batch + 40 * isqrt(batch)


@pytest.mark.parametrize("limit", [50, 146, 147, 400, 777, 5000])
@pytest.mark.parametrize("known", [{}, {1: 147, 2: 154, 4: 208, 8: 236}])
def test_bisection_equals_brute_force(limit: int, known: dict[int, int]) -> None:
    sizes = range(1, 1000)
    largest = max((batch for batch in sizes if bytes_of(batch) <= limit), default=0)
    found = largest_batch(bytes_of, dict(known), limit, lambda batch: True)
    assert found == Largest(largest, measured=True)


def test_a_machine_that_refuses_ends_the_search() -> None:
    """Short of the limit, or there, where the limit is what refuses."""

    def measure(batch: int) -> int | None:
        return bytes_of(batch) if batch <= 37 else None

    found = largest_batch(measure, {}, 10**9, lambda batch: True)
    assert found == Largest(37, measured=True, at_least=True)
    assert str(found.caveat) == "as this machine had no memory for more"
    limited = largest_batch(measure, {}, 10**9, lambda batch: True, enforced=True)
    assert limited == Largest(37, measured=True)
    assert limited.caveat is None
    assert largest_batch(measure, {}, bytes_of(20), lambda batch: True) == Largest(20, True)


def test_what_is_not_affordable_is_extrapolated_and_said() -> None:
    drawn: list[int] = []

    def measure(batch: int) -> int:
        drawn.append(batch)
        return 1000 + 13 * batch

    known: dict[int, int] = {}
    found = largest_batch(measure, known, 1000 + 13 * 5000 + 6, lambda batch: batch <= 8)
    assert found == Largest(5000, measured=False)
    assert drawn == [1, 2, 4, 8]
    assert known == {batch: 1000 + 13 * batch for batch in drawn}


def test_growth_is_fitted() -> None:
    line = fit_straight([1, 2, 4, 8], [5.0, 7.0, 11.0, 19.0])
    assert (line.once, line.each, line.off) == pytest.approx((3.0, 2.0, 0.0), abs=1e-9)
    assert line.at(100) == pytest.approx(203)
    power = fit_power([16, 32, 64], [3 * side**1.5 for side in (16, 32, 64)])
    assert (power.factor, power.power, power.off) == pytest.approx((3, 1.5, 0), abs=1e-9)
    assert fit_straight([1, 2, 3], [1.0, 3.0, 3.0]).off == pytest.approx(1 / 3)


@pytest.fixture(scope="module")
def teacher() -> EG3D:
    torch.manual_seed(0)
    return EG3D(replace(TEACHER, raw_resolution=32)).eval()


@pytest.fixture(scope="module")
def student(teacher: EG3D) -> Student:
    small = PredictorConfig("stylegan2", channel_base=128, channel_max=8)
    return Student(replace(student_config("light", teacher), predictor=small)).eval()


def test_parts_add_up_and_are_those_of_the_layers(teacher: EG3D) -> None:
    """A fully connected layer multiplies each of its weights once."""
    assert label("teacher", teacher, DrawOptions(branch="3d")) == "teacher"
    counted = count_parts(teacher)
    mapping = teacher.latent_space()
    weights = [p.numel() for name, p in mapping.named_parameters() if name.endswith("weight")]
    assert counted.multiply_adds["mapping"] == sum(weights)
    camera = PRESETS[teacher.camera_preset].frontal().to("meta")
    ws = torch.zeros(1, teacher.num_ws, teacher.w_dim, device="meta")
    whole = cost(lambda: weightless(teacher).synthesis(ws, camera)).flops // 2
    assert counted.total - counted.multiply_adds["mapping"] == whole
    assert counted.parameters == sum(p.numel() for p in teacher.parameters())
    buffers = sum(buffer.nbytes for buffer in teacher.buffers())
    assert counted.weight_bytes == 4 * counted.parameters + buffers
    assert min(counted.multiply_adds.values()) > 0


def test_a_student_prepares_nothing_and_parts_take_turns(student: Student) -> None:
    assert count_parts(student).multiply_adds["backbone"] == 0
    ticks = iter(x * x for x in range(1000))  # after a turn to warm up, call n takes 4·n + 9
    with torch.inference_mode():
        seconds = time_parts(student, DEFAULT_OPTIONS, 2, lambda: float(next(ticks)), 1)
    assert list(seconds) == list(PARTS)
    assert seconds["mapping"].median == (9 + 25) / 2
    assert seconds["super-resolution"].median == (21 + 37) / 2


def test_rendering_grows_with_its_rays(teacher: EG3D, student: Student) -> None:
    """Exactly as their number; a student is built anew for each size."""
    now = iter(range(1000))
    with torch.inference_mode():
        rays, convolutions = (
            measure_growth(at_sides(each, DEFAULT_OPTIONS, "fp32"), 1, lambda: float(next(now)), 0)
            for each in (teacher, student)
        )
        one_size = measure_growth(
            at_sides(teacher, DEFAULT_OPTIONS, "fp32")[-1:], 1, lambda: 0.0, 0
        )
    assert rays is not None
    assert convolutions is not None
    assert rays.sides == convolutions.sides == [16, 32]
    assert rays.arithmetic.power == pytest.approx(2, abs=1e-6)
    assert rays.activations[1] > rays.activations[0]
    assert rays.seconds == [1.0, 1.0]
    assert rays.time.power == pytest.approx(0, abs=1e-6)
    assert 1 < convolutions.arithmetic.power < 2.1
    assert one_size is None


def test_a_branch_is_measured_by_itself() -> None:
    """Mimic3D's 3D branch renders every pixel of the picture, and enlarges nothing."""
    volume = replace(TEACHER.volume, plane_axes=AXES)
    sizes = {key: getattr(TEACHER, key) for key in ("z_dim", "w_dim", "img_resolution")}
    planes = {"plane_resolution": 16, "channel_base": 128, "channel_max": 8}
    config = Mimic3DConfig(
        **sizes, **planes, raw_resolution=32, superresolution="Light64", volume=volume
    )
    mimic = Mimic3D(config).eval()
    names = [label("a/mimic.safetensors", mimic, DrawOptions(branch=x)) for x in (None, "2d", "3d")]
    assert names == ["mimic 2d", "mimic 2d", "mimic 3d"]
    enlarged, strict = (count_parts(mimic, DrawOptions(branch=name)) for name in mimic.branches)
    assert enlarged.multiply_adds["super-resolution"] > 0
    assert strict.multiply_adds["super-resolution"] == 0
    assert strict.multiply_adds["backbone"] > enlarged.multiply_adds["backbone"]
    assert [sized.side for sized in at_sides(mimic, DrawOptions(branch="3d"), "fp32")] == [
        16,
        32,
        64,
    ]


class Pretended(Probe):
    """A probe whose process is a line of shell."""

    script = ""

    def _start(self) -> None:
        self.process = subprocess.Popen(
            ["sh", "-c", self.script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )


@pytest.mark.skipif(sys.platform == "win32", reason="it needs a shell")
def test_a_process_that_the_system_ends_had_not_enough_memory() -> None:
    class Killed(Pretended):
        script = "read batch; kill -9 $$"

    class Failed(Pretended):
        script = "read batch; exit 3"

    class Refused(Pretended):
        script = f"read batch; echo null; read batch; echo '{json.dumps(Taken(5, 6, 0.5))}'; read x"

    with Killed(CASE) as probe:
        assert probe.measure(4) is None
        assert probe.measure(2) is None  # by a new process
    with Failed(CASE) as probe, pytest.raises(NerfganError, match="smaller --batches"):
        probe.measure(4)
    with Refused(CASE) as probe:
        assert probe.measure(4) is None
        assert probe.measure(2) == Taken(5, 6, 0.5)
    assert probe.process.poll() is not None


class Reserving:
    """Instead of a process on a GPU: a billion bytes for each picture."""

    def __init__(self, case: Case) -> None:
        assert case.limit in (PUBLISHED_LIMIT - CONTEXT, 16 * 10**9 - CONTEXT)

    def __enter__(self) -> "Reserving":
        return self

    def __exit__(self, *_: object) -> None: ...

    def measure(self, batch: int) -> Taken:
        return Taken(batch * 9 * 10**8, batch * 10**9, 0.01)


@pytest.mark.parametrize("limit", [PUBLISHED_LIMIT, 16 * 10**9])
def test_reserved_is_as_measured_and_the_limit_leaves_room_for_cuda(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "Probe", Reserving)
    monkeypatch.setattr(measuring, "free_memory", lambda device: 80 * 10**9)
    gpu = torch.device("cuda")
    plan = Plan(["light"], "", [1, 4], 1, 0, limit, gpu, "fp32", DEFAULT_OPTIONS, lambda: 0.0)
    memory, largest = measuring.memory_of("light", plan, lambda what: None)
    assert plan.room == limit - CONTEXT
    assert largest == Largest((limit - CONTEXT) // 10**9, measured=True, free=80 * 10**9)
    nothing = dict.fromkeys(PARTS, spread([1.0]))
    counted = Counted(dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0), 0, 0)
    found = Measured("light", "light", 64, 16, [], nothing, counted, None, memory, largest)
    data = as_data([found], plan)[0]
    assert data["memory"]["4"] == {"allocated": 36 * 10**8, "reserved": 4 * 10**9}
    text = as_text([found], plan)
    assert f"within {size_text(limit)}, of which" in text
    assert "512 MiB are left to CUDA itself (assumed)" in text
    assert ("RTX 3090" in text) == (limit == 24 * 2**30)  # published of that limit only
    assert figure([found], plan) is not None
    on_cpu = replace(plan, device=torch.device("cpu"))
    assert on_cpu.room == limit
    assert "CUDA" not in as_text([found], on_cpu)


class Small(Reserving):
    """Of 12 billion bytes."""

    def measure(self, batch: int) -> Taken | None:
        return super().measure(batch) if batch <= 11 else None


@pytest.mark.parametrize("free", [12 * 10**9, PUBLISHED_LIMIT - 1, PUBLISHED_LIMIT])
def test_a_gpu_with_less_than_the_limit_answers_at_least(
    free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "Probe", Small)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, free))
    limit, gpu = PUBLISHED_LIMIT, torch.device("cuda")
    plan = Plan(["light"], "", [1, 4], 1, 0, limit, gpu, "fp32", DEFAULT_OPTIONS, lambda: 0.0)
    memory, largest = measuring.memory_of("light", plan, lambda what: None)
    short = free < limit
    assert largest == Largest(11, measured=True, at_least=short, free=free)
    nothing = dict.fromkeys(PARTS, spread([1.0]))
    counted = Counted(dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0), 0, 0)
    found = Measured("light", "light", 64, 16, [], nothing, counted, None, memory, largest)
    assert as_data([found], plan)[0]["largest_batch"]["at_least"] == short
    said = f"at least 11 pictures, as only {size_text(free)} of the GPU were free"
    assert (said in as_text([found], plan)) == short
    none = found._replace(largest=Largest(0, True, True, free))
    assert "not even one picture, as only" in as_text([none], plan)


def test_sizes_are_told_as_cards_have_them() -> None:
    sizes = (24 << 30, 24 * 10**9, 512 << 20, 800 * 10**6)
    assert [size_text(size) for size in sizes] == ["24 GiB", "24 GB", "512 MiB", "0.8 GB"]


@pytest.fixture
def tf32() -> Iterator[torch.device]:
    """It is on, as torch has it for convolutions."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = True
    yield torch.device("cuda")
    convolutions.allow_tf32, products.allow_tf32 = before


def test_float32_is_exact_once_asked_for(tf32: torch.device) -> None:
    assert tf32_is_on(tf32)
    assert not tf32_is_on(torch.device("cpu"))  # which has none
    exact(tf32)
    assert not tf32_is_on(tf32)


def test_seconds_and_memory_are_taken_without_tf32(
    tf32: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `bench` before it draws, and by the process that measures memory."""

    def draw(*_: object) -> None:
        assert not tf32_is_on(tf32)
        raise InterruptedError

    plan = Plan(["a"], "", [1], 1, 0, None, tf32, "fp32", DEFAULT_OPTIONS, lambda: 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "_time_all", draw)
        with pytest.raises(InterruptedError):
            measuring.measure(plan, lambda what: None)
    torch.backends.cudnn.allow_tf32 = True
    monkeypatch.setattr(probing, "EG3D", draw)  # the first that is drawn there
    with pytest.raises(InterruptedError):
        probing.answer(CASE._replace(device="cuda", threads=torch.get_num_threads()))


def test_memory_of_pictures_is_not_that_of_views(teacher: EG3D) -> None:
    """What one subject keeps for its views is no part of drawing pictures."""
    prepared: list[int] = []
    prepare = teacher.prepare

    def note(ws, options):
        prepared.append(len(ws))
        return prepare(ws, options)

    teacher.prepare = note  # type: ignore[method-assign]
    try:
        with torch.inference_mode():
            picture_work(teacher, 2)
            assert prepared == []
            works(teacher, 2)
            assert prepared == [1]
    finally:
        del teacher.prepare  # type: ignore[method-assign]
