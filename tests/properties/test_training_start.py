"""What a training starts from: other runs and models, what is said and what is refused."""

from pathlib import Path

import pytest
import tomli_w
import torch
from training_case import build, read, train_run

from nerfgan_cli.checkpoints.format import load_model, load_network, save_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.zoo import TEACHER, find_model
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.training.recipe_reader import parse_toml
from nerfgan_cli.training.run import RECIPE
from nerfgan_cli.training.state import read_state
from nerfgan_cli.training.teacher import open_discriminator, write_discriminator
from nerfgan_cli.training.teacher_recipe import Teacher
from nerfgan_cli.training.transfer import copy_all_weights, read_start

pytestmark = pytest.mark.usefixtures("quick_training")

CPU = torch.device("cpu")


@pytest.fixture
def first_run(tiny_recipe: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "first"
    train_run(folder, read(tiny_recipe, "train.kimg=0.004"))
    return folder


def test_a_run_starts_from_another_one(tiny_recipe: Path, first_run: Path, tmp_path: Path) -> None:
    """All three networks; images, optimisers and augmentation start anew."""
    task = build(tiny_recipe, f"train.init={first_run}")
    said: list[str] = []
    task.initialize(said.append)
    assert not said
    _, tensors = read_state(first_run / "checkpoints" / "000000004.state")
    for name in ("generator", "discriminator", "average"):
        for key, tensor in task.modules[name].state_dict().items():
            assert torch.equal(tensor, tensors[f"module.{name}.{key}"])
    assert not any(optimizer.state for optimizer in task.optimizers.values())


def test_a_run_starts_from_files_and_keeps_their_terms(
    tiny_recipe: Path, first_run: Path, tmp_path: Path
) -> None:
    source = load_model(find_model(str(first_run)))
    file, critic = tmp_path / "G.safetensors", tmp_path / "D.safetensors"
    save_model(file, source, Provenance("G.pkl", licence="Some terms."))
    other = build(tiny_recipe, "train.seed=9").discriminator
    save_model(critic, other, Provenance("D.pkl"))
    settings = [f"train.init={file}", f"train.init_discriminator={critic}", "train.kimg=0.004"]
    task = build(tiny_recipe, *settings)
    said: list[str] = []
    task.initialize(said.append)
    assert not said
    for network in (task.generator, task.average):
        assert all(
            torch.equal(a, b)
            for a, b in zip(network.parameters(), source.parameters(), strict=True)
        )
    assert torch.equal(task.discriminator.b64.conv0.weight, other.b64.conv0.weight)
    train_run(tmp_path / "second", read(tiny_recipe, *settings))
    terms = read_header(find_model(str(tmp_path / "second"))).provenance.licence
    assert terms == "Derived from G.pkl. Some terms."
    train_run(tmp_path / "second", read(tiny_recipe, *settings, "train.kimg=0.008"))
    assert read_header(find_model(str(tmp_path / "second"))).provenance.licence == terms


def test_a_start_without_a_discriminator_is_told(
    tiny_recipe: Path, first_run: Path, tmp_path: Path
) -> None:
    """Once: not when the run is continued."""
    file = find_model(str(first_run))
    for kimg, times in ((0.004, 1), (0.008, 0)):
        recipe = read(tiny_recipe, f"train.init={file}", f"train.kimg={kimg}")
        said = [line for line in train_run(tmp_path / "run", recipe) if "discriminator in" in line]
        expected = f"no discriminator in {file}: it starts from random weights, unless train.init_"
        assert [line.startswith(expected) for line in said] == [True] * times


def test_a_damaged_checkpoint_to_start_from_is_told_and_the_one_before_serves(
    tiny_recipe: Path, first_run: Path
) -> None:
    good = first_run / "checkpoints" / "000000004.state"
    data = bytearray(good.read_bytes())
    data[-100] ^= 1
    good.with_name("000000008.state").write_bytes(data)
    said: list[str] = []
    start = read_start(str(first_run), said.append)
    assert [("000000008.state is damaged" in line) for line in said] == [True]
    weight = start.networks["discriminator"]["b4.fc.weight"]
    assert torch.equal(weight, read_state(good)[1]["module.discriminator.b4.fc.weight"])


def test_a_run_starts_from_one_checkpoint_of_another(
    tiny_recipe: Path, first_run: Path, tmp_path: Path
) -> None:
    """Not the newest; with all that the run trains, which its model alone does not have."""
    train_run(first_run, read(tiny_recipe, "train.kimg=0.008"))
    checkpoint = first_run / "checkpoints" / "000000004.state"
    said: list[str] = []
    start = read_start(str(checkpoint), said.append)
    assert not said
    assert start.model == checkpoint.with_suffix(".safetensors")
    _, tensors = read_state(checkpoint)
    for name in ("generator", "discriminator", "average", "ada"):
        assert start.networks[name]
        for key, tensor in start.networks[name].items():
            assert torch.equal(tensor, tensors[f"module.{name}.{key}"])
    assert "discriminator" not in read_start(str(start.model), said.append).networks
    with pytest.raises(InputError, match=r"000000009\.state"):
        read_start(str(checkpoint.with_name("000000009.state")), said.append)


def test_the_discriminator_of_a_run_becomes_a_file(
    tiny_recipe: Path, first_run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "D.safetensors"
    header = write_discriminator(first_run, file, half=True)
    assert header.provenance.network == "D"
    assert header.provenance.training["kimg"] == 0.004
    found = load_network(file).state_dict()
    _, tensors = read_state(first_run / "checkpoints" / "000000004.state")
    assert header.provenance.training["augment_p"] == float(tensors["module.ada.pipe.p"])
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, tensors[f"module.discriminator.{name}"].half().float())
    task = build(tiny_recipe, f"train.init_discriminator={file}")
    task.initialize(print)
    assert torch.equal(task.discriminator.b4.fc.weight, found["b4.fc.weight"])
    data = parse_toml((first_run / RECIPE).read_text(), RECIPE)
    (first_run / RECIPE).write_text(tomli_w.dumps(data | {"kind": "warm"}))
    with pytest.raises(WeightsError, match="trains no discriminator"):
        write_discriminator(first_run, file, half=False)


def test_a_bare_word_is_a_name_before_it_is_a_run(
    first_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever weights are named: as `find_model` has it."""
    monkeypatch.chdir(tmp_path)
    first_run.rename(tmp_path / TEACHER)
    assert "discriminator" not in read_start(TEACHER, print).networks
    assert "discriminator" in read_start(f"./{TEACHER}", print).networks
    teacher = load_model(find_model(TEACHER), CPU)
    assert isinstance(teacher, EG3D)
    with pytest.raises(WeightsError, match="has no discriminator"):
        open_discriminator(Teacher(model=TEACHER), teacher)
    with pytest.raises(WeightsError, match="looks at 64² and the teacher draws 128²"):
        open_discriminator(Teacher(model=f"./{TEACHER}"), teacher)


def test_nothing_but_constants_may_be_missing(tiny_recipe: Path) -> None:
    """Statistics are not: without them, weights mean something else."""
    task = build(tiny_recipe, "model.discriminator.freeze_layers=1")
    filters = {"resample_filter"}
    for network, lost in (
        (task.generator, "backbone.mapping.w_avg"),
        (task.generator, "backbone.synthesis.b8.conv0.noise_const"),
        (task.discriminator, "b64.fromrgb.weight"),  # frozen ones are buffers
    ):
        whole = network.state_dict()
        few = {name: tensor for name, tensor in whole.items() if name.split(".")[-1] not in filters}
        assert len(few) < len(whole)
        copy_all_weights(network, few, "few")
        del few[lost]
        with pytest.raises(WeightsError, match=rf"few lacks 1 of the weights .*, {lost} among"):
            copy_all_weights(network, few, "few")


def test_weights_of_other_sizes_are_refused(tiny_recipe: Path, first_run: Path) -> None:
    task = build(tiny_recipe, f"train.init={first_run}", "model.generator.plane_channels=8")
    with pytest.raises(
        WeightsError, match=r"is \(12, .* and \(24, .* start from a model of the same"
    ):
        task.initialize(print)
    deeper = build(tiny_recipe, f"train.init={first_run}", "model.generator.mapping_layers=3")
    with pytest.raises(WeightsError, match=r"lacks 2 of the weights .*mapping\.fc2\.weight"):
        deeper.initialize(print)
    with pytest.raises(InputError, match="no file runs/none"):
        build(tiny_recipe, "train.init=runs/none").initialize(print)
