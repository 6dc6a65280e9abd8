"""Golden files: where they are, how their weights and inputs are made."""

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

ROOT = Path(os.environ.get("NERFGAN_GOLDENS", Path(__file__).parents[1] / "goldens"))


def _load_fill() -> ModuleType:
    path = ROOT / "fill.py"
    if not path.is_file():
        path = Path(__file__).parents[1] / "goldens" / "fill.py"
    spec = importlib.util.spec_from_file_location("golden_fill", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fill = _load_fill()


if "NERFGAN_GOLDENS" in os.environ and not any(ROOT.glob("*.npz")):
    raise FileNotFoundError(f"NERFGAN_GOLDENS is {ROOT}, which holds no golden files (*.npz)")


class Golden:
    """One golden file: arrays as tensors, settings in `meta`, inputs made by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._arrays = np.load(path, allow_pickle=False)
        self.meta: dict[str, Any] = json.loads(str(self._arrays["meta"]))
        self.prefix: str = self.meta.get("prefix", "")

    def __contains__(self, key: str) -> bool:
        return key in self._arrays.files

    def keys(self) -> list[str]:
        return [key for key in self._arrays.files if key != "meta"]

    def array(self, key: str) -> np.ndarray:
        return self._arrays[key]

    def __getitem__(self, key: str) -> Tensor:
        return torch.from_numpy(np.array(self._arrays[key]))

    def fx(self, name: str, shape: Any, scale: float = 1.0) -> Tensor:
        """The EG3D goldens' inputs: fixed_input(prefix + "/" + name)."""
        value = fill.fixed_input(f"{self.prefix}/{name}", tuple(shape), scale)
        return torch.from_numpy(np.asarray(value))

    def blocky(self, name: str, shape: Any) -> Tensor:
        """Low-frequency test picture: 16×16 squares with a little noise."""
        n, c, h, w = shape
        coarse = self.fx(name, (n, c, 16, 16))
        rows = torch.arange(h) * 16 // h
        columns = torch.arange(w) * 16 // w
        return 0.5 * coarse[:, :, rows][:, :, :, columns] + 0.1 * self.fx(f"{name}/noise", shape)


def fixed_input(name: str, shape: Any, scale: float = 1.0) -> Tensor:
    """The StyleGAN3 goldens' inputs, without a prefix."""
    return torch.from_numpy(np.asarray(fill.fixed_input(name, tuple(shape), scale)))


def filled(module: nn.Module, rename: Callable[[str], str] = lambda name: name) -> nn.Module:
    """`module` with every tensor filled by its released name, in evaluation mode."""
    fill.fill_module(module, rename)
    return module.eval().requires_grad_(False)


def goldens(pattern: str) -> list[Any]:
    """Pytest parameters: the golden files of a family; one skipped entry where there are none."""
    paths = sorted(ROOT.glob(pattern))
    if not paths:
        reason = f"no {pattern} in {ROOT}: set NERFGAN_GOLDENS to a folder that has them"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id=pattern)]
    return [pytest.param(path, id=path.stem) for path in paths]


def assert_close(actual: Tensor, golden: Tensor, tolerance: float, floor: float = 1.0) -> None:
    """|a − b| ≤ tolerance · max(floor, max|b|); floor = 0 makes it purely relative."""
    golden = golden.to(actual.device)
    assert actual.shape == golden.shape
    error = (actual.double() - golden.double()).abs().max().item() if golden.numel() else 0.0
    bound = tolerance * max(floor, golden.double().abs().max().item() if golden.numel() else 0.0)
    assert error <= bound, f"largest error {error:.3g} exceeds {bound:.3g}"
