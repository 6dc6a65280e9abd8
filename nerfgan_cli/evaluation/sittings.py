"""Heads from several cameras each, and what is seen of them: rows that are kept on disk.

A head's conditioning camera is the frontal one for all its views, so that who it is cannot depend
on where it is seen from.
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
    Indices,
    batches,
    cameras_for,
    latents,
    read_indices,
)
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.media import to_pixels

Draw = Callable[[Indices], Iterator[Rows]]  # rows of some heads, in their order


class Sitting(NamedTuple):
    """From where heads are looked at."""

    name: str  # tells one from another; what the setting says of cameras need not be in it
    cameras: Callable[[Indices], Sequence[Camera]]  # for each view, B cameras


def of_teacher(setting: Setting) -> Setting:
    """The same of the teacher: its heads are the first that are judged, from the same cameras."""
    name = f"the teacher of {setting.name}"
    return replace(setting, name=name, generator=setting.teacher, images=None)


def own_and_front(setting: Setting) -> Sitting:
    """A head's own camera, then the canonical one."""
    assert setting.generator is not None
    front = PRESETS[setting.generator.camera_preset].frontal()
    return Sitting("own, front", lambda some: (cameras_for(setting, some), front))


def look_at_heads(
    setting: Setting, reader: FaceReader, sitting: Sitting, count: int
) -> list[Looks]:  # for each view, of `count` heads
    generator = setting.generator
    assert generator is not None
    facts = {**generator_facts(setting, generator, True), "sitting": sitting.name}

    def draw(indices: Indices) -> Iterator[Rows]:
        for some in batches(setting, indices):
            yield look_at_some(setting.seed, generator, reader, some, sitting.cameras(some))

    what = f"heads of {setting.name}, {sitting.name}"
    rows = _rows(setting, reader, facts, count, draw, what)
    width = 1 + 3 + 3 * reader.points + reader.code_size
    views = [rows[:, start : start + width] for start in range(0, rows.shape[1], width)]
    return [from_rows(view, reader.points, reader.code_size) for view in views]


def look_at_pictures(setting: Setting, reader: FaceReader, count: int) -> Looks:
    """Of pictures that were made elsewhere."""
    assert setting.images is not None

    def draw(indices: Indices) -> Iterator[Rows]:
        for sample in read_indices(setting, indices):
            yield to_rows(reader.look(sample.pictures))

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
    seed: int,
    generator: Generator,
    reader: FaceReader,
    indices: Indices,  # [B]
    cameras: Sequence[Camera],  # for each view, B or one for all
) -> Rows:  # [B, views · width]
    device = generator.latent_space().w_avg.device
    front = PRESETS[generator.camera_preset].frontal().to(device)
    ws = generator.mapping(latents(generator, seed, indices).to(device), front)
    subject = generator.prepare(ws)
    views = (generator.draw(subject, c.expand(len(indices)).to(device)).image for c in cameras)
    return np.concatenate([to_rows(reader.look(to_pixels(view))) for view in views], axis=1)


def _rows(
    setting: Setting,
    reader: FaceReader,
    facts: Mapping[str, object],
    count: int,
    draw: Draw,
    what: str,
) -> Rows:
    """What was not kept is looked at anew."""
    networks = [source for source in (*reader.sources.values(), reader.detector) if source]
    sums = sorted({source.sha256 for source in networks})
    folder = folder_of(setting.cache, "heads", {**facts, "networks": sums})

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
