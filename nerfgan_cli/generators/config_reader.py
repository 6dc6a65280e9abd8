"""Configurations from plain JSON data, with every key, type and size checked; needs no torch."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from nerfgan_cli.errors import WeightsError

Config = TypeVar("Config")
MAX_INTEGER = 1 << 16  # the largest in use is StyleGAN3-R's channel base
MAX_LAYERS = 64


def read_config(kind: type[Config], data: Any) -> Config:
    """A frozen dataclass from plain JSON data; every key and type is checked."""
    name = kind.__name__
    if not isinstance(data, Mapping):
        raise WeightsError(f"the {name} of this model is not a table: get the file again.")
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for key in data:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else "update nerfgan."
            raise WeightsError(f"the {name} of this model has an unknown key {key!r}: {hint}")
    for key, item in known.items():
        if key not in data and item.default is MISSING and item.default_factory is MISSING:
            raise WeightsError(f"the {name} of this model lacks {key!r}: get the file again.")
    hints = get_type_hints(kind)
    return kind(**{key: _read(f"{name}.{key}", hints[key], value) for key, value in data.items()})


def _read(name: str, hint: Any, value: Any) -> Any:
    """`value` as a field's type."""
    if is_dataclass(hint) and isinstance(hint, type):
        return read_config(hint, value)
    if get_origin(hint) in (Union, UnionType):
        if value is None and NoneType in get_args(hint):
            return None
        options = [option for option in get_args(hint) if option is not NoneType]
        hint = next((option for option in options if _fits(option, value)), options[0])
    if get_origin(hint) is tuple and isinstance(value, list | tuple):
        return tuple(_read(name, get_args(hint)[0], item) for item in value)
    if not _fits(hint, value):
        raise WeightsError(
            f"{name} of this model cannot be {repr(value)[:60]}: get the file again."
        )
    largest = MAX_LAYERS if name.endswith("layers") else MAX_INTEGER
    if isinstance(value, int) and not 0 <= value <= largest:
        raise WeightsError(f"{name} of this model cannot be {value}: use 0 to {largest}.")
    return float(value) if hint is float else value


def _fits(hint: Any, value: Any) -> bool:
    if hint is float:
        return type(value) in (int, float)
    return isinstance(hint, type) and type(value) is hint
