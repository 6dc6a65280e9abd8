"""How a volume is sampled; needs no torch, so that descriptions of models can be read without."""

from dataclasses import dataclass, replace

from nerfgan_cli.errors import InputError
from nerfgan_cli.ops.plane_axes import PLANE_AXES

FEWEST_COARSE = 4  # importance sampling drops the outermost intervals


@dataclass(frozen=True)
class VolumeConfig:
    """How a volume is sampled. Lengths are in world units."""

    depth_resolution: int = 48  # samples of the first pass
    depth_resolution_importance: int = 48  # samples added where the first found density
    ray_start: float | str = 2.25  # "auto": where the ray enters the cube
    ray_end: float | str = 3.3
    box_warp: float = 1.0  # side of the cube that the planes span
    disparity_space_sampling: bool = False
    white_back: bool = False
    density_noise: float = 0.0  # standard deviation, added to sigma where draws are random
    plane_axes: str = "released"  # a key of PLANE_AXES

    def __post_init__(self) -> None:
        if self.plane_axes not in PLANE_AXES:
            raise InputError(
                f"unknown plane axes {self.plane_axes!r}: use one of {', '.join(PLANE_AXES)}."
            )
        limits = (self.ray_start, self.ray_end)
        if limits != ("auto", "auto") and any(isinstance(limit, str) for limit in limits):
            raise InputError(
                f"rays from {limits[0]} to {limits[1]} make no sense: use numbers, or 'auto' twice."
            )
        if limits != ("auto", "auto") and not float(self.ray_start) < float(self.ray_end):
            raise InputError(
                f"rays from {limits[0]} to {limits[1]} have no length: "
                "make ray_start smaller than ray_end."
            )
        if not self.box_warp > 0:
            raise InputError(f"a volume with a side of {self.box_warp:g} is impossible: use > 0.")
        if self.depth_resolution < FEWEST_COARSE or self.depth_resolution_importance < 0:
            raise InputError(
                f"{self.depth_resolution} + {self.depth_resolution_importance} samples along a ray "
                f"are too few: use at least {FEWEST_COARSE} + 0."
            )

    def scaled(self, multiplier: float) -> "VolumeConfig":
        """The same volume with more or fewer samples along each ray."""
        if multiplier == 1:
            return self
        coarse = max(round(self.depth_resolution * multiplier), FEWEST_COARSE)
        fine = round(self.depth_resolution_importance * multiplier)
        return replace(self, depth_resolution=coarse, depth_resolution_importance=fine)
