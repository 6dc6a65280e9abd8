"""What an inversion leaves behind: the tuned model, pictures, a video, numbers.

pivot.safetensors  whom: w, noise images, statistics     camera.json   from where
model.safetensors  what tuning changed                   progress.jsonl
target.png  projected.png  tuned.png                     of each photograph
comparison.png  sweep.mp4                                and from other sides
frames.mp4  frames/                                      of a video, instead of its pictures
result.json
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from math import isinf, radians
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from nerfgan_cli import __version__
from nerfgan_cli.camera_files import describe
from nerfgan_cli.camera_paths import swing
from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.checkpoints.delta import write_tuned
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.toyheads import is_of_toyheads
from nerfgan_cli.checkpoints.zoo import RESULT, TUNED, UNFINISHED
from nerfgan_cli.encoder import video_writer
from nerfgan_cli.evaluation.looks import IDENTITY, FaceReader
from nerfgan_cli.files import make_folder, replacing
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.drawing import choose_batch, draw_views
from nerfgan_cli.inversion.extras import FRAMES, codes_of_frames
from nerfgan_cli.inversion.photos import View
from nerfgan_cli.inversion.run import Inversion, Job
from nerfgan_cli.inversion.settings import Settings
from nerfgan_cli.latent_files import OFFSET, Latent, fit_latent, write_latent
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.media import Picture, captioned_grid, pictures_of, tile, to_pixels, write_png
from nerfgan_cli.metrics.identity import cosines
from nerfgan_cli.metrics.psnr import psnr

NOVEL = ((-30.0, 0.0), (30.0, 0.0), (0.0, 15.0))  # yaw and pitch, degrees
SWEEP_YAW = 30.0  # degrees to either side
SWEEP_FRAMES, FRAMES_PER_SECOND = 60, 30


@torch.inference_mode()
def write_report(
    job: Job,
    inversion: Inversion,
    folder: Path,
    other: tuple[str, Generator] | None,  # another model of the same latents
    reader: FaceReader | None,  # tells people apart
) -> dict[str, Any]:
    """Everything but what the run has written."""
    tuned_file = folder / TUNED
    samples = job.settings.depth_multiplier
    bits = write_tuned(
        tuned_file, job.generator, inversion.tuned, job.base, job.provenance, samples
    )
    tuned = load_model(tuned_file, job.generator.latent_space().w_avg.device)  # as others get it
    options = DrawOptions(depth_multiplier=samples)
    ws, codes = fit_latent(inversion.pivot, tuned), codes_of_frames(inversion.pivot, tuned)
    drawn = {  # the tuned model has its samples of its own
        "projected": draw(inversion.projecting, codes, inversion.views, options),
        "tuned": draw(tuned, codes, inversion.views, DrawOptions()),
    }
    targets = [to_pixels(view.target)[0] for view in inversion.views]
    found = {
        name: measure(drawn[name], inversion.views, distance)
        for name, distance in (
            ("projected", job.distances.pivot),
            ("tuned", job.distances.tuning),
        )
    }
    pictures = {"target": targets, **{name: shown(images) for name, images in drawn.items()}}
    if job.settings.frames is None:
        rows = list(range(len(targets)))
        write_pictures(folder, pictures)
    else:
        rows = sorted({0, len(targets) // 2, len(targets) - 1})
        write_frames(folder, inversion.pivot, tuned, codes, pictures)
    write_comparison(
        folder / "comparison.png", rows, pictures, found, film(tuned, ws, aside(tuned))
    )
    write_sweep(folder / "sweep.mp4", tuned, ws)
    result = describe_result(job, inversion, found)
    sizes = {str(b): list(bits.values()).count(b) for b in sorted(set(bits.values()))}
    result["delta"] = {"bytes": tuned_file.stat().st_size, "tensors_by_bits": sizes}
    if reader is not None:
        alike = {name: likeness(reader, targets, shown(images)) for name, images in drawn.items()}
        result["identity"] = {"network": reader.sources[IDENTITY].name} | alike
    if other is not None:
        name, generator = other
        result["other_model"] = {
            "model": name,
            "psnr_of_projections": agreement(
                generator, inversion.pivot, drawn["projected"], inversion.views, options
            ),
        }
    with replacing(folder / RESULT) as unfinished:
        unfinished.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", "utf-8")
    (folder / UNFINISHED).unlink(missing_ok=True)
    return result


def draw(
    generator: Generator,
    codes: Tensor,  # [1, L, w_dim], or of each photograph
    views: Sequence[View],
    options: DrawOptions,
) -> list[Tensor]:  # [1, 3, H, H] each
    """The subject from the camera of each photograph."""
    if len(codes) == 1:
        subject = generator.prepare(codes, options)
        return [generator.draw(subject, view.camera, options).image for view in views]
    images = []
    for number, view in enumerate(views):  # a subject at a time: there may be hundreds
        subject = generator.prepare(codes[number % len(codes), None], options)
        images.append(generator.draw(subject, view.camera, options).image)
    return images


def write_pictures(folder: Path, pictures: dict[str, list[Picture]]) -> None:
    for name, some in pictures.items():
        for index, picture in enumerate(some):
            write_png(picture, folder / (f"{name}-{index + 1}.png" if index else f"{name}.png"))


def write_frames(
    folder: Path,
    pivot: Latent,
    tuned: Generator,
    codes: Tensor,  # [V, L, w_dim]
    pictures: dict[str, list[Picture]],
) -> None:
    """A video, which also shows the subject from the front, and a latent of each frame."""
    frontal = PRESETS[tuned.camera_preset].frontal().to(codes.device)
    with video_writer(folder / "frames.mp4", FRAMES_PER_SECOND) as write:
        for number, row in enumerate(zip(*pictures.values(), strict=True)):
            (front,) = film(tuned, codes[number, None], frontal)
            write(tile([*row, front], len(row) + 1))
    make_folder(folder / FRAMES)
    for number, move in enumerate(pivot.tensors[FRAMES]):
        own = {name: tensor for name, tensor in pivot.tensors.items() if name == OFFSET}
        frame = Latent(pivot.ws + move.to(pivot.ws), f"frame {number}", pivot.model, own)
        write_latent(folder / FRAMES / f"{number:04d}.safetensors", frame)


def shown(images: Sequence[Tensor]) -> list[Picture]:
    return [to_pixels(image)[0] for image in images]


def measure(
    images: Sequence[Tensor], views: Sequence[View], distance: Perceptual
) -> dict[str, list[float]]:
    """Of each photograph, without its mask; MSE in [-1, 1], PSNR and SSIM of the PNG files."""
    found: dict[str, list[float]] = {"perceptual": [], "mse": [], "psnr": [], "ssim": []}
    for image, view in zip(images, views, strict=True):
        pictures = to_pixels(image), to_pixels(view.target)
        found["perceptual"].append(float(distance(image, view.target)))
        found["mse"].append(float((image - view.target).square().mean()))
        found["psnr"].append(float(psnr(*pictures)[0]))
        ssim: Any = structural_similarity(  # type: ignore[no-untyped-call]
            pictures[0][0], pictures[1][0], channel_axis=2
        )
        found["ssim"].append(float(ssim))
    return {name: [round(value, 5) for value in values] for name, values in found.items()}


def likeness(
    reader: FaceReader, targets: Sequence[Picture], drawn: Sequence[Picture]
) -> list[float | None]:
    """Cosine of the identities in each photograph and drawing; None: no face is found in one."""
    looks = reader.look(np.stack([*targets, *drawn]))
    count = len(targets)
    both = looks.found[:count] & looks.found[count:]
    values = iter(cosines(looks.codes[:count][both], looks.codes[count:][both]).tolist())
    return [round(next(values), 4) if seen else None for seen in both]


def agreement(
    other: Generator,
    pivot: Latent,
    projected: Sequence[Tensor],
    views: Sequence[View],
    options: DrawOptions,
) -> list[float]:
    """PSNR between what both models draw of the pivot, neither of them tuned."""
    drawn = draw(other, codes_of_frames(pivot, other), views, options)
    pairs = zip(shown(drawn), shown(projected), strict=True)
    return [round(float(psnr(a[None], b[None])[0]), 2) for a, b in pairs]


def aside(generator: Generator) -> Camera:
    """The cameras of `NOVEL`."""
    yaws, pitches = ([radians(angle) for angle in angles] for angles in zip(*NOVEL, strict=True))
    return PRESETS[generator.camera_preset].at(yaws, pitches)


def write_comparison(
    path: Path,
    rows: list[int],
    pictures: dict[str, list[Picture]],
    found: dict[str, dict[str, list[float]]],
    novel: Iterable[Picture],
) -> None:
    """A row for each of some photographs, then the tuned model from three other sides."""
    cells, captions = [], []
    for index in rows:
        cells += [some[index] for some in pictures.values()]
        captions.append("photo")
        for name, title in (("projected", "pivot"), ("tuned", "tuned")):
            captions.append(f"{title}, {found[name]['psnr'][index]:.1f} dB")
    cells += novel
    captions += [f"yaw {yaw:+g}" if yaw else f"pitch {pitch:+g}" for yaw, pitch in NOVEL]
    write_png(captioned_grid(cells, captions, columns=len(NOVEL)), path)


def write_sweep(path: Path, tuned: Generator, ws: Tensor) -> None:
    preset = PRESETS[tuned.camera_preset]
    cameras = swing(preset, SWEEP_FRAMES, radians(SWEEP_YAW), 0.0)
    with video_writer(path, FRAMES_PER_SECOND) as write:
        for frame in film(tuned, ws, cameras):
            write(frame)


def film(generator: Generator, ws: Tensor, cameras: Camera) -> Iterator[Picture]:
    options = DrawOptions()
    subject = generator.prepare(ws, options)
    for rendering in draw_views(generator, subject, cameras, options, choose_batch(generator)):
        yield from pictures_of(rendering, "image")


def describe_result(
    job: Job, inversion: Inversion, found: dict[str, dict[str, list[float]]]
) -> dict[str, Any]:
    return {
        "nerfgan": __version__,
        "name": job.name,
        "model": job.base.name,
        "kind": job.generator.kind,
        "volume": job.generator.has_depth,  # drawn with `depth_multiplier` of the settings
        "toy": is_of_toyheads(job.generator),  # knows nobody but ToyHeads
        "space": job.settings.pivot.space,
        "latent": describe_latent(inversion),
        "cameras": [
            describe(view.camera) | {"label": view.camera.label[0].tolist()}
            for view in inversion.views
        ],
        "shifts": inversion.shifts,  # of target.png, which was moved back by them, in its sides
        "side": job.generator.img_resolution,
        "networks": dict(zip(("pivot", "tuning"), job.distances.names, strict=True)),
        **found,
        "steps": inversion.steps,
        "seconds": round(inversion.seconds, 1),
        "settings": describe_settings(job.settings),
        "key": job.key(),
    }


def describe_settings(settings: Settings) -> dict[str, Any]:
    """As a table; JSON has no infinity, so that a stop there is a word."""
    table = asdict(settings)
    if settings.tuning.stop is not None and isinf(settings.tuning.stop):
        table["tuning"]["stop"] = str(settings.tuning.stop)
    return table


def describe_latent(inversion: Inversion) -> str:
    """For those who wonder how to edit it."""
    _, rows, width = inversion.pivot.ws.shape
    layers = inversion.tuned.num_ws
    if rows > 1:
        text = f"{rows} codes of {width} numbers, one for each layer"
    else:
        text = f"one code of {width} numbers, the same for all {layers} layers"
    if OFFSET in inversion.pivot.tensors:
        text += ", and an offset to the codes that the student makes of it for its own layers"
    return f"{text}: nerfgan edit, mix and interpolate take the folder as it is"
