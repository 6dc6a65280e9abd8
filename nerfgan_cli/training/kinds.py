"""The kinds of training: which dataclass reads each kind of recipe, and which class trains it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nerfgan_cli.errors import UsageError
from nerfgan_cli.training.distill_recipe import DistillRecipe
from nerfgan_cli.training.distill_task import DistillTask
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d_recipe import EG3DRecipe
from nerfgan_cli.training.eg3d_task import EG3DTask
from nerfgan_cli.training.mimic3d_recipe import Mimic3DRecipe
from nerfgan_cli.training.mimic3d_task import Mimic3DTask
from nerfgan_cli.training.recipe import Recipe
from nerfgan_cli.training.recipe_reader import read_table
from nerfgan_cli.training.task import Task
from nerfgan_cli.training.warm_recipe import Mimic3DWarmRecipe, WarmRecipe
from nerfgan_cli.training.warm_task import WarmTask


class Kind(NamedTuple):
    recipe: type[Recipe]
    task: Callable[[Any, World], Task]  # takes a recipe of that class


KINDS = {
    "eg3d": Kind(EG3DRecipe, EG3DTask),
    "mimic3d": Kind(Mimic3DRecipe, Mimic3DTask),
    "distill": Kind(DistillRecipe, DistillTask),
    "warm": Kind(WarmRecipe, WarmTask),
    "mimic3d-warm": Kind(Mimic3DWarmRecipe, WarmTask),
}


def resolve(data: Mapping[str, Any]) -> Recipe:
    """The recipe that TOML data state, complete and checked."""
    kind = data.get("kind")
    if kind not in KINDS:
        raise UsageError(f"the recipe's kind cannot be {kind!r}: use one of {', '.join(KINDS)}.")
    recipe = read_table(KINDS[kind].recipe, data)
    recipe.data.refuse_idle_keys()
    return recipe


def build_task(recipe: Recipe, world: World) -> Task:
    """The networks and all else that the recipe trains, before the first step."""
    return KINDS[recipe.kind].task(recipe, world)
