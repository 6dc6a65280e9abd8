"""What the StyleGAN3 parity tests share: networks and inputs as a golden file's `meta` asks."""

import re
from dataclasses import fields
from typing import Any

from golden import fixed_input
from torch import Tensor

from nerfgan_cli.nn.stylegan3 import StyleGAN3
from nerfgan_cli.nn.stylegan3_filters import StyleGAN3Config

ARCHITECTURE = {field.name for field in fields(StyleGAN3Config)}


def build(config: dict[str, Any]) -> StyleGAN3:
    """The generator of a constructor call of the release; every setting must be understood."""
    architecture = {key: value for key, value in config.items() if key in ARCHITECTURE}
    rest = {key: value for key, value in config.items() if key not in ARCHITECTURE}
    return StyleGAN3(**rest, config=StyleGAN3Config(**architecture))


def input_name(text: str) -> str:
    """The name in a sentence like "fixed_input('layer.t_same.x', shape) * 2"."""
    match = re.match(r"fixed_input\('([^']+)'", text)
    assert match, text
    return match.group(1)


def factor(text: str) -> float:
    """The factor at the end of such a sentence."""
    match = re.search(r"\*\s*([\d.]+)$", text)
    return float(match.group(1)) if match else 1.0


def stated_input(text: str, shape: Any) -> Tensor:
    """The input that such a sentence describes."""
    return fixed_input(input_name(text), shape) * factor(text)
