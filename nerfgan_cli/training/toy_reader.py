"""Teaches a `ToyReader` from the truth of ToyHeads: pose, points and who it is.

A lesson is a lineup of heads, each seen a few times. Between views of a head the camera, the
expression and what surrounds it change: none of them is who it is. Half of the heads in a lineup
share many traits with their neighbours, so that hair and hat alone do not tell them apart.
Pictures are made once, then turned, shifted, mirrored, blurred and spoilt anew at each look.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import cos, pi
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera, viewing_angles
from nerfgan_cli.data.toyheads.dataset import to_bytes
from nerfgan_cli.data.toyheads.identity import heads_from_latent
from nerfgan_cli.data.toyheads.landmarks import LANDMARKS, landmarks
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.data.toyheads.traits import COORDINATES, LATENT_SIZE
from nerfgan_cli.nn.toy_reader import Read, ToyReader, ToyReaderConfig
from nerfgan_cli.training.randomness import key, keyed

PRESET = PRESETS["ffhq"]
PASSING = (  # traits that are not who it is: expression, clothes, surroundings
    *("gaze_x", "gaze_y", "upper_lid", "lower_lid", "smile", "mouth_open"),
    *("cloth_colour", "cloth_pattern"),
    *("light_x", "light_y", "backdrop_colour", "backdrop_shade"),
)
MOVING = ("eye_l_pupil", "eye_r_pupil")  # points that say where it looks, not how it is made
POINTS = tuple(name for name in LANDMARKS if name not in MOVING)

YAW, PITCH = 0.8, 0.45  # radians, to either side: beyond what figure 3 and training cameras need
ROLL, SHIFT, ZOOM = 0.25, 0.05, 0.06  # half-widths: radians, sides of the picture, share
BLUR = (
    0.35,
    1.3,
)  # pixels of 64; exact pictures with one ray each are sharper than any generator's
NOISE, GAIN, OFFSET = 0.06, 0.12, 0.08  # at most; pictures are in [−1, 1]


@dataclass(frozen=True)
class Schooling:
    """How long, and on what."""

    lineups: int = 450
    heads: int = 4  # of a lineup
    views: int = 4  # of a head
    batch: int = 3  # lineups
    steps: int = 600
    lr: float = 2.5e-3
    temperature: float = 0.1  # of the codes' contrast (Chen et al. 2020)
    pose_weight: float = 2.0
    points_weight: float = 10.0
    code_weight: float = 0.15
    seed: int = 0


class Lineups(NamedTuple):
    """N lineups of H heads, each seen V times: [N, H·V, …], the views of a head side by side."""

    image: Tensor  # uint8 [.., 3, side, side]
    angles: Tensor  # [.., 3], of the viewing direction, radians
    places: Tensor  # [.., K, 2], in sides
    depths: Tensor  # [.., K]


def reader_config() -> ToyReaderConfig:
    """For the points above; left and right change places in the mirror."""
    sides = {"l": "r", "r": "l"}
    twins = ["_".join(sides.get(part, part) for part in name.split("_")) for name in POINTS]
    return ToyReaderConfig(points=POINTS, mirrored=tuple(POINTS.index(name) for name in twins))


def draw_lineup(table: Schooling, number: int, side: int) -> Lineups:
    """One of them, with a first dimension of 1."""
    draws = keyed("cpu", table.seed, "lineup", number)
    z = lineup_latents(table.heads, draws)
    z = pass_by(z.repeat_interleave(table.views, dim=0), draws)
    spread = torch.rand(2, len(z), generator=draws, dtype=torch.float64) * 2 - 1
    camera = PRESET.at(YAW * spread[0], PITCH * spread[1])
    heads = heads_from_latent(z)
    points = landmarks(heads)[:, [LANDMARKS.index(name) for name in POINTS]]
    places, depths = to_picture(camera, points)
    angles = torch.stack(viewing_angles(camera.cam2world), dim=1)
    image = to_bytes(draw(heads, camera, side, samples_per_side=1).image)
    return Lineups(*(part[None] for part in (image, angles, places, depths)))


def lineup_latents(heads: int, draws: torch.Generator) -> Tensor:  # [heads, 92]
    """Each even head is a stranger; the odd one after it shares a random part of its traits."""
    z = torch.randn(heads, LATENT_SIZE, generator=draws)
    for odd in range(1, heads, 2):
        share = torch.rand((), generator=draws)
        for place in COORDINATES.values():
            if torch.rand((), generator=draws) < share:
                z[odd, place] = z[odd - 1, place]
    return z


def pass_by(z: Tensor, draws: torch.Generator) -> Tensor:  # [B, 92]
    """Other expressions and surroundings, all else the same.

    Only a latent's direction counts: what is exchanged keeps its length.
    """
    chosen = torch.zeros(LATENT_SIZE, dtype=torch.bool)
    for name in PASSING:
        chosen[COORDINATES[name]] = True
    other = torch.randn(z.shape, generator=draws)[:, chosen]
    own = z[:, chosen]
    z = z.clone()
    z[:, chosen] = other * (own.norm(dim=1, keepdim=True) / other.norm(dim=1, keepdim=True))
    return z


def to_picture(camera: Camera, points: Tensor) -> tuple[Tensor, Tensor]:  # [B, K, 3]
    """Where points of the world appear, in sides; and how far behind the pivot, [B, K]."""
    local = (points - camera.position[:, None]) @ camera.cam2world[:, :3, :3]
    seen = local @ camera.intrinsics.mT
    pivot = camera.position.new_tensor(PRESET.pivot) - camera.position
    distance = (pivot * camera.forward).sum(dim=1, keepdim=True)
    return seen[..., :2] / seen[..., 2:], local[..., 2] - distance


def draw_lineups(table: Schooling, side: int, say: Callable[[int], None]) -> Lineups:
    """All; `say` hears of each that is done."""
    made = []
    for number in range(table.lineups):
        made.append(draw_lineup(table, number, side))
        say(number + 1)
    return Lineups(*(torch.cat(parts) for parts in zip(*made, strict=True)))


class Spoilt(NamedTuple):
    """Pictures as a network sees them while it learns, with their truth: [B, …]."""

    image: Tensor  # [B, 3, side, side] in [-1, 1]
    angles: Tensor
    places: Tensor
    depths: Tensor


def spoil(some: Lineups, mirrored: tuple[int, ...], draws: torch.Generator) -> Spoilt:
    """Each picture turned, shifted, enlarged, perhaps mirrored; blurred, brightened, made noisy."""
    image, angles, places, depths = (part.flatten(0, 1) for part in some)
    image = image.float() / 127.5 - 1
    B = len(image)
    flip = torch.rand(B, generator=draws) < 0.5
    image = torch.where(flip[:, None, None, None], image.flip(3), image)
    angles = torch.where(flip[:, None], angles * angles.new_tensor([-1, 1, -1]), angles)
    order = list(mirrored)
    turned = torch.stack([1 - places[:, order, 0], places[:, order, 1]], dim=2)
    places = torch.where(flip[:, None, None], turned, places)
    depths = torch.where(flip[:, None], depths[:, order], depths)

    half = torch.rand(4, B, generator=draws) * 2 - 1
    roll, zoom, shift = ROLL * half[0], 1 + ZOOM * half[1], SHIFT * half[2:].mT
    turn = torch.stack([roll.cos(), roll.sin(), -roll.sin(), roll.cos()], 1).view(B, 2, 2)
    forth = turn * zoom[:, None, None]  # x right, y down: a positive roll is counter-clockwise
    places = (places - 0.5) @ forth.mT + 0.5 + shift[:, None]
    angles = angles + torch.stack([torch.zeros(B), torch.zeros(B), roll], dim=1)
    back = torch.linalg.inv(forth)
    offset = -(back @ (2 * shift[:, :, None]))
    grid = F.affine_grid(torch.cat([back, offset], dim=2), list(image.shape), align_corners=False)
    image = F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)
    return Spoilt(degrade(image, draws), angles, places, depths)


def degrade(image: Tensor, draws: torch.Generator) -> Tensor:  # [B, 3, H, W]
    """What generators do to pictures, and more of it."""
    B = len(image)
    low, high = (torch.tensor(limit).log() for limit in BLUR)
    sigma = (low + (high - low) * torch.rand(B, generator=draws)).exp()
    taps = torch.arange(-4, 5)
    kernel = (-0.5 * (taps / sigma[:, None]).square()).exp()
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(3, dim=0)
    flat = F.pad(image.flatten(0, 1)[None], (4, 4, 4, 4), mode="reflect")
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=3 * B)
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=3 * B)
    image = flat.view_as(image)
    half = torch.rand(2, B, 3, 1, 1, generator=draws) * 2 - 1
    image = image * (1 + GAIN * half[0]) + OFFSET * half[1]
    level = NOISE * torch.rand(B, 1, 1, 1, generator=draws)
    return (image + level * torch.randn(image.shape, generator=draws)).clamp(-1, 1)


def contrast(codes: Tensor, views: int, temperature: float) -> Tensor:  # [B, D] -> []
    """Each view should resemble the others of its head more than those of other heads."""
    B = len(codes)
    likeness = codes @ codes.mT / temperature
    likeness = likeness.masked_fill(torch.eye(B, dtype=torch.bool), -1e4)
    head = torch.arange(B) // views
    same = (head == head[:, None]) & ~torch.eye(B, dtype=torch.bool)
    return -likeness.log_softmax(dim=1)[same].mean()


def lesson_losses(read: Read, truth: Spoilt, table: Schooling) -> dict[str, Tensor]:
    """Unweighted, [] each. The mouth of one head in thousands is wider than its jaw: no points."""
    found = torch.cat([read.places, read.depths[..., None]], dim=2)
    wanted = torch.cat([truth.places, truth.depths[..., None]], dim=2)
    known = wanted.isfinite().all(dim=2, keepdim=True)
    return {
        "pose": F.smooth_l1_loss(read.angles, truth.angles, beta=0.05),
        "points": torch.where(known, found - wanted, 0).abs().mean(),
        "code": contrast(read.codes, table.views, table.temperature),
    }


def teach(
    reader: ToyReader, lineups: Lineups, table: Schooling
) -> Iterator[dict[str, float]]:  # of each step
    """Adam, its rate falling as a cosine."""
    optimizer = torch.optim.Adam(reader.parameters(), lr=table.lr)
    reader.to(memory_format=torch.channels_last).train()
    weights = {
        "pose": table.pose_weight,
        "points": table.points_weight,
        "code": table.code_weight,
    }
    for step in range(table.steps):
        draws = keyed("cpu", table.seed, "lesson", step)
        chosen = torch.randperm(len(lineups.image), generator=draws)[: table.batch]
        some = Lineups(*(part[chosen] for part in lineups))
        truth = spoil(some, reader.config.mirrored, draws)
        for group in optimizer.param_groups:
            group["lr"] = table.lr * (0.02 + 0.98 * (1 + cos(pi * step / table.steps)) / 2)
        image = truth.image.contiguous(memory_format=torch.channels_last)
        losses = lesson_losses(reader(image), truth, table)
        optimizer.zero_grad()
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield {name: loss.item() for name, loss in losses.items()}
    reader.to(memory_format=torch.contiguous_format).eval()


def new_reader(table: Schooling) -> ToyReader:
    """Untaught; the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key(table.seed, "weights"))
        return ToyReader(reader_config())
