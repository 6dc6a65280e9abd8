"""A teacher of one's own, which is no EG3D, and a small student that learns from it.

    python examples/new_teacher.py OUT [--kimg 2]

The teacher draws three soft balls: each row of ws says where one is, how large, and what colour.
OUT gets the teacher's file and the folder of the run, from which every command draws:

    nerfgan image --model OUT/run --seeds 0-15 -o balls.png

It takes a minute or two on a CPU, and --kimg 0.2 some ten seconds.


What distillation asks of a teacher is in `nerfgan_cli/generators/volumetric.py`: a mapping network,
which the student carries, and pictures of 32 channels with their depth. This one has no
super-resolution, so that only a student with one of its own, as `light`, can learn from it. Files
of a kind that the package does not have are opened where it is registered, as it is here.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.checkpoints.format import save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.generators.config_reader import read_config
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Rendering, Subject
from nerfgan_cli.generators.registry import register
from nerfgan_cli.generators.volumetric import VolumetricGenerator
from nerfgan_cli.nn.layers import FullyConnectedLayer
from nerfgan_cli.nn.mapping import MappingNetwork
from nerfgan_cli.nn.rays import camera_rays
from nerfgan_cli.nn.volume import Rendered, Samples, composite
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.kinds import build_task, resolve
from nerfgan_cli.training.loop import train
from nerfgan_cli.training.run import open_run

FEATURES = 32  # of the rendering; the first three are its colours
COLOURS = 3
NEAR, FAR = 2.3, 3.1  # along rays; cameras are 2.7 away from the middle
SPREAD = 0.15  # of the balls, from the middle along each axis
EDGE = 400.0  # density that a ball gains per unit of depth below its surface


class Ball(NamedTuple):
    """N of them."""

    place: Tensor  # [N, 3]
    radius: Tensor  # [N]
    features: Tensor  # [N, 32] in [0, 1]


@dataclass(frozen=True)
class BallsConfig:
    z_dim: int = 4
    w_dim: int = 16
    balls: int = 3
    img_resolution: int = 64
    raw_resolution: int = 32
    samples: int = 24  # along a ray


class Balls(VolumetricGenerator):
    """See the module."""

    kind = "balls"
    camera_preset = "afhq"  # which looks at the middle
    any_resolution = True

    def __init__(self, config: BallsConfig) -> None:
        super().__init__()
        self.balls_config = config
        self.z_dim, self.w_dim, self.num_ws = config.z_dim, config.w_dim, config.balls
        self.img_resolution, self.raw_resolution = config.img_resolution, config.raw_resolution
        self.superresolution = None
        self.mapping_network = MappingNetwork(
            config.z_dim, 0, config.w_dim, config.balls, num_layers=2
        )
        self.readout = FullyConnectedLayer(config.w_dim, config.balls * (3 + 1 + FEATURES))

    def config(self) -> dict[str, Any]:
        return asdict(self.balls_config)

    def latent_space(self) -> MappingNetwork:
        return self.mapping_network

    def prepare(self, ws: Tensor, options: DrawOptions = DEFAULT_OPTIONS) -> Subject:
        return Subject(ws)

    def draw(
        self, subject: Subject, camera: Camera, options: DrawOptions = DEFAULT_OPTIONS
    ) -> Rendering:
        B = max(len(subject.ws), len(camera))
        ws, camera = subject.ws.expand(B, -1, -1), camera.expand(B)
        features, depth = self._render(ws, camera, options.resolution or self.raw_resolution)
        rgb = features[:, :COLOURS]
        if options.raw_only:
            return Rendering(rgb, rgb, features, depth)
        image, _ = self._render(ws, camera, self.img_resolution, COLOURS)
        return Rendering(image, rgb, features, depth)

    def _render(
        self, ws: Tensor, camera: Camera, size: int, channels: int = FEATURES
    ) -> tuple[Tensor, Tensor]:
        """Features [B, channels, size, size] and depth [B, 1, size, size]."""
        rays = zip(*camera_rays(camera, size), strict=True)
        balls = [self._balls(codes) for codes in ws]
        views = [self._look(ball, *ray, channels) for ball, ray in zip(balls, rays, strict=True)]
        seen = Rendered(*map(torch.stack, zip(*views, strict=True)))
        features = seen.features.mT.reshape(len(ws), channels, size, size)
        return features, seen.depth.clamp(NEAR, FAR).view(len(ws), 1, size, size)

    def _balls(self, codes: Tensor) -> Ball:  # [N, w_dim]
        rows = self.readout(codes).view(len(codes), len(codes), -1).diagonal().mT  # each its own
        place, size, features = rows.split([3, 1, FEATURES], dim=-1)
        return Ball(SPREAD * place.tanh(), 0.10 + 0.06 * size[:, 0].sigmoid(), features.sigmoid())

    def _look(self, ball: Ball, origins: Tensor, directions: Tensor, channels: int) -> Rendered:
        """What rays see, [R, 3] -> [R, channels]."""
        depths = torch.linspace(NEAR, FAR, self.balls_config.samples, device=origins.device)
        offset = origins[:, None] - ball.place  # [R, N, 3]
        along = (offset * directions[:, None]).sum(dim=-1, keepdim=True)
        nearest = (offset.square().sum(dim=-1, keepdim=True) - along.square()).clamp(min=0)
        distance = (nearest + (depths + along).square()).sqrt()  # [R, N, S], to the centres
        inside = (EDGE * (ball.radius[:, None] - distance)).mT
        colours = inside.softmax(dim=-1) @ ball.features[:, :channels]
        samples = Samples(depths.expand(len(origins), -1), inside.amax(dim=-1), colours)
        return composite([samples], white_back=True)


def build_balls(config: Any) -> Balls:
    return Balls(read_config(BallsConfig, config))


register(Balls.kind, build_balls)


def write_teacher(path: Path) -> None:
    """Of random weights, which are as good as any."""
    torch.manual_seed(0)
    save_model(path, Balls(BallsConfig()), Provenance("examples/new_teacher.py"))


def recipe_for(teacher: Path, kimg: float) -> dict[str, Any]:
    """Stage 1 without a perceptual distance: there is no discriminator and nothing to download."""
    return {
        "kind": "distill",
        "about": "a small student of coloured balls",
        "data": {"kind": "spread"},
        "teacher": {"model": str(teacher), "statistics": 2000, "statistics_images": 16},
        "model": {
            **{"preset": "light", "channel_base": 512, "channel_max": 32},
            "mapping_lr_multiplier": 1.0,  # as Muon wants it
        },
        "loss": {"raw": 0.0, "image": 0.0, "pixels": 1.0, "features_beta": 0.1},
        "optim": {
            **{"matrix_lr": 0.02, "betas": [0.9, 0.99], "decay_kimg": kimg, "last_lr": 0.1},
            "ema_kimg": 0.2,
        },
        "train": {
            **{"stage": 1, "kimg": kimg, "batch": 4, "log_kimg": kimg / 10},
            **{"snapshot_kimg": kimg / 2, "heldout": 16, "video_frames": 0},
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--kimg", type=float, default=2.0, help="thousands of training images")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    teacher, run = arguments.out / "teacher.safetensors", arguments.out / "run"
    write_teacher(teacher)
    recipe = resolve(recipe_for(teacher, arguments.kimg))
    task = build_task(recipe, World(torch.device("cpu")))
    with open_run(run, recipe):
        train(task, run, print)


if __name__ == "__main__":
    main()
