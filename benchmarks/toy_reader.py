"""Teaches the network that reads ToyHeads for metrics, and measures what it knows.

    python benchmarks/toy_reader.py -o toyheads-reader.safetensors     4 minutes on one core
    python benchmarks/toy_reader.py --measure [FILE]                   3 minutes

Its own error is that on exact pictures of heads it has not seen, drawn at 128² from cameras as in
training data; then on what the bundled teacher and student draw, whose cameras are known too. Poses
are in degrees, points in distances between the eyes; of identity, cosines of two views of a head
and of two heads, and how often the same head's is higher.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera, viewing_angles
from nerfgan_cli.checkpoints.format import load_model, load_network, save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER, find_model
from nerfgan_cli.data.toyheads.dataset import cameras
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents
from nerfgan_cli.data.toyheads.landmarks import LANDMARKS, landmarks
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.evaluation.looks import Looks, Source
from nerfgan_cli.evaluation.toy_faces import EYES, FILE, ToyFaces, unproject
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.identity import cosines
from nerfgan_cli.metrics.landmarks import landmark_errors
from nerfgan_cli.metrics.toyheads import HELD_OUT
from nerfgan_cli.training.toy_reader import (
    POINTS,
    PRESET,
    Schooling,
    draw_lineups,
    new_reader,
    teach,
    to_picture,
)

EVERY = 100  # steps between lines
BATCH = 16
SIDE = 128


Painter: TypeAlias = Callable[[Tensor, Camera], Tensor]  # latents, cameras -> pictures
tell = partial(print, flush=True)


class Drawn(NamedTuple):
    """Heads as somebody draws them, from their cameras and from the front."""

    view: Looks
    front: Looks


def taught(table: Schooling, out: Path) -> None:
    torch.set_num_threads(1)
    start = time.perf_counter()
    reader = new_reader(table)

    def say(done: int) -> None:
        if done % EVERY == 0:
            tell(f"{done} of {table.lineups} lineups, {time.perf_counter() - start:.0f} s")

    lineups = draw_lineups(table, reader.config.side, say)
    sums: dict[str, float] = {}
    for step, losses in enumerate(teach(reader, lineups, table), 1):
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss / EVERY
        if step % EVERY == 0:
            shown = ", ".join(f"{name} {loss:.4f}" for name, loss in sums.items())
            tell(f"{step} of {table.steps} steps, {time.perf_counter() - start:.0f} s: {shown}")
            sums = {}
    facts = {"pictures": table.lineups * table.heads * table.views, "steps": table.steps}
    provenance = Provenance("benchmarks/toy_reader.py", training=facts | {"seed": table.seed})
    save_model(out, reader, provenance, half=True)
    tell(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


def exact(z: Tensor, camera: Camera) -> Tensor:  # [B, 3, SIDE, SIDE]
    return draw(heads_from_latent(z), camera, SIDE).image


def modelled(name: str) -> Painter:
    generator = load_model(find_model(name))

    @torch.inference_mode()
    def drawn(z: Tensor, camera: Camera) -> Tensor:
        ws = generator.mapping(z, PRESET.frontal())
        return generator.synthesis(ws, camera).image

    return drawn


def look(reader: ToyFaces, painter: Painter, indices: np.ndarray) -> Drawn:
    seen: list[list[Looks]] = [[], []]
    for some in np.array_split(indices, -(-len(indices) // BATCH)):
        z = latents(0, some)
        for looks, camera in zip(seen, (cameras(0, some), PRESET.frontal()), strict=True):
            pixels = to_pixels(painter(z, camera.expand(len(some))))
            looks.append(reader.look(pixels))
    return Drawn(*(Looks(*map(np.concatenate, zip(*looks, strict=True))) for looks in seen))


def report(name: str, drawn: Drawn, indices: np.ndarray) -> None:
    """One line of the card's table."""
    camera, points = cameras(0, indices), landmarks(heads_from_latent(latents(0, indices)))
    points = points[:, [LANDMARKS.index(point) for point in POINTS]]
    true = torch.stack(viewing_angles(camera.cam2world), dim=1).double().numpy()
    degrees = np.degrees(drawn.view.angles - true)
    left, right = (points[:, POINTS.index(eye)] for eye in EYES)
    eyes = (left - right).norm(dim=1).double().numpy()
    places, depths = (part.double().numpy() for part in to_picture(camera, points))
    exact_points = unproject(places, depths)
    away = landmark_errors(drawn.view.points, exact_points, eyes) ** 0.5
    offset = drawn.view.points - exact_points
    where = np.linalg.norm(offset[..., :2], axis=2).mean(axis=1) / eyes
    across = landmark_errors(drawn.view.points, drawn.front.points, eyes) ** 0.5
    same = cosines(drawn.view.codes, drawn.front.codes)
    other = drawn.view.codes @ drawn.front.codes.T
    strangers = other[~np.eye(len(other), dtype=bool)]
    first = (other.argmax(axis=1) == np.arange(len(other))).mean()
    rms, bias = np.sqrt(np.square(degrees).mean(axis=0)), degrees.mean(axis=0)
    gain = [np.polyfit(t, e, 1)[0] for t, e in zip(true.T[:2], drawn.view.angles.T, strict=False)]
    tell(
        f"{name}: rms {rms.round(2)}°, mean {bias.round(2)}°, gain {np.round(gain, 3)}; points "
        f"{where.mean():.3f} in the picture, {away.mean():.3f} aligned to the truth, "
        f"{across.mean():.3f} to the front; same {same.mean():.3f} ± {same.std():.3f}, least "
        f"{same.min():.2f}, others {strangers.mean():.3f} ± {strangers.std():.3f}; right "
        f"{100 * first:.1f} % of {len(other)}, higher {100 * separation(same, strangers):.2f} %"
    )


def separation(same: np.ndarray, other: np.ndarray) -> float:
    """How often a pair of one head has the higher cosine than a pair of two."""
    return float(np.searchsorted(np.sort(other), same).mean() / len(other))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--measure", nargs="?", type=Path, const=FILE)
    parser.add_argument("--lineups", type=int, default=Schooling.lineups)
    parser.add_argument("--steps", type=int, default=Schooling.steps)
    parser.add_argument("--heads", type=int, default=200)
    arguments = parser.parse_args()
    if arguments.out:
        taught(Schooling(lineups=arguments.lineups, steps=arguments.steps), arguments.out)
    measured = arguments.measure or arguments.out
    if measured:
        reader = ToyFaces(load_network(measured), Source("", ""), torch.device("cpu"))
        indices = np.arange(HELD_OUT, HELD_OUT + arguments.heads)
        painters = {"exact": exact, TEACHER: modelled(TEACHER), STUDENT: modelled(STUDENT)}
        for name, painter in painters.items():
            report(name, look(reader, painter, indices), indices)


if __name__ == "__main__":
    main()
