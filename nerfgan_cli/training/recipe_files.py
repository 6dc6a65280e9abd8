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
    text = bundled().get(recipe)
    if text is None:
        text = _read_file(recipe)
    data = parse_toml(text, f"the recipe {recipe}")
    override(data, settings)
    return data


def _read_file(recipe: str) -> str:
    path = Path(recipe).expanduser()
    if path.is_file():
        try:
            return path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"{recipe} is not a text: give a recipe in TOML.") from error
    if path.suffix == ".toml" or path.name != recipe:
        raise InputError(f"there is no recipe {recipe}: check the path.")
    near = get_close_matches(recipe, bundled(), n=1, cutoff=0.3)
    hint = f"did you mean {near[0]}?" if near else "see nerfgan train --list."
    raise UsageError(f"there is no recipe named {recipe!r}: {hint}")
