"""Bundled recipes of Mimic3D: the published ones (mimic3d.md 8 to 11), and the ablations."""

from dataclasses import replace
from math import ceil

import pytest

from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.mimic3d_config import PRESETS
from nerfgan_cli.training.kinds import resolve
from nerfgan_cli.training.mimic3d_recipe import Mimic3DRecipe, PatchDiscriminator
from nerfgan_cli.training.recipe_files import bundled, load


def read(name: str) -> Mimic3DRecipe:
    recipe = resolve(load(f"mimic3d-{name}"))
    assert isinstance(recipe, Mimic3DRecipe)
    return recipe


@pytest.mark.parametrize("name", PRESETS)
def test_published_recipes_make_the_published_models(name: str) -> None:
    """Apart from the cameras of cars: here those that they are trained with."""
    own, published = read(name).generator_config(), PRESETS[name]
    if name.startswith("shapenet128"):
        assert own.camera_preset == "cars"
        published = replace(published, camera_preset="cars", training=own.training)
    assert own == published
    assert own.conditioning_scale == 1
    assert own.raw_resolution == 64


FROM = {  # mimic3d.md 10; no others: from scratch
    "ffhq512-3d": "ffhq512-2d",
    "ffhq256-3d": "ffhq256-2d",
    "afhq512-2d": "ffhq512-2d",
    "afhq512-3d": "afhq512-2d",
    "afhq256-2d": "ffhq256-2d",
    "afhq256-3d": "afhq256-2d",
    "shapenet128-3d": "shapenet128-2d",
}


@pytest.mark.parametrize("name", PRESETS)
def test_published_settings(name: str) -> None:
    """What is particular to each (mimic3d.md 10, 11); the others are held in test_recipe.py."""
    recipe, cats, cars = read(name), name.startswith("afhq"), name.startswith("shapenet")
    loss, optim, start = recipe.loss, recipe.optim, recipe.train.init
    assert (loss.r1_gamma, loss.swap_probability) == (5 if cats else 1, 0.5)
    assert start == (f"runs/mimic3d-{FROM[name]}" if name in FROM else None)
    assert recipe.train.init_discriminator is recipe.train.init_patch_discriminator is None
    fades = (loss.blur_fade_kimg, loss.swap_fade_kimg, optim.ema_rampup)
    assert fades == ((200, 1000, 0.05) if start is None else (0, 0, None))
    assert loss.augment == ("ada" if cats else "none")
    if cats:
        assert (loss.ada_target, loss.ada_interval, loss.ada_kimg) == (0.6, 4, 100)
    assert (optim.stream_lr, optim.residual_lr, recipe.model.residual_gain) == (1, 1, 1)
    assert (recipe.train.kimg, recipe.data.mirror) == (25000, not cars)
    assert (loss.truth, loss.patch_truth) == (0, 0)
    strict = (1, 0.1 if "512" in name else 0.2) if name.endswith("-3d") else (0, 0)
    assert (loss.imitation, loss.patch_adversarial, loss.perceptual) == (*strict, "lpips-vgg")
    assert loss.perceptual_weights is loss.perceptual_discriminator is None
    assert recipe.model.patch_discriminator == PatchDiscriminator(
        channel_base=32768, channel_max=512, conv_clamp=256, mbstd_group_size=4
    )
    config = recipe.patch_discriminator_config()
    assert (config.img_resolution, config.c_dim, config.channel_base) == (64, 0, 32768)


# kimg of the published snapshots, also of those that others start from (mimic3d.md 10).
SNAPSHOTS = {
    **{"ffhq512-2d": 20800, "ffhq512-3d": 17000, "ffhq256-2d": 24000, "ffhq256-3d": 16200},
    **{"afhq512-2d": 4000, "afhq512-3d": 6200, "afhq256-2d": 1600, "afhq256-3d": 10000},
    **{"shapenet128-2d": 25000, "shapenet128-3d": 13600},
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_run_keeps_the_snapshot_that_is_published(name: str) -> None:
    """Of those between two that are saved, the recipe says how to end with them."""
    plan, text = read(name).train, bundled()[f"mimic3d-{name}"]
    assert plan.keep >= ceil(plan.kimg / plan.snapshot_kimg)
    between = SNAPSHOTS[name] < plan.kimg and SNAPSHOTS[name] % plan.snapshot_kimg > 0
    assert (f"--set train.kimg={SNAPSHOTS[name]} ends with it" in text) == between
    if name in FROM and (start := SNAPSHOTS[FROM[name]]) < plan.kimg:
        assert start % plan.snapshot_kimg == 0
        assert f"RUN/checkpoints/{start:06d}000.state" in text


@pytest.mark.parametrize("name", ["toyheads-3d", "toyheads-3d-warm", "ffhq256-3d"])
def test_renderings_that_the_2d_branch_could_not_enlarge(name: str) -> None:
    largest = 128 if name.startswith("ffhq") else 64
    with pytest.raises(UsageError, match=f"rendering of 200²: make raw_resolution {largest} or"):
        resolve(load(f"mimic3d-{name}", ["model.generator.raw_resolution=200"]))


def test_all_stages_of_the_bundled_mimic3d_train_one_generator() -> None:
    """Of two phases, which differ in the residual planes alone."""
    names = ("2d", "2d-warm", "3d", "3d-warm", "finetune", "full")
    planar, warm, *strict = (
        resolve(load(f"mimic3d-toyheads-{name}")).model.generator for name in names
    )
    assert planar == warm
    assert not planar.residual
    assert all(each == replace(planar, residual=True) for each in strict)


# Of tables 2 and 3: what each lacks, of the residual planes, the stream, and the two losses.
ABLATIONS = {
    "2d-only": ({"residual": False}, {"imitation": 0.0, "patch_adversarial": 0.0}),  # 2 A
    "imitation-only": ({"residual": False}, {"patch_adversarial": 0.0}),  # 2 B
    "no-adversary": ({}, {"patch_adversarial": 0.0}),  # 2 C
    "no-imitation": ({}, {"imitation": 0.0}),  # 2 D
    "no-3d-aware": ({"aware": False}, {}),  # 3
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablations_differ_in_what_they_say(name: str) -> None:
    full, recipe = read("toyheads-full"), read(f"toyheads-{name}")
    volume, losses = ABLATIONS[name]
    model = replace(full.model, generator=replace(full.model.generator, **volume))
    loss = replace(full.loss, **losses)
    assert recipe == replace(full, about=recipe.about, model=model, loss=loss)


def test_the_full_model_has_all_that_ablations_leave_out() -> None:
    full = read("toyheads-full")
    assert full.model.generator.residual
    assert full.model.generator.aware
    assert full.loss.imitation > 0
    assert full.loss.patch_adversarial > 0
    assert full.loss.patch_truth == 0  # imitation, and no truth, teaches its 3D branch
