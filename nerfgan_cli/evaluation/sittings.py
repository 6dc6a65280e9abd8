"""Heads from several cameras each, and what is seen of them: rows that are kept on disk.

A head's conditioning camera is the frontal one for all its views, so that who it is cannot depend
on where it is seen from; unless the setting wants each view's own, as in training.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from nerfgan_cli.cameras import PRESETS, Camera, viewing_angles
from nerfgan_cli.evaluation.features import generator_facts
from nerfgan_cli.evaluation.looks import Array, FaceReader, Looks, from_rows, to_rows
from nerfgan_cli.evaluation.metric import Setting
from nerfgan_cli.evaluation.rows import Rows, Work, fill, folder_of
from nerfgan_cli.evaluation.samples import (
    SEEDS_APART,
    Indices,
    batches,
    cameras_for,
    latents,
    read_pictures,
)
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, Generator
from nerfgan_cli.media import to_pixels

Draw = Callable[[Indices], Iterator[Rows]]  # rows of some heads, in their order


class Sitting(NamedTuple):
    """From where heads are looked at."""

    name: str  # tells one from another; what the setting says of cameras need not be in it
    cameras: Callable[[Indices], Sequence[Camera]]  # for each view, B cameras


def of_teacher(setting: Setting) -> Setting:
    """The same of the teacher: its heads are the first that are judged, from the same cameras."""
    name = f"the teacher of {setting.name}"
    return replace(
        setting,
        name=name,
        generator=setting.teacher,
        images=None,
        options=DEFAULT_OPTIONS,
        origin=None,
    )


def own_front_other(setting: Setting) -> Sitting:
    """A head's own camera, the canonical one, and another as its own might be."""
    assert setting.generator is not None
    front = PRESETS[setting.generator.camera_preset].frontal()

    def cameras(some: Indices) -> Sequence[Camera]:
        return cameras_for(setting, some), front, cameras_for(setting, some + SEEDS_APART)

    return Sitting("own, front, other", cameras)


def conditioning(setting: Setting) -> str:
    """For the protocol."""
    return "the camera of the view" if setting.condition_on_view else "frontal"


def mark(setting: Setting) -> str:
    """For the names of numbers that others cannot be compared with."""
    return setting.shown + "_conditioned" * setting.condition_on_view


def look_at_heads(
    setting: Setting, reader: FaceReader, sitting: Sitting, count: int
) -> list[Looks]:  # for each view, of `count` heads
    generator = setting.generator
    assert generator is not None
    frontal = not setting.condition_on_view
    facts = {**generator_facts(setting, generator, frontal), "sitting": sitting.name}

    def draw(indices: Indices) -> Iterator[Rows]:
        for some in batches(setting, indices):
            yield look_at_some(setting, generator, reader, some, sitting.cameras(some))

    what = f"heads of {setting.name}, {sitting.name}"
    rows = _rows(setting, reader, facts, count, draw, what)
    width = 1 + 3 + 3 * reader.points + reader.code_size
    views = [rows[:, start : start + width] for start in range(0, rows.shape[1], width)]
    return [from_rows(view, reader.points, reader.code_size) for view in views]


def look_at_pictures(setting: Setting, reader: FaceReader, count: int) -> Looks:
    """Of pictures that were made elsewhere."""
    assert setting.images is not None

    def draw(indices: Indices) -> Iterator[Rows]:
        for pictures in read_pictures(setting, indices):
            yield to_rows(reader.look(pictures))

    facts = {"pictures": setting.images.fingerprint()}
    rows = _rows(setting, reader, facts, count, draw, f"pictures of {setting.name}")
    return from_rows(rows, reader.points, reader.code_size)


def true_angles(setting: Setting, count: int) -> Array:  # [N, 3], radians; NaN where unknown
    """Of the cameras that the heads were asked for."""
    indices = np.arange(count)
    if setting.generator is None:
        assert setting.images is not None
        cameras = Camera.from_label(setting.images.labels(indices))
    else:
        cameras = cameras_for(setting, indices)
    return torch.stack(viewing_angles(cameras.cam2world.double()), dim=1).numpy()


@torch.inference_mode()
def look_at_some(
    setting: Setting,
    generator: Generator,
    reader: FaceReader,
    indices: Indices,  # [B]
    cameras: Sequence[Camera],  # for each view, B or one for all
) -> Rows:  # [B, views · width]
    device, options = generator.latent_space().w_avg.device, setting.options
    front = PRESETS[generator.camera_preset].frontal().to(device)
    z = latents(generator, setting.seed, indices).to(device)
    subject = generator.prepare(generator.mapping(z, front), options)
    rows = []
    for camera in cameras:
        place = camera.expand(len(indices)).to(device)
        if setting.condition_on_view:
            subject = generator.prepare(generator.mapping(z, place), options)
        pixels = to_pixels(generator.draw(subject, place, options).image)
        rows.append(to_rows(reader.look(pixels)))
    return np.concatenate(rows, axis=1)


def _rows(
    setting: Setting,
    reader: FaceReader,
    facts: Mapping[str, object],
    count: int,
    draw: Draw,
    what: str,
) -> Rows:
    """What was not kept is looked at anew."""
    sources = {**reader.sources, "detector": reader.detector}
    networks = {what: source and source[1:] for what, source in sources.items()}
    folder = folder_of(setting.cache, "heads", {**facts, "networks": networks})

    def make(work: Sequence[Work]) -> Iterator[Mapping[str, Rows]]:
        for some in work:
            yield {"heads": np.concatenate(list(draw(some.indices)))}

    tables = fill(
        setting.world,
        {"heads": folder},
        count,
        make,
        lambda done: setting.progress(what, done, count),
    )
    return tables["heads"].all()
