"""The bundled network as a reader of ToyHeads."""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.conversion import sha256_of
from nerfgan_cli.checkpoints.format import load_network
from nerfgan_cli.checkpoints.zoo import BUNDLED_FOLDER
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.evaluation.looks import IDENTITY, LANDMARKS, POSE, Array, Looks, Source
from nerfgan_cli.nn.toy_reader import ToyReader

NAME = "toyheads"
FILE = BUNDLED_FOLDER / "toyheads-reader.safetensors"
EYES = ("eye_l_centre", "eye_r_centre")
# ToyHeads are looked at as FFHQ's faces are; from the front the camera is so far from its pivot.
FOCAL = PRESETS["ffhq"].focal
DISTANCE = PRESETS["ffhq"].radius - PRESETS["ffhq"].pivot[2]


class ToyFaces:
    """See `looks.FaceReader`. It has no detector: it takes each picture for a head."""

    detector = None

    def __init__(self, network: ToyReader, source: Source, device: torch.device) -> None:
        self.network = network.to(device).eval()
        self.device = device
        self.sources = dict.fromkeys((POSE, IDENTITY, LANDMARKS), source)
        names = network.config.points
        self.points, self.code_size = len(names), network.config.code_size
        self.eyes = ([names.index(EYES[0])], [names.index(EYES[1])])

    def only(self, what: str) -> "ToyFaces":
        """One network tells all."""
        return self

    def look(self, pictures: NDArray[np.uint8]) -> Looks:
        image = torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2)
        read = self.network.read(image.float() / 127.5 - 1)
        angles, places, depths, codes = (part.double().cpu().numpy() for part in read)
        return Looks(np.ones(len(pictures), dtype=bool), angles, unproject(places, depths), codes)


def unproject(places: Array, depths: Array) -> Array:  # [B, K, 2], [B, K] -> [B, K, 3]
    """Points before the camera, in world units."""
    away = DISTANCE + depths[..., None]
    return np.concatenate([(places - 0.5) * away / FOCAL, away], axis=2)


@lru_cache(maxsize=2)
def open_toy_faces(device: torch.device) -> ToyFaces:
    if not FILE.is_file():
        raise WeightsError(f"{FILE.name} is missing: install nerfgan again.")
    network = load_network(FILE)
    if not isinstance(network, ToyReader):
        raise WeightsError(f"{FILE} is another kind of network: install nerfgan again.")
    return ToyFaces(network, Source(NAME, sha256_of(FILE)), device)
