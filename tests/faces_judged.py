"""Generators that draw ToyHeads exactly, rightly or wrongly turned: what face metrics must tell."""

from zlib import crc32

import torch
from torch import nn

from nerfgan_cli.cameras import PRESETS, Camera, viewing_angles
from nerfgan_cli.data.toyheads.identity import heads_from_latent
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.data.toyheads.traits import LATENT_SIZE
from nerfgan_cli.evaluation.metric import Setting
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, Generator, Rendering, Subject
from nerfgan_cli.training.distributed import World

SIDE = 64


class ExactHeads(Generator):
    """A head is a function of its latent; consistent from everywhere."""

    kind = "exact"
    z_dim = w_dim = LATENT_SIZE
    num_ws = 1
    img_resolution = raw_resolution = SIDE
    camera_preset = "ffhq"

    def __init__(self):
        super().__init__()
        # Models are told apart by their weights, and latent spaces by their mapping networks.
        number = crc32(type(self).__name__.encode()) % 1000
        self.number = nn.Parameter(torch.tensor([float(number)]))
        self.space = nn.Module()
        self.space.register_buffer("w_avg", torch.zeros(1))

    def config(self):
        return {}

    def mapping(self, z, conditioning, truncation=1.0, truncation_cutoff=None):
        return z[:, None]

    def latent_space(self):
        return self.space

    def prepare(self, ws, options=DEFAULT_OPTIONS):
        return Subject(ws)

    def draw(self, subject, camera, options=DEFAULT_OPTIONS):
        z = subject.ws[:, 0]
        image = draw(heads_from_latent(self.person(z, camera)), self.turn(camera), SIDE, 1).image
        return Rendering(image, image, image, None)

    def person(self, z, camera):
        return z

    def turn(self, camera):
        return camera


class ExactVolume(ExactHeads):
    """As a teacher: its cameras are certain."""

    has_depth = True


class IgnoresCamera(ExactHeads):
    """Everybody from the front."""

    def turn(self, camera):
        return PRESETS["ffhq"].frontal().expand(len(camera))


class SwapsIdentity(ExactHeads):
    """Another person as soon as the camera is not the frontal one."""

    def person(self, z, camera):
        yaw, pitch, _ = viewing_angles(camera.cam2world)
        turned = (yaw.abs() + pitch.abs() > 1e-3)[:, None]
        return torch.where(turned, z.flip(1) * torch.linspace(-1, 1, LATENT_SIZE).sign(), z)


class HeedsConditioning(ExactHeads):
    """Another person for each conditioning camera."""

    def mapping(self, z, conditioning, truncation=1.0, truncation_cutoff=None):
        yaw, pitch, _ = viewing_angles(conditioning.cam2world)
        turn = (6 * (yaw + 2 * pitch)).expand(len(z))[:, None]
        return (z * turn.cos() + z.flip(1) * turn.sin())[:, None]


class MirrorsYaw(ExactVolume):
    """The sign error that calibration must not hide."""

    def turn(self, camera):
        return Camera(camera.mirrored().cam2world, camera.intrinsics)


def setting_of(generator, cache, **facts):
    given = {
        "name": "judged",
        "generator": generator,
        "images": None,
        "teacher": None,
        "data": None,
        "number": None,
        "seed": 0,
        "batch": 16,
        "world": World(torch.device("cpu")),
        "cache": cache,
        "progress": lambda what, done, of: None,
    }
    return Setting(**{**given, **facts})
