"""What the editing commands have in common: a model with its way of drawing, sheets and films."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, radians, sqrt
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor
from tqdm import tqdm

from nerfgan_cli.cameras import Camera, CameraPreset
from nerfgan_cli.commands import options as o
from nerfgan_cli.commands.camera_path import PathName, Walk
from nerfgan_cli.commands.drawing import Look, Source, one_camera, require
from nerfgan_cli.commands.parsing import parse_batch
from nerfgan_cli.editing.walks import Way
from nerfgan_cli.encoder import video_writer
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import DrawOptions, Subject
from nerfgan_cli.generators.drawing import choose_batch, draw_views
from nerfgan_cli.media import Picture, captioned_grid, pictures_of, tile, write_png

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


@dataclass(frozen=True)
class Place:
    """Where a camera stands that does not move."""

    camera: o.CameraFile = None
    yaw: Annotated[
        float, typer.Option(min=-180, max=180, metavar="D", help="Degrees to the right.")
    ] = 0.0
    pitch: Annotated[float, typer.Option(min=-89, max=89, metavar="D", help="Degrees upwards.")] = (
        0.0
    )

    def refuse(self, walk: Walk | None = None) -> None:
        """What cannot be, beside a path of the camera if there is one."""
        turned = bool(self.yaw or self.pitch)
        if self.camera is not None and turned:
            raise UsageError("--camera and angles both say where it stands: give one of them.")
        moves = walk is not None and walk.way is not PathName.fixed
        if moves and (self.camera is not None or turned):
            raise UsageError(
                "--camera, --yaw and --pitch say where the camera stands still: give either "
                "these or a --camera-path."
            )

    def still(self, preset: CameraPreset) -> Camera:
        if self.camera is not None:
            return one_camera(self.camera, preset)
        return preset.at(radians(self.yaw), radians(self.pitch))


@dataclass(frozen=True)
class Studio:
    """A model, and how it draws."""

    source: Source
    look: Look
    options: DrawOptions
    batch: int

    @property
    def preset(self) -> CameraPreset:
        return self.look.preset(self.source.generator)

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
            yield from pictures_of(generator.synthesis(ws, views, options), self.look.what.value)

    @torch.inference_mode()
    def draw_subject(self, subject: Subject, camera: Camera) -> Picture:
        (rendering,) = draw_views(self.source.generator, subject, camera, self.options, 1)
        picture: Picture = pictures_of(rendering, self.look.what.value)[0]
        return picture

    def notes(self) -> dict[str, Any]:
        return self.look.notes(self.source, self.options)


def open_studio(model: str | None, look: Look, batch: str) -> Studio:
    """Loads a model and tells at once what it cannot draw."""
    size, options = parse_batch(batch), look.options()
    source = look.open(model)
    require(source, look.what.value, options.branch)
    return Studio(source, look, options, size or choose_batch(source.generator, options))


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
    pictures: Iterable[Picture],
    captions: Sequence[str],
    columns: int,
    out: Path,
    headings: Sequence[str] = (),  # of the rows
) -> None:
    with tqdm(pictures, total=len(captions), unit="view", disable=not sys.stderr.isatty()) as bar:
        write_png(captioned_grid(bar, captions, columns, headings), out)


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
