"""`nerfgan info` on our models, on official checkpoints, and on what is neither."""

import json

import pytest


def test_model_of_ours(teacher, nerfgan):
    done = nerfgan("info", teacher)
    assert done.code == 0
    assert "EG3D" in done.out
    assert "128×128" in done.out
    assert "none beyond" in done.out
    result = json.loads(nerfgan("info", teacher, "--json").out)
    assert result["kind"] == "eg3d"
    assert result["parameters"] == sum(result["parameters_by_part"].values())
    assert set(result["parameters_by_part"]) == {"backbone", "superresolution", "decoder"}
    assert (result["image_resolution"], result["raw_resolution"]) == (128, 64)
    assert result["provenance"]["source"] == "teacher"
    assert result["licence"] is None


def test_parameters_are_those_of_the_network(teacher, nerfgan):
    from nerfgan_cli.checkpoints.format import load_model

    result = json.loads(nerfgan("info", teacher, "--json").out)
    parts = load_model(teacher).named_children()
    counted = {name: sum(p.numel() for p in part.parameters()) for name, part in parts}
    assert {name: n for name, n in counted.items() if n} == result["parameters_by_part"]


def test_student(student, nerfgan):
    result = json.loads(nerfgan("info", student, "--json").out)
    assert result["kind"] == "student"
    assert "renderer" in nerfgan("info", student).out


def test_official_checkpoint(golden_checkpoint, tmp_path, nerfgan):
    path = tmp_path / "official.pkl"
    path.write_bytes(golden_checkpoint)
    done = nerfgan("info", path)
    assert done.code == 0
    for word in ("TriPlaneGenerator", "DualDiscriminator", "non-commercial", "nerfgan convert"):
        assert word in done.out
    result = json.loads(nerfgan("info", path, "--json").out)
    assert {"G", "D", "G_ema"} <= set(result["networks"])
    network = result["networks"]["G_ema"]
    assert network["kind"] == "eg3d"
    assert network["parameters"] == sum(network["parameters_by_part"].values())
    assert list(tmp_path.iterdir()) == [path]


def test_converted_checkpoint(golden_checkpoint, tmp_path, nerfgan):
    path, out = tmp_path / "official.pkl", tmp_path / "model.safetensors"
    path.write_bytes(golden_checkpoint)
    assert nerfgan("convert", path, "-o", out).code == 0
    done = nerfgan("info", out)
    for word in ("official.pkl, G_ema", "sha256", "non-commercial", "released"):
        assert word in done.out


def test_run_folder(teacher, tmp_path, nerfgan):
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "000010.safetensors").write_bytes(teacher.read_bytes())
    result = json.loads(nerfgan("info", folder, "--json").out)
    assert result["file"].endswith("000010.safetensors")


@pytest.mark.parametrize(
    ("data", "word"), [(b"", "empty"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"<html>", "web page")]
)
def test_other_files(data, word, tmp_path, nerfgan):
    path = tmp_path / "file"
    path.write_bytes(data)
    nerfgan("info", path).refused(3, word)
