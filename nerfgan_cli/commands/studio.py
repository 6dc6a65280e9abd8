"""What the editing commands have in common: a model with its way of drawing, sheets and films."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, radians, sqrt
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor
from tqdm import tqdm

from nerfgan_cli.camera_files import load_cameras
from nerfgan_cli.cameras import Camera, CameraPreset
from nerfgan_cli.commands.drawing import Source, choose_preset, open_source, require
from nerfgan_cli.commands.options import DeviceName, PrecisionName, Shown
from nerfgan_cli.commands.parsing import parse_batch
from nerfgan_cli.editing.walks import Way
from nerfgan_cli.encoder import video_writer
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.generators.contract import DrawOptions, Subject
from nerfgan_cli.generators.drawing import choose_batch, draw_views
from nerfgan_cli.media import Picture, captioned_grid, pictures_of, tile, write_png

Yaw = Annotated[float, typer.Option(min=-180, max=180, metavar="D", help="Degrees to the right.")]
Pitch = Annotated[float, typer.Option(min=-89, max=89, metavar="D", help="Degrees upwards.")]
CameraFile = Annotated[
    Path | None,
    typer.Option("--camera", metavar="FILE", help="A camera from a file, instead of angles."),
]
Latents = Annotated[
    str | None,
    typer.Option(
        "--latents",
        "--latent",
        metavar="LIST",
        help="Files of latents, .npy of other programs, folders of inversions, or sums such as "
        "0.7*1+0.3*a.npy of seeds and files.",
    ),
]


class Look(NamedTuple):
    """The options of a picture, as they were given."""

    radius: float | None
    fov: float | None
    pivot: str | None
    what: Shown
    resolution: int | None
    ray_chunk: int
    batch: str


@dataclass(frozen=True)
class Studio:
    """A model, and how it draws."""

    source: Source
    preset: CameraPreset
    options: DrawOptions
    what: str
    batch: int

    def camera(self, file: Path | None, yaw: float, pitch: float) -> Camera:  # degrees
        """The one in a file, or at angles."""
        if file is None:
            return self.preset.at(radians(yaw), radians(pitch))
        if yaw or pitch:
            raise UsageError("--camera and angles both say where it stands: give one of them.")
        cameras = load_cameras(file, self.preset)
        if len(cameras) != 1:
            raise InputError(f"{file} has {len(cameras)} cameras: give a file of one.")
        return cameras[0][1]

    @torch.inference_mode()
    def draw(
        self,
        way: Way,  # from times to codes [T, L, w_dim]
        times: Tensor,  # [T]
        cameras: Camera,  # T
    ) -> Iterator[Picture]:
        """Another subject in each picture. Only those that are drawn at once are in memory."""
        generator, options = self.source.generator, self.options
        for start in range(0, len(times), self.batch):
            part = slice(start, start + self.batch)
            ws, views = way(times[part]), cameras[part].to(generator.latent_space().w_avg.device)
            yield from pictures_of(generator.synthesis(ws, views, options), self.what)

    @torch.inference_mode()
    def draw_subject(self, subject: Subject, camera: Camera) -> Picture:
        (rendering,) = draw_views(self.source.generator, subject, camera, self.options, 1)
        picture: Picture = pictures_of(rendering, self.what)[0]
        return picture

    def notes(self) -> dict[str, Any]:
        resolution = self.options.resolution or self.source.generator.raw_resolution
        return self.source.notes() | {"what": self.what, "resolution": resolution}


def open_studio(
    model: str | None, device: DeviceName, precision: PrecisionName, look: Look
) -> Studio:
    """Loads a model and tells at once what it cannot draw."""
    size = parse_batch(look.batch)
    options = DrawOptions(
        resolution=look.resolution,
        raw_only=look.what is not Shown.image,
        ray_chunk=look.ray_chunk,
    )
    source = open_source(model, device, precision)
    require(source, look.what.value)
    preset = choose_preset(source.generator, look.radius, look.fov, look.pivot)
    batch = size or choose_batch(source.generator)
    return Studio(source, preset, options, look.what.value, batch)


def notes_file(out: Path) -> Path:
    """The JSON beside what is shown."""
    return out.with_name(f"{out.name}.json")


def is_film(out: str) -> bool:
    """A video, or a sheet of pictures."""
    suffix = Path(out).suffix.lower()
    if suffix not in (".png", ".mp4"):
        raise UsageError(
            f"-o {out!r} is neither a .png nor an .mp4 file: end it in .png for a sheet of "
            "pictures, in .mp4 for a video."
        )
    return suffix == ".mp4"


def write_sheet(
    pictures: Iterable[Picture], captions: Sequence[str], columns: int, out: Path
) -> None:
    with tqdm(pictures, total=len(captions), unit="view", disable=not sys.stderr.isatty()) as bar:
        write_png(captioned_grid(bar, captions, columns), out)


def write_film(cells: Sequence[Iterator[Picture]], frames: int, fps: int, out: Path) -> None:
    """Frame by frame, the cells beside and above one another."""
    columns = ceil(sqrt(len(cells)))
    with (
        video_writer(out, fps) as write,
        tqdm(total=frames, unit="frame", disable=not sys.stderr.isatty()) as bar,
    ):
        for pictures in zip(*cells, strict=True):
            write(tile(pictures, columns))
            bar.update()
