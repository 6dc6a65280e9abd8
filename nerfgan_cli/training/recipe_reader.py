"""Recipes between TOML and dataclasses: every key and type is checked, keys are named in full."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from math import isfinite
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from nerfgan_cli.errors import NerfganError, UsageError

Table = TypeVar("Table")

NONE = "none"  # TOML has no null
NAMES = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}


def parse_toml(text: str, source: str) -> dict[str, Any]:
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source} is not TOML ({error}): mend it there.") from error
    return data


def override(data: dict[str, Any], settings: Sequence[str]) -> None:
    """Puts each "table.key=value" into the data; a value that is no TOML is a text."""
    for setting in settings:
        path, equals, text = setting.partition("=")
        *tables, key = path.strip().split(".")
        if not equals or not all((*tables, key)):
            raise UsageError(f"--set {setting!r} is no setting: write it as in train.kimg=0.5.")
        place = data
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise UsageError(f"--set {setting!r}: {table} is no table, it has no {key}.")
        try:
            place[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            place[key] = text.strip()


def read_table(kind: type[Table], data: Mapping[str, Any], path: str = "") -> Table:
    """A dataclass from a table of TOML; `path` is the table's name."""
    known = {item.name: item for item in stated(kind)}
    for key in data:
        if key not in known:
            raise _unknown(path, key, list(known))
    for key, item in known.items():
        if key not in data and item.default is MISSING and item.default_factory is MISSING:
            raise UsageError(f"the recipe lacks {_join(path, key)}: add it.")
    hints = get_type_hints(kind)
    values = {key: _read(_join(path, key), hints[key], value) for key, value in data.items()}
    try:
        return kind(**values)
    except UsageError:
        raise
    except NerfganError as error:
        raise UsageError(f"in [{path}] of the recipe, {error}") from error


def to_plain(table: Any) -> dict[str, Any]:
    """What `read_table` reads, of a dataclass."""
    return {item.name: _plain(getattr(table, item.name)) for item in stated(table)}


def stated(table: Any) -> list[Field[Any]]:
    """Fields of a dataclass that recipes state."""
    return [item for item in fields(table) if item.metadata.get("recipe", True)]


def flatten(data: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Values by their full names."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = _join(path, key)
        flat |= flatten(value, name) if isinstance(value, Mapping) else {name: value}
    return flat


def _unknown(path: str, key: str, known: Sequence[str]) -> UsageError:
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {_join(path, near[0])}?" if near else f"use one of {', '.join(known)}."
    return UsageError(f"the recipe has an unknown key {_join(path, key)}: {hint}")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_plain(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return NONE if value is None else value


def _read(name: str, hint: Any, value: Any) -> Any:
    """`value` as a field's type."""
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise UsageError(f"{name} is a table in a recipe, not {value!r}: write [{name}].")
        return read_table(hint, value, name)
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if NoneType in options and value == NONE:
        return None
    for option in options:
        if get_origin(option) is tuple and isinstance(value, list):
            return _read_tuple(name, get_args(option), value)
        if option is float and type(value) in (int, float) and isfinite(value):
            return float(value)
        if type(value) is option and option is not float:
            return value
    wanted = " or ".join(_describe(option) for option in options)
    raise UsageError(f"{name} cannot be {value!r}: give {wanted}.")


def _read_tuple(name: str, items: tuple[Any, ...], value: list[Any]) -> tuple[Any, ...]:
    if items[-1] is Ellipsis:
        items = items[:1] * len(value)
    if len(items) != len(value):
        raise UsageError(f"{name} cannot be {value!r}: give a list of {len(items)}.")
    return tuple(_read(name, item, part) for item, part in zip(items, value, strict=True))


def _describe(option: Any) -> str:
    if option is NoneType:
        return f'"{NONE}"'
    return NAMES.get(option, "a list")
