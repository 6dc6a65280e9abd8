"""The contract of every generator, teacher or student.

    ws = G.mapping(z, conditioning, truncation=0.7)    # [B, L, 512]
    out = G.synthesis(ws, camera)                      # Rendering

`synthesis` is `draw(prepare(ws), camera)`: `prepare` does whatever does not depend on the camera
(a teacher's planes), so that a video or a grid of views pays for it once per subject.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nerfgan_cli.cameras import Camera
from nerfgan_cli.errors import UsageError
from nerfgan_cli.nn.decoder import Decoded
from nerfgan_cli.nn.mapping import MappingNetwork, exchange_layers

NOISE_MODES = ("const", "random", "none")
DEFAULT_RAY_CHUNK = 8192  # rays that are in memory at once


class Rendering(NamedTuple):
    image: Tensor  # [B, 3, H, W] in [-1, 1]; `image_raw` if the options say raw_only
    image_raw: Tensor  # [B, 3, h, w] in [-1, 1], the first three channels of `features`
    features: Tensor  # [B, 32, h, w]; of a branch that is nothing but an image, [B, 3, h, w]
    depth: Tensor | None  # [B, 1, h, w], distance from the camera in world units; teachers only


class Subject(NamedTuple):
    """What stays the same while the camera turns."""

    ws: Tensor  # [B, L, w_dim], and rows of an offset, if any
    planes: Tensor | None = None  # [B, 3, C, H, W], volumetric generators only
    donor: Tensor | None = None  # [B, L, w_dim], who lends some layers: of a student's `mix`
    lent: Tensor | None = None  # [mixing_layers], whether a layer is the donor's
    residual: Tensor | None = None  # [B, 3, C, H', W'], planes whose features add to those
    solid: Tensor | None = None  # [B, N, N, N], where a ray can see something (`nn/skipping.py`)


class StyleMap(NamedTuple):
    """The linear part of the way from a style code to the style of one layer."""

    row: int  # of ws, that the layer listens to
    matrix: Tensor  # [styles, w_dim]


@dataclass(frozen=True)
class DrawOptions:
    """How to draw.

    A generator without noise, rays, samples or super-resolution ignores what concerns them. It
    refuses a resolution that it cannot draw: `Generator.any_resolution` tells.
    """

    resolution: int | None = None  # side of the feature image, in rays; None: the model's own
    raw_only: bool = False  # no super-resolution: `image` is `image_raw`
    # `image_raw` is what the official program returns and has shown to the discriminator: some of
    # its super-resolutions add their first toRGB to it in place. `features` never change.
    official_raw: bool = False
    noise_mode: str = "const"  # of the backbone's noise images
    ray_chunk: int = DEFAULT_RAY_CHUNK  # bounds the memory of volume rendering
    depth_multiplier: float = 1.0  # scales the samples per ray, coarse and fine
    # Chunks of rays, a student's features and super-resolutions are drawn again for their
    # gradients: less memory.
    recompute: bool = False
    generator: torch.Generator | None = None  # draws jitter and noise; None: jitter at mid-bin
    branch: str | None = None  # one of the generator's `branches`; None: the first of them
    skipping: bool = True  # samples that no ray sees are left out, where nothing is trained

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

    kind: str  # "eg3d", "mimic3d", "student": names the architecture in a checkpoint (`registry`)
    z_dim: int
    w_dim: int
    num_ws: int  # L, the rows of ws
    img_resolution: int  # H = W of `image`
    raw_resolution: int  # h = w of `features` unless the options say otherwise
    camera_preset: str  # a key of `cameras.PRESETS`: pivot, radius and focal length of the domain
    any_resolution: bool = False  # the options' resolution is free; else only `raw_resolution`
    has_depth: bool = False  # `Rendering.depth` is given
    has_density: bool = False  # `sample` can be asked (meshes)
    branches: tuple[str, ...] = ()  # ways to draw, where there are several; the usual one first
    finest_branch: str | None = None  # of those, the one in which all planes have a part
    density_side: float = 1.0  # of the cube about the origin that the subject is in
    plane_axes: str | None = None  # of its tri-planes, a key of PLANE_AXES; None: it has none
    rows_differ: bool = True  # each row of ws drives layers of its own; else the first drives all
    # Rows that may follow those of ws, and then add to the codes of a student's own layers: what an
    # inversion in W+ finds. They are a part of one subject, as ws is, and of it alone.
    offset_rows: int = 0

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
    def latent_space(self) -> MappingNetwork:
        """What makes style codes: generators that share it understand each other's."""

    @property
    def branch(self) -> str | None:
        """The usual one, if there are several."""
        return self.branches[0] if self.branches else None

    def prefer_branch(self, branch: str) -> None:
        """From now on it is the usual one."""
        if branch not in self.branches:
            has = f"only {', '.join(self.branches)}" if self.branches else "none at all"
            raise UsageError(
                f"this model has no branch {branch!r}, {has}: leave the branch out, or use a "
                "Mimic3D of the 3D phase, which has both."
            )
        self.branches = (branch, *(other for other in self.branches if other != branch))

    def scale_samples(self, multiplier: float) -> None:
        """From now on as many times the samples along each ray, where there are rays: a model that
        was tuned with more is drawn with more."""

    def rays_per_side(self, options: DrawOptions = DEFAULT_OPTIONS) -> int:
        """Side of the feature image."""
        return options.resolution or self.raw_resolution

    @property
    def mixing_layers(self) -> int:
        """How many layers `mix` can exchange: the rows of ws, or a student's own."""
        return self.num_ws

    def mix(
        self,
        ws: Tensor,  # [B, L, w_dim]
        donor: Tensor,  # [B, L, w_dim]
        layers: Sequence[int],  # of `mixing_layers`, that are the donor's
        options: DrawOptions = DEFAULT_OPTIONS,
    ) -> Subject:
        """A subject with some layers of another (Karras et al. 2019, section 3.1)."""
        return self.prepare(exchange_layers(ws, donor, layers), options)

    def style_maps(self) -> list[StyleMap]:
        """Of the layers that draw a subject, in their order; empty where there are none."""
        return []

    def layer_codes(self, ws: Tensor, camera: Camera) -> Tensor | None:  # [B, rows, w_dim]
        """What drives its layers, if that is made of ws and the camera; None: ws itself."""
        return None

    def noise_images(self) -> dict[str, Tensor]:  # each [H, W]
        """Buffers, by name, that noise mode "const" adds to features: a part of who is drawn."""
        return {}

    def sample(self, subject: Subject, points: Tensor) -> Decoded:  # [B, N, 3] in the world
        """Density before its activation and colours at points, where `has_density`."""
        raise UsageError("this model has no volume to look into: use a volumetric one.")

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
