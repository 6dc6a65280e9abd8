"""Latents in files: what goes in comes out, in every form, for the models that it belongs to."""

import numpy as np
import pytest
import torch
from distill_case import TEACHER

from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.checkpoints.container import write_container
from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.payloads import to_payload
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import student_config
from nerfgan_cli.latent_files import PIVOT, Latent, fit_latent, read_latent, write_latent


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(1)
    return EG3D(TEACHER)


def test_a_latent_comes_back_with_all_that_belongs_to_it(teacher, tmp_path):
    ws = torch.randn(1, teacher.num_ws, teacher.w_dim)
    extras = {"noise.b4": torch.randn(4, 4), "w_std": torch.tensor(3.0)}
    latent = Latent(ws, "Ann", space_checksum(teacher), extras)
    path = tmp_path / "a.safetensors"
    write_latent(path, latent)
    found = read_latent(path)
    assert torch.equal(found.ws, ws)
    assert (found.name, found.model) == ("Ann", latent.model)
    assert found.tensors.keys() == extras.keys()
    assert all(torch.equal(found.tensors[name], extras[name]) for name in extras)
    folder = tmp_path / "Bob"
    folder.mkdir()
    write_latent(folder / PIVOT, latent)
    assert read_latent(folder).name == "Bob"
    assert torch.equal(read_latent(folder).ws, ws)


@pytest.mark.parametrize("shape", [(1, 6, 16), (6, 16), (1, 16), (16,)])
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_arrays_of_other_programs(teacher, tmp_path, shape, name):
    numbers = np.random.default_rng(0).standard_normal(shape)
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, numbers)
    else:
        np.savez(path, noise=np.zeros(3), w=numbers)
    latent = read_latent(path)
    assert (latent.name, latent.model) == ("a", None)
    ws = fit_latent(latent, teacher)
    assert ws.shape == (1, teacher.num_ws, teacher.w_dim) == (1, 6, 16)
    expected = torch.from_numpy(np.broadcast_to(numbers, (1, 6, 16)).copy()).float()
    torch.testing.assert_close(ws, expected)


def test_it_fits_students_and_files_of_half_the_size_and_no_other_model(teacher, tmp_path):
    latent = Latent(torch.zeros(1, 6, 16), "Ann", space_checksum(teacher))
    student = Student(student_config("light", teacher))
    with pytest.raises(WeightsError, match="belongs to another model"):
        fit_latent(latent, student)
    student.start_from_teacher(teacher)
    assert fit_latent(latent, student).shape == (1, 6, 16)
    path = tmp_path / "half.safetensors"
    save_model(path, teacher, Provenance("half"), half=True)
    assert fit_latent(latent, load_model(path)).shape == (1, 6, 16)
    with torch.no_grad():
        student.latent_space().w_avg[0] += 1
    with pytest.raises(WeightsError, match="belongs to another model"):
        fit_latent(latent, student)


@pytest.mark.parametrize(
    ("shape", "word"), [((1, 6, 8), "codes of 8 numbers"), ((1, 5, 16), "for 5 layers")]
)
def test_codes_of_another_size(teacher, shape, word):
    with pytest.raises(WeightsError, match=word):
        fit_latent(Latent(torch.zeros(shape), "Ann"), teacher)


def test_files_that_hold_no_latent(tmp_path):
    zeros = to_payload(torch.zeros(1, 2, 4))
    np.save(tmp_path / "nan.npy", np.full((1, 4), np.nan))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.save(tmp_path / "many.npy", np.zeros((3, 2, 4)))
    np.save(tmp_path / "four.npy", np.zeros((1, 1, 2, 4)))
    np.save(tmp_path / "whole.npy", np.zeros((1, 2, 4)))
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=np.zeros(4), b=np.zeros(4))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-9])
    (tmp_path / "empty.npy").touch()
    (tmp_path / "note.txt").write_text("Ann")
    write_container(tmp_path / "model.safetensors", {}, {"ws": zeros})
    write_container(tmp_path / "bare.safetensors", {"nerfgan-latent": "{}"}, {"ws": zeros})
    write_latent(tmp_path / "inf.safetensors", Latent(torch.full((1, 2, 4), torch.inf), "Ann"))
    write_latent(tmp_path / "flat.safetensors", Latent(torch.zeros(2, 4), "Ann"))
    (tmp_path / "folder").mkdir()
    for name, word in {
        "nan.npy": "NaN or infinite",
        "words.npy": "not numbers",
        "many.npy": r"shape \(3, 2, 4\)",
        "four.npy": r"shape \(1, 1, 2, 4\)",
        "objects.npy": "holds objects",
        "cut.npy": "damaged",
        "two.npz": "holds a, b",
        "empty.npy": "is empty",
        "note.txt": "a text file",
        "missing.npy": "no such file",
        "model.safetensors": "without a latent",
        "bare.safetensors": "damaged description",
        "inf.safetensors": "NaN or infinite values in ws",
        "flat.safetensors": "shape",
        "folder": "holds no pivot",
    }.items():
        with pytest.raises(InputError, match=word) as caught:
            read_latent(tmp_path / name)
        assert str(caught.value).count("\n") == 0
        assert name in str(caught.value)
