"""`nerfgan weights`: which networks there are, and where they lie."""

import json
from dataclasses import replace

import pytest

from nerfgan_cli.checkpoints.measuring import INCEPTION, NETWORKS


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """Our folder, empty."""
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path))
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
        "inception": str(weights / INCEPTION.name), "vgg": None, "alex": None, "squeeze": None
    }  # fmt: skip


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
