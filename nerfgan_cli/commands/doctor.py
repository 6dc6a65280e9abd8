"""`nerfgan doctor`: what is installed, what is missing, and what to do about it.

It must work where other things do not: whatever may be broken is imported inside a check.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import typer

from nerfgan_cli import __version__
from nerfgan_cli.checkpoints.zoo import BUNDLED, ZOO, installed, weights_folder
from nerfgan_cli.commands import options as o

REQUIRED = (
    *("torch", "numpy", "scipy", "pillow", "imageio-ffmpeg", "safetensors", "typer", "tqdm"),
    *("tensorboard", "tomli-w"),
)
OPTIONAL = {  # package, and what needs it
    "lpips": "the perceptual loss and metric",
    "torch-fidelity": "FID and KID as published",
    "insightface": "cropping photographs, and the identity metric",
    "scikit-image": "meshes",
}
FACE_PACKS = "https://github.com/deepinsight/insightface/releases/download/model-zoo"


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    section: str
    name: str
    state: str  # "ok"; "missing": something optional; "broken": something that all needs
    detail: str
    remedy: str = ""


def command(json: o.Json = False) -> None:
    """Lists versions, devices, ffmpeg, optional parts and weights.

    Ends with code 1 if something is broken that the main commands need; what is merely optional
    may be missing.
    """
    sections = (check_versions, check_devices, check_ffmpeg, check_optional, check_weights)
    checks = [check for section in sections for check in guarded(section)]
    broken = any(check.state == "broken" for check in checks)
    report = {"ok": not broken, "checks": [asdict(check) for check in checks]}
    o.print_result(report, as_text(checks), json)
    if broken:
        raise typer.Exit(1)


def guarded(section: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The checks of a section; one that fails itself becomes a line."""
    try:
        yield from section()
    except Exception as error:
        name = section.__name__.removeprefix("check_")
        problem = " ".join(str(error).split()) or type(error).__name__
        yield Check(name, name, "broken", problem, "reinstall with pip install nerfgan")


def as_text(checks: list[Check]) -> str:
    """The report for people: a heading per section, a line per check."""
    width = max(len(check.name) for check in checks)
    lines: list[str] = []
    section = ""
    for check in checks:
        if check.section != section:
            section = check.section
            lines += [""] * bool(lines) + [section]
        lines.append(f"  {check.state:8} {check.name:{width}}  {check.detail}")
        if check.remedy:
            lines.append(f"  {'':8} {'':{width}}  -> {check.remedy}")
    return "\n".join(lines)


def check_versions() -> Iterator[Check]:
    here = platform.python_version()
    supported = (3, 10) <= sys.version_info[:2] <= (3, 13)
    remedy = "" if supported else "use Python 3.10 to 3.13"
    yield Check("versions", "nerfgan", "ok", __version__)
    yield Check("versions", "python", "ok" if supported else "broken", here, remedy)
    versions = {
        str(found.metadata["Name"]).lower().replace("_", "-"): found.version
        for found in metadata.distributions()
    }
    for package in (*REQUIRED, *OPTIONAL):
        if package in versions:
            yield Check("versions", package, "ok", versions[package])
        else:
            state = "missing" if package in OPTIONAL else "broken"
            need = f"not installed; needed for {OPTIONAL.get(package, 'everything')}"
            yield Check("versions", package, state, need, f"pip install {package}")


def check_devices() -> Iterator[Check]:
    import torch

    from nerfgan_cli.generators.precision import bf16_is_fast

    bf16 = "fast" if bf16_is_fast(torch.device("cpu")) else "slow"
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, bfloat16 {bf16}"
    yield Check("devices", "cpu", "ok", threads)
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        memory = f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
        yield Check("devices", f"cuda:{index}", "ok", memory)
    if not torch.cuda.is_available():
        remedy = "all works on the CPU; for speed, install an NVIDIA driver and a CUDA torch"
        yield Check("devices", "cuda", "missing", "not available", remedy)
    if torch.backends.mps.is_available():
        yield Check("devices", "mps", "ok", "Apple GPU")
    elif sys.platform == "darwin":
        remedy = "update macOS and torch; all works on the CPU"
        yield Check("devices", "mps", "missing", "not available", remedy)


def check_ffmpeg() -> Iterator[Check]:
    from nerfgan_cli.encoder import NO_FFMPEG, find_ffmpeg
    from nerfgan_cli.errors import InputError

    try:
        program = find_ffmpeg()
        version = _output(program, "-version").split("\n")[0]
        encoders = _output(program, "-hide_banner", "-encoders")
    except (InputError, OSError, subprocess.SubprocessError):
        program = os.environ.get("IMAGEIO_FFMPEG_EXE", "no program found")
        detail = f"{program} does not run; needed for videos"
        yield Check("ffmpeg", "ffmpeg", "missing", detail, NO_FFMPEG)
        return
    yield Check("ffmpeg", "ffmpeg", "ok", f"{version.split('Copyright')[0].strip()} at {program}")
    if "libx264" in encoders:
        yield Check("ffmpeg", "libx264", "ok", "H.264 videos can be written")
    else:
        yield Check("ffmpeg", "libx264", "missing", "not in this ffmpeg", NO_FFMPEG)


def check_optional() -> Iterator[Check]:
    from nerfgan_cli.checkpoints.measuring import MEASURING
    from nerfgan_cli.checkpoints.published import find

    packs = Path("~/.insightface/models").expanduser()
    found = sorted(folder.name for folder in packs.glob("*") if any(folder.glob("*.onnx")))
    if found:
        yield Check("optional parts", "insightface models", "ok", f"{', '.join(found)} in {packs}")
    else:
        remedy = f"unpack {FACE_PACKS}/buffalo_l.zip (non-commercial) into {packs / 'buffalo_l'}"
        need = f"none in {packs}; needed for cropping photographs, and the identity metric"
        yield Check("optional parts", "insightface models", "missing", need, remedy)
    for file in MEASURING:
        place = find(file)
        if place is not None:
            yield Check("optional parts", file.name, "ok", f"{_size(place)} at {place}")
        else:
            need = f"needed for {file.purpose}"
            remedy = f"download {file.address} into {weights_folder()}"
            yield Check("optional parts", file.name, "missing", need, remedy)


def check_weights() -> Iterator[Check]:
    from nerfgan_cli.checkpoints.measuring import MEASURING

    folder = weights_folder()
    for name, entry in BUNDLED.items():
        file = installed(name)
        if file is not None:
            yield Check("weights", name, "ok", f"{entry.about}; {_size(file)}, bundled")
        else:
            yield Check("weights", name, "broken", entry.about, "install nerfgan again")
    named = {name: installed(name) for name in ZOO}
    for name, file in named.items():
        if file is not None:
            yield Check("weights", name, "ok", f"{_size(file)} at {file}")
        else:
            yield Check("weights", name, "missing", ZOO[name].about, ZOO[name].remedy)
    known = set(named.values()) | {folder / file.name for file in MEASURING}
    for file in sorted(folder.glob("*")):
        if file.is_file() and file not in known:
            yield Check("weights", file.name, "ok", f"{_size(file)} at {file}")


def _output(*command: str) -> str:
    """What a program prints, within ten seconds."""
    done = subprocess.run(command, capture_output=True, check=True, timeout=10)
    return done.stdout.decode(errors="replace")


def _size(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:.1f} MB"
