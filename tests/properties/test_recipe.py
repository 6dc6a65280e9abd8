"""Recipes: what is refused and what is told, what is written can be read, the published numbers."""

from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w
import torch
from training_case import RECIPE

from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.generators.eg3d_config import PRESETS
from nerfgan_cli.generators.mimic3d_config import PRESETS as MIMIC3D
from nerfgan_cli.training.adversarial_recipe import Discriminator
from nerfgan_cli.training.eg3d_recipe import EG3DRecipe
from nerfgan_cli.training.kinds import KINDS, resolve
from nerfgan_cli.training.recipe_files import bundled, load
from nerfgan_cli.training.recipe_reader import flatten, override, parse_toml, to_plain


def read(*settings: str) -> EG3DRecipe:
    data = parse_toml(RECIPE.format(path="pictures"), "the recipe")
    override(data, settings)
    recipe = resolve(data)
    assert isinstance(recipe, EG3DRecipe)
    return recipe


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.kimgs=1", r"unknown key train\.kimgs: did you mean train\.kimg\?"),
        ("model.generator.volume.box=1", r"did you mean model\.generator\.volume\.box_warp\?"),
        ("trains.kimg=1", r"unknown key trains: did you mean train\?"),
        ("model.generator.training.reg_type=l2", r"unknown key model\.generator\.training"),
        ("colour=1", r"unknown key colour: use one of kind, about"),
        ("train.kimg=long", r"train\.kimg cannot be 'long': give a number\."),
        ("train.kimg=true", r"train\.kimg cannot be True: give a number\."),
        ("train.kimg=nan", r"train\.kimg cannot be nan: give a number\."),
        ("train.kimg=0", r"train\.kimg of 0 is impossible"),
        ("train.batch=4.5", r"train\.batch cannot be 4\.5: give a whole number\."),
        ("train.batch_gpu=none4", r"train\.batch_gpu cannot be 'none4': give a whole number or"),
        ("train=4", r"train is a table in a recipe, not 4: write \[train\]\."),
        ("train.kimg.x=4", r"kimg is no table"),
        ("train.precision=fp8", r"train\.precision cannot be 'fp8': use one of auto"),
        ("optim.betas=[0.0]", r"optim\.betas cannot be \[0\.0\]: give a list of 2"),
        ("optim.betas=[0.0, 1.0]", r"optim\.betas cannot be .*below 1"),
        ("optim.ema_rampup=-1", r"optim\.ema_rampup of -1\.0 is impossible"),
        ("loss.augment=adda", r"loss\.augment cannot be 'adda': use one of none, fixed, ada"),
        ("loss.style_mixing=1.5", r"loss\.style_mixing of 1\.5 is no probability"),
        ("loss.r1_interval=0", r"loss\.r1_interval of 0 is impossible"),
        ("data.kind=zip", r"data\.kind cannot be 'zip': use one of toyheads, archive"),
        ("data.path=none", r"data\.path is missing"),
        ("kind=eg4d", r"kind cannot be 'eg4d': use one of eg3d"),
        ("model.generator.volume.plane_axes=x", r"in \[model\.generator\.volume\].* plane axes"),
        (
            "data.length=5",
            r"data\.length has no effect .* at 100000, or set data\.kind to toyheads",
        ),
        (
            "loss.first_resolution=13",
            r"first_resolution of 13 is more than .*raw_resolution, the 12",
        ),
        (
            "model.generator.c_dim=7",
            r"in \[model\.generator\] .* 7 numbers of a camera: set c_dim to",
        ),
        (
            "model.generator.volume.ray_end=2.25",
            r"in \[model\.generator\.volume\].* have no length",
        ),
        ("train.kimg", r"is no setting: write it as in train\.kimg=0\.5"),
        ("=1", r"is no setting"),
    ],
)
def test_what_cannot_be_is_refused(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(setting)


@pytest.mark.parametrize("name", ["eg3d-toyheads", "eg3d-toyheads-warm", "distill-toyheads"])
@pytest.mark.parametrize(
    ("setting", "usual"),
    [
        ("path=x.zip", "none"),
        ("mirror=true", "false"),
        ("rebalance=yaw", "none"),
        ("max_images=5", "none"),
    ],
)
def test_keys_of_files_are_refused_where_there_are_none(
    name: str, setting: str, usual: str
) -> None:
    key = f"data.{setting.partition('=')[0]}"
    message = (
        rf"{key} has no effect on data of kind 'toyheads': leave it at {usual}, or set data\.k"
    )
    with pytest.raises(UsageError, match=message):
        resolve(load(name, [f"data.{setting}"]))
    assert resolve(load(name, [f"{key}={usual}", "data.length=7"])).data.length == 7


def test_keys_of_cameras_alone_are_refused_where_there_are_pictures() -> None:
    for key in ("yaw_spread", "pitch_spread"):
        with pytest.raises(UsageError, match=rf"data\.{key} has no effect .* data\.kind to spread"):
            resolve(load("distill-toyheads", [f"data.{key}=0.5"]))


def test_a_key_that_is_missing_is_named() -> None:
    data = parse_toml(RECIPE.format(path="pictures"), "the recipe")
    del data["loss"]["r1_gamma"]
    with pytest.raises(UsageError, match=r"lacks loss\.r1_gamma: add it"):
        resolve(data)


def test_settings_are_toml_or_else_text() -> None:
    recipe = read(
        "train.kimg=7", "data.path=/a b/c.zip", "optim.betas=[0.1, 0.9]", "loss.ada_target = 0.5"
    )
    assert (recipe.train.kimg, recipe.data.path) == (7.0, "/a b/c.zip")
    assert recipe.optim.betas == (0.1, 0.9)
    assert recipe.loss.ada_target == 0.5
    assert read("optim.ema_rampup=none").optim.ema_rampup is None
    assert read("model.generator.volume.ray_start=auto", "model.generator.volume.ray_end=auto")


def test_what_is_written_reads_as_the_same() -> None:
    recipe = read("train.batch_gpu=none")
    assert resolve(parse_toml(tomli_w.dumps(to_plain(recipe)), "it")) == recipe
    assert "model.generator.training.reg_type" not in flatten(to_plain(recipe))


def test_the_last_step_completes_the_last_kimg() -> None:
    assert read("train.kimg=0.5", "train.batch=16").train.steps == 32
    assert read("train.kimg=0.512", "train.batch=16").train.steps == 32


def test_a_file_that_is_no_recipe(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text("kind = eg3d")
    with pytest.raises(UsageError, match=r"recipe\.toml is not TOML \(.*line 1"):
        load(str(file))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not a text"):
        load(str(file))
    with pytest.raises(InputError, match="there is no recipe"):
        load(str(tmp_path / "other.toml"))
    with pytest.raises(UsageError, match="did you mean eg3d-ffhq512-64"):
        load("eg3d-ffhq-64")


@pytest.mark.parametrize("name", bundled())
def test_bundled_recipes_are_complete(name: str) -> None:
    recipe = resolve(load(name))
    assert recipe.about
    assert recipe.kind in KINDS


PUBLISHED = [
    "eg3d-ffhq512-64",
    "eg3d-ffhq512-128",
    "eg3d-afhqcats512-128",
    "eg3d-shapenetcars128-64",
]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_recipes_make_the_published_models(name: str) -> None:
    """Apart from the cameras that cars are drawn from: here those that they are trained with."""
    recipe = read_published(name)
    made, published = recipe.generator_config(), PRESETS[name.removeprefix("eg3d-")]
    if name == "eg3d-shapenetcars128-64":
        assert made.camera_preset == "cars"
        made = replace(made, camera_preset=published.camera_preset, training=published.training)
    assert made == published


def test_published_settings() -> None:
    """What is particular to each (eg3d.md 9.7)."""
    first, second, cats, cars = (read_published(name) for name in PUBLISHED)
    recipes = (first, second, cats, cars)
    assert [recipe.train.kimg for recipe in recipes] == [25000, 2000, 25000, 25000]
    assert [recipe.loss.r1_gamma for recipe in recipes] == [1, 1, 5, 0.3]
    assert [recipe.loss.augment for recipe in recipes] == ["none", "none", "ada", "none"]
    assert [recipe.data.mirror for recipe in recipes] == [True, True, True, False]
    assert [recipe.loss.swap_probability for recipe in (first, second, cats)] == [0.5, 0.5, 0.8]
    for recipe in (first, cars):  # from scratch
        assert (recipe.loss.blur_fade_kimg, recipe.optim.ema_rampup) == (200, 0.05)
        assert recipe.train.init is None
    assert first.loss.swap_fade_kimg == 1000
    for recipe in (second, cats):  # from another run
        assert (recipe.loss.blur_fade_kimg, recipe.optim.ema_rampup) == (0, None)
        assert (recipe.loss.first_resolution, recipe.loss.resolution_fade_kimg) == (64, 1000)
        assert recipe.loss.swap_fade_kimg == 0
        assert recipe.train.init is not None
    assert (cats.loss.ada_target, cats.loss.ada_interval, cats.loss.ada_kimg) == (0.6, 4, 100)


@pytest.mark.parametrize("name", [*PUBLISHED, *(f"mimic3d-{name}" for name in MIMIC3D)])
def test_published_settings_of_all(name: str) -> None:
    """Options that the releases left as they are (eg3d.md 9, 9.7; mimic3d.md 8, 10)."""
    recipe = read_published(name)
    loss, optim, train = recipe.loss, recipe.optim, recipe.train
    assert (loss.r1_interval, loss.density_interval, loss.density_points) == (16, 4, 1000)
    assert (loss.density_reg, loss.density_distance) == (
        (0.25, 0.002) if name.endswith("-3d") else (0.25, 0.004)
    )
    assert (loss.density_regularizer, loss.style_mixing) == ("l1", 0)
    assert (loss.blur_sigma, loss.first_resolution) == (10, 64)
    assert (optim.generator_lr, optim.discriminator_lr) == (0.0025, 0.002)
    assert (optim.betas, optim.eps, optim.ema_kimg) == ((0, 0.99), 1e-8, None)
    assert (train.batch, train.batch_gpu, train.log_kimg) == (32, 4, 4)
    assert train.snapshot_kimg == (800 if name.startswith("mimic3d") else 200)
    assert recipe.model.discriminator == Discriminator(
        class_name="DualDiscriminator",
        channel_base=32768,
        channel_max=512,
        conv_clamp=256,
        mbstd_group_size=4,
        disc_c_noise=0,
        freeze_layers=0,
    )


def read_published(name: str) -> EG3DRecipe:
    recipe = resolve(load(name))
    assert isinstance(recipe, EG3DRecipe)
    return recipe


def test_all_stages_of_the_bundled_teacher_train_one_generator() -> None:
    names = ("eg3d-toyheads", "eg3d-toyheads-warm", "eg3d-toyheads-finetune")
    scratch, warm, tune = (resolve(load(name)) for name in names)
    assert scratch.model.generator == warm.model.generator == tune.model.generator
    bundled_model = load_model(find_model(tune.train.init), torch.device("cpu"))
    notes = tune.model.generator.training
    assert replace(bundled_model.eg3d_config, training=notes) == tune.model.generator
    assert (tune.loss.blur_fade_kimg, tune.optim.ema_rampup, tune.optim.ema_kimg) == (0, None, 0.5)


def write(folder: Path, **recipes: str) -> None:
    for name, text in recipes.items():
        (folder / f"{name}.toml").write_text(text)


def test_a_recipe_takes_over_what_it_does_not_say(tmp_path: Path) -> None:
    """Table by table, through several bases, of files beside it and of the package."""
    (tmp_path / "below").mkdir()
    write(
        tmp_path,
        first='base = "below/second.toml"\n[a]\nx = 1\n[a.b]\ny = 2',
        bundled='base = "eg3d-ffhq512-64"\n[train]\nkimg = 7',
    )
    write(
        tmp_path / "below",
        second='base = "third.toml"\nkind = "k"\n[a]\nx = 3\nz = 3',
        third="[a]\nx = 4\nu = 4\n[a.b]\ny = 4\nv = 4\n[c]\nw = 4",
    )
    assert load(str(tmp_path / "first.toml"), ["a.z=5"]) == {
        "kind": "k",
        "a": {"x": 1, "z": 5, "u": 4, "b": {"y": 2, "v": 4}},
        "c": {"w": 4},
    }
    recipe = resolve(load(str(tmp_path / "bundled.toml")))
    assert recipe == replace(
        resolve(load("eg3d-ffhq512-64")), train=replace(recipe.train, kimg=7.0)
    )


@pytest.mark.parametrize(
    ("base", "error", "message"),
    [
        ('"loop.toml"', UsageError, r"is a base of its own"),
        ('"own.toml"', UsageError, r"recipe own\.toml is a base of its own: change its base"),
        ('"none.toml"', InputError, r"there is no recipe none\.toml"),
        ('"eg3d-ffhq512"', UsageError, r"did you mean eg3d-ffhq512-64\?"),
        ("7", UsageError, r"the base of the recipe .* cannot be 7: name a recipe"),
    ],
)
def test_bases_that_cannot_be(
    tmp_path: Path, base: str, error: type[Exception], message: str
) -> None:
    write(tmp_path, own=f"base = {base}", loop='base = "own.toml"')
    with pytest.raises(error, match=message):
        load(str(tmp_path / "own.toml"))
