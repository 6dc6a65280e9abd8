"""What a figure can show of a subject (Mimic3D, figures 5, 7 and 8).

    image     as it is drawn
    depth     of the rays; near is bright
    shape     the surface that `nerfgan mesh` writes, in grey
    rows      the image, with those rows marked of which there are strips
    strip     one row of pixels over a sweep of the camera, time runs downwards; of each such row
    planes    the tri-planes that are drawn from, a picture of each
    residual  those that the 3D branch of a Mimic3D adds, alone

What a generator lacks it has no panel of.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.figures.planes import plane_names, plane_pictures
from nerfgan_cli.generators.contract import DrawOptions, Generator, Subject
from nerfgan_cli.generators.drawing import Sitter, choose_batch, draw_views, prepare_subject
from nerfgan_cli.media import Picture, enlarge, pictures_of
from nerfgan_cli.meshes.paint import Field
from nerfgan_cli.meshes.shading import find_body, shade
from nerfgan_cli.meshes.surface import LEVEL, MARGIN, TOP_MARGIN
from nerfgan_cli.reconstruction.strips import SWING, marked, stretched, strip
from nerfgan_cli.reconstruction.sweep import sweep


class Labelled(NamedTuple):
    label: str
    picture: Picture


@dataclass(frozen=True)
class Frame:
    """From where panels look, and how large they are."""

    yaw: float  # radians
    pitch: float
    size: int  # pixels of a side
    views: int  # of a strip
    rows: tuple[float, ...]  # that strips are of, in shares of the picture from its top


@dataclass(frozen=True)
class Scene:
    """A subject as one generator has it."""

    generator: Generator
    subject: Subject
    sitter: Sitter
    options: DrawOptions
    frame: Frame

    @property
    def camera(self) -> Camera:
        return PRESETS[self.generator.camera_preset].at(self.frame.yaw, self.frame.pitch)

    def draw(self, cameras: Camera, what: str) -> NDArray[np.uint8]:  # [N, H, W, 3]
        batch = choose_batch(self.generator, self.options)
        drawn = draw_views(
            self.generator, self.subject, cameras, self.options, batch, self.sitter.seed
        )
        return np.concatenate([pictures_of(rendering, what) for rendering in drawn])

    def rows_of(self, picture: Picture) -> list[int]:
        """Of pixels, from the top."""
        return [round(share * (len(picture) - 1)) for share in self.frame.rows]


@torch.inference_mode()
def prepare_scene(
    generator: Generator, sitter: Sitter, options: DrawOptions, frame: Frame
) -> Scene:
    return Scene(generator, prepare_subject(generator, sitter, options), sitter, options, frame)


@torch.inference_mode()
def draw_panel(scene: Scene, name: str) -> list[Labelled]:
    """The pictures of a panel, all of one size."""
    size = scene.frame.size
    return [Labelled(label, enlarge(one, size)) for label, one in PANELS[name].draw(scene)]


def _image(scene: Scene) -> list[Labelled]:
    return [Labelled("", scene.draw(scene.camera, "image")[0])]


def _rows(scene: Scene) -> list[Labelled]:
    (image,) = scene.draw(scene.camera, "image")
    return [Labelled("rows", marked(image, scene.rows_of(image)))]


def _depth(scene: Scene) -> list[Labelled]:
    return [Labelled("depth", scene.draw(scene.camera, "depth")[0])]


def _shape(scene: Scene) -> list[Labelled]:
    generator = scene.generator
    whole, pivot = generator.density_side, PRESETS[generator.camera_preset].pivot
    field = Field(generator, scene.subject, whole * (0.5 - TOP_MARGIN))
    body = find_body(field, pivot, whole * (1 - 2 * MARGIN), LEVEL)
    return [Labelled("shape", shade(body, scene.camera, scene.frame.size))]


def _strip(scene: Scene) -> list[Labelled]:
    frame = scene.frame
    pictures = scene.draw(sweep(scene.generator.camera_preset, frame.views, SWING), "image")
    return [
        Labelled(f"row {row}", stretched(strip(pictures, row), frame.size))
        for row in scene.rows_of(pictures[0])
    ]


def _planes(scene: Scene) -> list[Labelled]:
    sets = (scene.subject.planes, scene.subject.residual)
    there = [planes[0] for planes in sets if planes is not None]
    assert scene.generator.plane_axes is not None
    pictures = plane_pictures(there, scene.generator.plane_axes, scene.frame.size)
    names = plane_names(scene.generator.plane_axes)
    return [Labelled(*both) for both in zip(names, pictures, strict=True)]


def _residual(scene: Scene) -> list[Labelled]:
    added = _planes(replace(scene, subject=scene.subject._replace(planes=None)))
    return [Labelled(f"{label} residual", picture) for label, picture in added]


class Panel(NamedTuple):
    draw: Callable[[Scene], list[Labelled]]
    has: Callable[[Scene], bool] = lambda scene: True
    needs: str = ""  # what a generator lacks that has no such panel


PANELS = {
    "image": Panel(_image),
    "depth": Panel(_depth, lambda scene: scene.generator.has_depth, "depth"),
    "shape": Panel(_shape, lambda scene: scene.generator.has_density, "density"),
    "rows": Panel(_rows),
    "strip": Panel(_strip),
    "planes": Panel(_planes, lambda scene: scene.generator.plane_axes is not None, "tri-planes"),
    "residual": Panel(
        _residual, lambda scene: scene.subject.residual is not None, "residual planes"
    ),
}
