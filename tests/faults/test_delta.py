"""The file of a tuned model: what is in it, how large it gets, that its base is the right one."""

import shutil
from math import prod
from pathlib import Path

import pytest
import torch
from inversion_case import Models

from nerfgan_cli.checkpoints import delta
from nerfgan_cli.checkpoints.base import Base, find_base, read_base
from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.eg3d import EG3D, PRESETS
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import student_config


def tuned_pair(model: Path) -> tuple[Generator, Generator]:
    """A model, and one that is changed where a tuning changes it."""
    base, tuned = load_model(model), load_model(model)
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if not name.startswith("mapping_network"):
                parameter += 1e-3 * torch.randn(parameter.shape, generator=draws)
    return base, tuned


def write(model: Path, path: Path) -> dict[str, int]:
    """Writes a tuned model; the bits that a number of each changed tensor takes."""
    base, tuned = tuned_pair(model)
    origin = delta.base_of(str(model), model, base)
    return delta.write_tuned(path, base, tuned, origin, Provenance("x"))


def assert_near(model: Path, path: Path, bits: dict[str, int]) -> None:
    """What is read back differs as little from what was written as its bits allow."""
    found, (base, tuned) = load_model(path).state_dict(), tuned_pair(model)
    before, wanted = base.state_dict(), tuned.state_dict()
    for name, tensor in found.items():
        change, error = (wanted[name] - before[name]).norm(), (wanted[name] - tensor).norm()
        assert error <= {16: 0.01, 8: 0.01, 6: 0.05, 4: 0.25}[bits.get(name, 16)] * change, name


def test_only_what_changed_is_stored(models: Models, tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    bits = write(models.student, path)
    assert not any(name.startswith("mapping_network") for name in bits)
    assert set(bits.values()) == {16}
    assert_near(models.student, path, bits)


@pytest.mark.parametrize(("share", "fewest"), [(0.8, 8), (0.55, 6), (0.4, 4)])
def test_large_models_take_fewer_bits(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, fewest: int
) -> None:
    path, whole = tmp_path / "small.safetensors", tmp_path / "whole.safetensors"
    write(models.student, whole)
    monkeypatch.setattr(delta, "LARGEST", share * whole.stat().st_size)
    bits = write(models.student, path)
    assert path.stat().st_size <= delta.LARGEST
    assert min(bits.values()) == fewest
    shapes = {name: entry.shape for name, entry in read_header(whole).entries.items()}
    matrices = [name for name in bits if len(shapes[name]) > 1]
    small, large = (
        [prod(shapes[name]) for name in matrices if (bits[name] == fewest) is least]
        for least in (False, True)
    )
    assert small
    assert max(small) <= min(large), "the largest lose bits first"
    assert_near(models.student, path, bits)


@pytest.mark.parametrize("name", ["teacher", "paper", "slim", "light", "stylegan3-r"])
def test_a_delta_of_any_full_size_model_takes_at_most_30_megabytes(name: str) -> None:
    with torch.device("meta"):
        generator = EG3D(PRESETS["ffhq512-128"])
        if name != "teacher":
            generator = Student(student_config(name, generator))
    fixed = {id(parameter) for parameter in generator.latent_space().parameters()}
    changed = {
        key: tuple(tensor.shape)
        for key, tensor in generator.named_parameters()
        if id(tensor) not in fixed
    } | {key: tuple(image.shape) for key, image in generator.noise_images().items()}
    bits = delta.choose_bits(changed)
    assert sum(delta.size_of(shape, bits[key]) for key, shape in changed.items()) <= 30e6
    if name in ("light", "slim"):
        assert set(bits.values()) == {16}


def test_a_base_that_is_gone_or_another(models: Models, tmp_path: Path) -> None:
    mine, path = tmp_path / "mine.safetensors", tmp_path / "found" / "model.safetensors"
    shutil.copy(models.student, mine)
    write(mine, path)
    expected = load_model(path).state_dict()
    mine.unlink()
    with pytest.raises(WeightsError, match=r"mine\.safetensors, which is not there: put"):
        load_model(path)
    shutil.copy(models.student, path.with_name("mine.safetensors"))  # beside it serves too
    found = load_model(path).state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    _, other = tuned_pair(models.student)
    save_model(mine, other, Provenance("other"))
    with pytest.raises(WeightsError, match="is not the one"):
        load_model(path)


def test_forged_tuned_models(models: Models, tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    write(models.student, path)
    header = read_header(path)
    for base in (None, {}, {"name": 1, "path": None, "checksum": 2}, {"name": "x"}):
        forged = type(header)(
            header.kind, {**header.config, "base": base}, {}, header.provenance, {}
        )
        with pytest.raises(InputError, match="does not say"):
            read_base(path, forged)
    with pytest.raises(WeightsError, match="tuned from no-such: there is no model"):
        find_base(path, Base("no-such", None, 1))
    with pytest.raises(WeightsError, match="not there"):  # itself
        find_base(path, Base(path.name, str(path), 1))
    name = next(iter(header.entries))
    text = path.read_bytes().replace(f'"{name}"'.encode(), f'"x{name[1:]}"'.encode())
    path.write_bytes(text)
    with pytest.raises(WeightsError, match="does not fit"):
        load_model(path)


def test_rounded_numbers_that_were_cut_off(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "LARGEST", 10_000)
    path, pack = tmp_path / "t.safetensors", delta._pack
    monkeypatch.setattr(delta, "_pack", lambda levels, bits: pack(levels, bits)[:-1])
    write(models.student, path)
    with pytest.raises(WeightsError, match="does not fit"):
        load_model(path)
