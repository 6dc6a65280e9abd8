"""Where recipes are: those of the package by name, others by their file."""

from collections.abc import Sequence
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.training.recipe_reader import override, parse_toml


def bundled() -> dict[str, str]:
    """The text of each recipe of the package, by name."""
    folder = files("nerfgan_cli.recipes")
    found = {file.name: file for file in folder.iterdir() if file.name.endswith(".toml")}
    return {name.removesuffix(".toml"): found[name].read_text("utf-8") for name in sorted(found)}


def load(recipe: str, settings: Sequence[str] = ()) -> dict[str, Any]:
    """The data of a recipe of the package or of a file, with settings of the command line."""
    data = read(recipe)
    override(data, settings)
    return data


def read(recipe: str, folder: Path = Path(), above: tuple[str, ...] = ()) -> dict[str, Any]:
    """A recipe's data. Its `base` is another recipe, from which it takes all that it does not say.

    Files are looked for in `folder`; `above` are the recipes of which this one is a base.
    """
    if recipe in above:
        raise UsageError(f"the recipe {recipe} is a base of its own: change its base.")
    text = bundled().get(recipe)
    if text is None:
        text = _read_file(recipe, folder)
        folder = (folder / Path(recipe).expanduser()).parent
    data = parse_toml(text, f"the recipe {recipe}")
    base = data.pop("base", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise UsageError(f"the base of the recipe {recipe} cannot be {base!r}: name a recipe.")
    return merge(read(base, folder, (*above, recipe)), data)


def merge(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """All values of both, table by table; its own come first."""
    merged = dict(base)
    for key, value in own.items():
        before = base.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            value = merge(before, value)
        merged[key] = value
    return merged


def _read_file(recipe: str, folder: Path) -> str:
    path = folder / Path(recipe).expanduser()
    if path.is_file():
        try:
            return path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"{recipe} is not a text: give a recipe in TOML.") from error
    if Path(recipe).suffix == ".toml" or Path(recipe).name != recipe:
        raise InputError(f"there is no recipe {recipe}: check the path.")
    near = get_close_matches(recipe, bundled(), n=1, cutoff=0.3)
    hint = f"did you mean {near[0]}?" if near else "see nerfgan train --list."
    raise UsageError(f"there is no recipe named {recipe!r}: {hint}")
