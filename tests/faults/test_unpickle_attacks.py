"""Hostile checkpoints are refused, quickly, in little memory, and nothing in them runs."""

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from attacks import BOMBS, FORGED, LIVE, PROTOCOLS

from nerfgan_cli.commands.app import main

ROOT = Path(__file__).parents[2]
UNSAFE = 5
SECONDS = 30  # for a bomb; each takes about one, of which most is starting Python
MEMORY = 1 << 30  # bytes of address space for a bomb, Python and numpy included

# Python's own pickle, in a process of its own, with stand-ins for the modules of the release.
CAREFREE = """
import os, pickle, sys, types

def module(name, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made

module("torch_utils")
module("torch_utils.persistence", _reconstruct_persistent_obj=lambda meta: meta)
module("dnnlib")
module("dnnlib.util", EasyDict=type("EasyDict", (dict,), {}))
module("training")
module("training.triplane", OSGDecoder=type("OSGDecoder", (), {}))
module("training.volumetric_rendering")
for part, name in (("renderer", "ImportanceRenderer"), ("ray_sampler", "RaySampler")):
    module(f"training.volumetric_rendering.{part}", **{name: type(name, (), {})})
for path in sys.argv[1:]:
    try:
        with open(path, "rb") as file:
            pickle.load(file)
    except BaseException as error:
        print(path, repr(error)[:200])
"""


def refused(capfd: pytest.CaptureFixture[str], file: Path, *options: str) -> str:
    """Converts the file; returns the sentence with which that was refused as unsafe."""
    out = file.with_name("out.safetensors")
    capfd.readouterr()
    code = main(["convert", str(file), "-o", str(out), *options])
    printed, message = capfd.readouterr()
    assert code == UNSAFE, message
    assert printed == ""
    assert message.startswith("nerfgan: ")
    assert message.count("\n") == 1
    assert os.listdir(file.parent) == [file.name]  # no marker, no output, nothing half-written
    return message


def test_the_live_attacks_are_alive(tmp_path):
    """Each of them runs its command when Python's own pickle reads the file."""
    files = []
    for index, (_, attack) in enumerate(LIVE.items()):
        file = tmp_path / f"{index}.pkl"
        file.write_bytes(attack(3, f"touch {tmp_path}/ran{index}"))
        files.append(str(file))
    log = subprocess.run(
        [sys.executable, "-c", CAREFREE, *files], capture_output=True, text=True, check=False
    )
    silent = [n for i, n in enumerate(LIVE) if not (tmp_path / f"ran{i}").exists()]
    assert not silent, log.stdout + log.stderr


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", LIVE)
def test_live_attack_is_refused_and_does_not_run(name, protocol, tmp_path, capfd):
    file = tmp_path / "attack.pkl"
    file.write_bytes(LIVE[name](protocol, f"touch {tmp_path}/ran"))
    assert "nothing in it was run" in refused(capfd, file)


@pytest.mark.parametrize("name", LIVE)
def test_info_does_not_run_a_live_attack(name, tmp_path, capfd):
    file = tmp_path / "attack.pkl"
    file.write_bytes(LIVE[name](4, f"touch {tmp_path}/ran"))
    assert main(["info", str(file)]) == UNSAFE
    assert os.listdir(tmp_path) == [file.name]
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", FORGED)
def test_broken_promise_is_refused(name, protocol, tmp_path, capfd):
    file = tmp_path / "attack.pkl"
    file.write_bytes(FORGED[name](protocol, ""))
    refused(capfd, file)


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused_in_bounded_time_and_memory(name, tmp_path):
    file = tmp_path / "attack.pkl"
    file.write_bytes(BOMBS[name](4, ""))
    limited = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))\n"
        "from nerfgan_cli.commands.app import main\n"
        "code = main(sys.argv[1:])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "convert", file, "-o", tmp_path / "out.safetensors"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == UNSAFE, done.stderr
    assert done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == [file.name]


@pytest.mark.parametrize("network", ["G", "D"])
def test_attack_is_found_in_a_network_that_is_not_wanted(network, tmp_path, capfd):
    file = tmp_path / "attack.pkl"
    name = "nested reduce inside a state dict"  # in G_ema
    file.write_bytes(LIVE[name](4, f"touch {tmp_path}/ran"))
    refused(capfd, file, "--network", network)


def test_message_shows_strange_names_harmlessly(tmp_path, capfd):
    file = tmp_path / "attack.pkl"
    file.write_bytes(FORGED["'os\\x00'.system"](4, ""))
    message = refused(capfd, file)
    assert "\\x00" in message
    assert json.dumps(message)
    assert message.isascii()


def test_nothing_of_ours_uses_an_unsafe_reader():
    """No standard unpickler anywhere: neither directly, nor through torch or numpy."""
    readers = r"\b(import|from) (pickle|_pickle|dill|joblib|shelve)\b|allow_pickle=True"
    torchs = r"torch\.load\((?!.*weights_only=True)|torch\.hub\b"
    unsafe = re.compile(f"{readers}|{torchs}")
    for path in (ROOT / "nerfgan_cli").rglob("*.py"):
        assert not unsafe.search(path.read_text()), path


@pytest.mark.parametrize("protocol", [0, 1])
@pytest.mark.parametrize("verb", ["convert", "info"])
def test_the_oldest_protocols_are_refused_too(protocol, verb, tmp_path):
    """They carry no mark at the beginning, but import names all the same."""

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    source = tmp_path / "evil.pkl"
    source.write_bytes(pickle.dumps({"G_ema": Evil()}, protocol))
    arguments = [verb, str(source)] + (
        ["-o", str(tmp_path / "o.safetensors")] if verb == "convert" else []
    )
    assert main(arguments) == 5
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "o.safetensors").exists()
