"""The contract of every generator, teacher or student.

    ws = G.mapping(z, conditioning, truncation=0.7)    # [B, L, 512]
    out = G.synthesis(ws, camera)                      # Rendering

`synthesis` is `draw(prepare(ws), camera)`: `prepare` does whatever does not depend on the camera
(a teacher's planes), so that a video or a grid of views pays for it once per subject.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nerfgan_cli.cameras import Camera
from nerfgan_cli.errors import UsageError

NOISE_MODES = ("const", "random", "none")
DEFAULT_RAY_CHUNK = 8192  # rays that are in memory at once


class Rendering(NamedTuple):
    image: Tensor  # [B, 3, H, W] in [-1, 1]; `image_raw` if the options say raw_only
    image_raw: Tensor  # [B, 3, h, w] in [-1, 1], the first three channels of `features`
    features: Tensor  # [B, 32, h, w]
    depth: Tensor | None  # [B, 1, h, w], distance from the camera in world units; teachers only


class Subject(NamedTuple):
    """What stays the same while the camera turns."""

    ws: Tensor  # [B, L, w_dim]
    planes: Tensor | None = None  # [B, 3, C, H, W], volumetric generators only


@dataclass(frozen=True)
class DrawOptions:
    """How to draw.

    A generator without noise, rays or samples ignores what concerns them. It refuses a resolution
    that it cannot draw: `Generator.any_resolution` tells.
    """

    resolution: int | None = None  # side of the feature image, in rays; None: the model's own
    raw_only: bool = False  # no super-resolution: `image` is `image_raw`
    noise_mode: str = "const"  # of the backbone's noise images
    ray_chunk: int = DEFAULT_RAY_CHUNK  # bounds the memory of volume rendering
    depth_multiplier: float = 1.0  # scales the samples per ray, coarse and fine
    generator: torch.Generator | None = None  # draws jitter and noise; None: jitter at mid-bin

    def __post_init__(self) -> None:
        if self.noise_mode not in NOISE_MODES:
            raise UsageError(
                f"unknown noise mode {self.noise_mode!r}: use one of {', '.join(NOISE_MODES)}."
            )
        if self.ray_chunk < 1:
            raise UsageError(f"a ray chunk of {self.ray_chunk} is impossible: use 1 or more.")
        if self.resolution is not None and self.resolution < 1:
            raise UsageError(f"a resolution of {self.resolution} is impossible: use 1 or more.")


DEFAULT_OPTIONS = DrawOptions()


class Generator(nn.Module, ABC):
    """Base of all generators. Subclasses set the attributes below and implement the methods."""

    kind: str  # "eg3d", "mimic3d", "student": names the architecture in a checkpoint
    z_dim: int
    w_dim: int
    num_ws: int  # L, the rows of ws
    img_resolution: int  # H = W of `image`
    raw_resolution: int  # h = w of `features` unless the options say otherwise
    camera_preset: str  # a key of `cameras.PRESETS`: pivot, radius and focal length of the domain
    any_resolution: bool = False  # the options' resolution is free; else only `raw_resolution`
    has_depth: bool = False  # `Rendering.depth` is given
    has_density: bool = False  # `density(subject, points)` can be asked (meshes)

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The architecture as plain JSON data, enough to rebuild the generator."""

    @abstractmethod
    def mapping(
        self,
        z: Tensor,  # [B, z_dim]
        conditioning: Camera,  # B cameras (or one for all), fixed per subject
        truncation: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:  # [B, L, w_dim]
        """Style codes of a latent."""

    @abstractmethod
    def prepare(self, ws: Tensor, options: DrawOptions = DEFAULT_OPTIONS) -> Subject:
        """Everything about a subject that does not depend on the camera."""

    @abstractmethod
    def draw(
        self,
        subject: Subject,  # of B subjects, or of one for all cameras
        camera: Camera,  # B cameras
        options: DrawOptions = DEFAULT_OPTIONS,
    ) -> Rendering:
        """Draws each subject from its camera."""

    def synthesis(
        self, ws: Tensor, camera: Camera, options: DrawOptions = DEFAULT_OPTIONS
    ) -> Rendering:
        """`draw(prepare(ws), camera)`."""
        return self.draw(self.prepare(ws, options), camera, options)
