"""A list of variants of a training, read; their lengths and schedules cut to the same."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from nerfgan_cli.training.distill_recipe import CAMERAS_ALONE, DistillRecipe
from nerfgan_cli.training.eg3d_recipe import EG3DRecipe
from nerfgan_cli.training.kinds import resolve
from nerfgan_cli.training.recipe import Recipe
from nerfgan_cli.training.recipe_files import load
from nerfgan_cli.training.recipe_reader import flatten, parse_toml, to_plain

SNAPSHOTS = 4  # of each run


class Variant(NamedTuple):
    group: str
    name: str
    recipe: Recipe


class Listed(NamedTuple):
    base: Variant  # with which all others are compared
    variants: list[Variant]
    line: list[str]  # two rows of the table, which the chart joins


def read_list(arguments: argparse.Namespace) -> Listed:
    groups = parse_toml(arguments.list.read_text("utf-8"), str(arguments.list))
    usual, common = groups.pop("recipe"), groups.pop("settings", [])
    first, line = groups.pop("name", "base"), groups.pop("line", [])

    def variant(group: str, name: str, stated: str | list[str]) -> Variant:
        recipe, settings = (stated, []) if isinstance(stated, str) else (usual, stated)
        data = load(recipe, [*common, *arguments.settings, *settings])
        return Variant(group, name, shortened(resolve(data), arguments))

    listed = [(group, *item) for group, runs in groups.items() for item in runs.items()]
    return Listed(variant("", first, usual), [variant(*each) for each in listed], line)


def choose(variants: Sequence[Variant], only: Sequence[str] | None) -> list[Variant]:
    """Those of these groups or names; None: all."""
    if only is None:
        return list(variants)
    known = {name for variant in variants for name in variant[:2]}
    for name in only:
        if name not in known:
            raise SystemExit(f"the list has no {name}: give --only some of {', '.join(known)}.")
    return [variant for variant in variants if set(variant[:2]) & set(only)]


def shortened(recipe: Recipe, arguments: argparse.Namespace) -> Recipe:
    """Of the length that is asked for, with its whole schedule."""
    kimg, scale = arguments.kimg, arguments.kimg / recipe.train.kimg
    if isinstance(recipe, DistillRecipe) and recipe.data.kind != CAMERAS_ALONE:
        cut: Recipe = shortened_distillation(recipe, scale, arguments.targets, arguments.out)
    elif isinstance(recipe, EG3DRecipe):
        cut = shortened_volume(recipe, scale)
    else:
        raise SystemExit(
            "this recipe is neither a distillation with pictures nor of a volume with a "
            "discriminator: change it in the list."
        )
    plan = replace(cut.train, kimg=kimg, snapshot_kimg=kimg / SNAPSHOTS, keep=1, video_frames=0)
    return replace(cut, train=plan)


def shortened_distillation(
    recipe: DistillRecipe, scale: float, targets: int, out: Path
) -> DistillRecipe:
    """Stage 2 begins at a fixed time; all see the same targets."""
    plan, loss, optim = recipe.train, recipe.loss, recipe.optim
    return replace(
        recipe,
        teacher=replace(recipe.teacher, cache_targets=targets, cache_folder=str(out / "targets")),
        loss=replace(loss, discriminator_alone_kimg=loss.discriminator_alone_kimg * scale),
        optim=replace(
            optim, warmup_kimg=optim.warmup_kimg * scale, decay_kimg=optim.decay_kimg * scale
        ),
        train=replace(
            plan,
            switch_kimg=plan.switch_kimg * scale,
            plateau=0.0,
            heldout=plan.batch,  # a curve for the log: the judge compares with more, at the end
        ),
    )


def shortened_volume(recipe: EG3DRecipe, scale: float) -> EG3DRecipe:
    loss, optim = recipe.loss, recipe.optim
    average = None if optim.ema_kimg is None else optim.ema_kimg * scale
    return replace(
        recipe,
        loss=replace(
            loss,
            swap_fade_kimg=loss.swap_fade_kimg * scale,
            blur_fade_kimg=loss.blur_fade_kimg * scale,
            resolution_fade_kimg=loss.resolution_fade_kimg * scale,
        ),
        optim=replace(optim, ema_kimg=average),
    )


def plain(recipe: Recipe) -> dict[str, Any]:
    """As JSON has it."""
    data: dict[str, Any] = json.loads(json.dumps(to_plain(recipe)))
    return data


def changes(recipe: Recipe, base: Recipe) -> str:
    """What a recipe has otherwise."""
    before, now = (flatten(to_plain(each)) for each in (base, recipe))
    names = [name for name in now if now[name] != before[name] and name != "about"]
    return ", ".join(f"`{name} = {str(now[name]).lower()}`" for name in names)
