"""`nerfgan weights`: which networks there are, and where they lie."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from datasets import write_zip

from nerfgan_cli.checkpoints.measuring import INCEPTION, NETWORKS
from nerfgan_cli.faces.packs import PACKS


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """Our folder, empty."""
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_list_says_where_each_comes_from(nerfgan, weights):
    done = nerfgan("weights", "list")
    assert done.code == 0
    assert INCEPTION.address in done.out
    (weights / INCEPTION.name).write_bytes(b"weights")
    listed = json.loads(nerfgan("weights", "list", "--json").out)["networks"]
    paths = {entry["name"]: entry["path"] for entry in listed}
    assert paths == {
        "inception": str(weights / INCEPTION.name),
        **dict.fromkeys(("vgg", "alex", "squeeze", *PACKS)),
    }


def test_get_fetches_and_checks(nerfgan, weights, monkeypatch, tmp_path):
    source = tmp_path / "published" / INCEPTION.name
    source.parent.mkdir()
    source.write_bytes(b"not what was published")
    here = replace(INCEPTION, folder=source.parent.as_uri())
    monkeypatch.setitem(NETWORKS, "inception", here)
    done = nerfgan("weights", "get", "inception")
    assert done.code == 4
    assert "checksum is wrong" in done.err
    assert list(weights.iterdir()) == []
    (weights / INCEPTION.name).write_bytes(b"weights")
    done = nerfgan("weights", "get", "inception")
    assert done.code == 0
    assert str(weights / INCEPTION.name) in done.out
    (weights / INCEPTION.name).rename(weights / INCEPTION.also[0])  # as torch-fidelity has it
    assert str(weights / INCEPTION.also[0]) in nerfgan("weights", "get", "inception").out
    nerfgan("weights", "get", "incepton").refused(2, "did you mean inception?")


def test_a_pack_is_checked_and_unpacked(nerfgan, weights, monkeypatch, tmp_path):
    (tmp_path / "published").mkdir()
    source = write_zip(
        tmp_path / "published" / "small.zip",
        {"small/det.onnx": b"detector", "small/id.onnx": b"identity", "small/readme": b""},
    )
    pack = replace(PACKS["buffalo_sc"], name=source.name, folder=source.parent.as_uri())
    monkeypatch.setitem(PACKS, "buffalo_sc", pack)
    (weights / "small.zip").write_bytes(b"another")
    nerfgan("weights", "get", "buffalo_sc").refused(4, "is not small.zip as published")
    (weights / "small.zip").unlink()
    pack = replace(pack, sha256=sha256(source.read_bytes()).hexdigest())
    monkeypatch.setitem(PACKS, "buffalo_sc", pack)
    folder = tmp_path / ".insightface" / "models" / "buffalo_sc"
    for _ in range(2):  # then it is here
        done = nerfgan("weights", "get", "buffalo_sc")
        assert (done.code, str(folder) in done.out) == (0, True)
        assert {path.name for path in folder.iterdir()} == {"det.onnx", "id.onnx"}
    assert [path.name for path in folder.parent.iterdir()] == ["buffalo_sc"]
    assert list(weights.iterdir()) == []
    assert str(folder) in nerfgan("weights", "list").out
