"""What makes one head differ from another: named traits, each from coordinates of its own.

Only the latent's direction counts: it is scaled to a mean square of 1, as StyleGAN's mapping does.
A number comes from one coordinate, which the normal CDF makes uniform. A choice has a coordinate
for each of its names, and the highest wins, by the weights: such regions of the latent are wide and
simply bounded, so that a network can learn them, as it hardly could intervals of one coordinate.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Range(NamedTuple):
    """A uniform number."""

    low: float
    high: float


class Choice(NamedTuple):
    """One of several names, as likely as their weights say."""

    weights: dict[str, float]


def _range(low: float, high: float) -> Range:
    return Range(low, high)


def _choice(**weights: float) -> Choice:
    return Choice(weights)


UNIT = Range(0.0, 1.0)
SIGNED = Range(-1.0, 1.0)

TRAITS: dict[str, Range | Choice] = {
    # skull and face
    "head_width": _range(0.134, 0.170),
    "head_height": _range(0.148, 0.184),
    "head_depth": _range(0.150, 0.170),
    "jaw_width": _range(0.66, 0.92),  # of the head's width
    "jaw_drop": _range(0.165, 0.212),  # the chin's height below the origin
    "chin": _range(0.25, 0.6),  # half its width, of the jaw's
    "cheeks": _range(0.046, 0.062),
    "neck_width": _range(0.052, 0.078),
    "shoulders": _range(0.235, 0.33),
    # eyes
    "eye_size": _range(0.037, 0.052),
    "eye_gap": _range(0.22, 0.62),  # between the eyes, of their size
    "eye_height": _range(-0.018, 0.016),
    "eye_aspect": _range(0.84, 1.16),
    "eye_slant": _range(-0.16, 0.22),
    "iris_size": _range(0.60, 0.84),  # radians about the gaze
    "pupil_size": _range(0.42, 0.66),  # of the iris
    "gaze_x": _range(-0.30, 0.30),
    "gaze_y": _range(-0.20, 0.16),
    "upper_lid": _range(-0.02, 0.62),  # the lid's edge, of the eye's height
    "lower_lid": _range(0.72, 1.0),
    # brows
    "brow_length": _range(0.75, 1.15),  # of the eye's size
    "brow_weight": _range(0.008, 0.017),
    "brow_height": _range(0.008, 0.026),
    "brow_tilt": _range(-0.30, 0.26),
    "brow_arch": _range(0.2, 0.8),
    # nose
    "nose_length": _range(0.034, 0.070),
    "nose_width": _range(0.015, 0.031),
    "nose_reach": _range(0.008, 0.032),
    "nose_tip": _range(-0.35, 0.45),  # upturned if positive
    # ears
    "ear_size": _range(0.030, 0.052),
    "ear_angle": _range(0.15, 0.85),
    # mouth
    "mouth_width": _range(0.036, 0.070),
    "smile": _range(-0.12, 1.0),
    "mouth_open": _range(-0.9, 1.0),  # closed below 0
    "lips": _range(0.0075, 0.0145),
    "mouth_height": _range(0.40, 0.58),  # between nose and chin
    # hair
    "hair_style": _choice(
        short=1.2,
        side_part=1.2,
        quiff=1.0,
        bob=1.2,
        long=1.2,
        bun=0.8,
        pigtails=0.8,
        curls=1.0,
        afro=0.7,
        ponytail=0.8,
        spikes=0.8,
        mohawk=0.6,
        buzz=0.6,
        bald=0.6,
    ),
    "hair_volume": _range(0.016, 0.042),
    "hair_length": UNIT,
    "hairline": _range(-0.012, 0.026),
    "parting": SIGNED,
    "hair_colour": UNIT,
    "hair_shade": SIGNED,
    "beard": _choice(none=5.5, stubble=1.0, full=1.0, goatee=0.8, moustache=0.9, both=0.8),
    "beard_size": UNIT,
    # what is worn
    "glasses": _choice(none=6.4, round=1.4, square=1.2, sun=1.0),
    "glasses_size": _range(0.78, 0.96),  # of the distance from the eye to the nose's middle
    "glasses_colour": UNIT,
    "hat": _choice(none=6.6, beanie=1.0, cap=1.0, brim=0.7, headband=0.7),
    "hat_colour": UNIT,
    "hat_size": UNIT,
    # colours
    "skin": UNIT,
    "skin_warmth": SIGNED,
    "blush": UNIT,
    "freckles": _range(-1.2, 1.0),  # none below 0
    "eye_colour": UNIT,
    "lip_colour": UNIT,
    "cloth_colour": UNIT,
    "cloth_pattern": _choice(plain=1.2, stripes=1.0, collar=1.0, yoke=0.8),
    "lashes": UNIT,
    # surroundings
    "light_x": SIGNED,
    "light_y": _range(0.15, 0.9),
    "backdrop_colour": UNIT,
    "backdrop_shade": SIGNED,
}


def _coordinates() -> dict[str, slice]:
    places, first = {}, 0
    for name, kind in TRAITS.items():
        count = len(kind.weights) if isinstance(kind, Choice) else 1
        places[name] = slice(first, first + count)
        first += count
    return places


COORDINATES = _coordinates()
LATENT_SIZE = list(COORDINATES.values())[-1].stop


class Traits:
    """The traits of B heads."""

    def __init__(self, z: Tensor) -> None:  # [B, 92]
        z = z.float()
        direction = z * z.square().mean(dim=1, keepdim=True).add(1e-12).rsqrt()
        self.uniform = torch.special.ndtr(direction)  # [B, 92]
        self.choices = {  # [B] each, the number of the choice
            name: choose(direction[:, COORDINATES[name]], kind)
            for name, kind in TRAITS.items()
            if isinstance(kind, Choice)
        }

    def __getitem__(self, name: str) -> Tensor:  # [B]
        """A number in its range."""
        kind = TRAITS[name]
        assert isinstance(kind, Range)
        place: Tensor = self.uniform[:, COORDINATES[name]][:, 0]
        return kind.low + (kind.high - kind.low) * place

    def chosen(self, name: str, *choices: str) -> Tensor:  # [B], whether the choice is one of these
        kind = TRAITS[name]
        assert isinstance(kind, Choice)
        numbers = [list(kind.weights).index(choice) for choice in choices]
        return torch.stack([self.choices[name] == number for number in numbers]).any(dim=0)

    def numbers(self) -> Tensor:  # [B, 92]
        """Uniform numbers, and a 1 among 0s for each choice."""
        columns = [
            F.one_hot(self.choices[name], len(kind.weights)).to(self.uniform)
            if isinstance(kind, Choice)
            else self.uniform[:, COORDINATES[name]]
            for name, kind in TRAITS.items()
        ]
        return torch.cat(columns, dim=1)

    def describe(self, index: int) -> dict[str, float | str]:
        """All traits of one head."""
        found: dict[str, float | str] = {}
        for name, kind in TRAITS.items():
            if isinstance(kind, Range):
                found[name] = float(self[name][index])
            else:
                found[name] = list(kind.weights)[int(self.choices[name][index])]
        return found


def choose(normals: Tensor, kind: Choice) -> Tensor:  # [B, K] -> [B]
    """Numbers of choices, as likely as their weights.

    −log Φ of a normal number is exponential; of exponential numbers, each divided by its weight,
    the k-th is the least with a probability of that weight.
    """
    waits = -torch.special.log_ndtr(normals)
    chosen: Tensor = (waits / torch.tensor(list(kind.weights.values())).to(waits)).argmin(dim=1)
    return chosen
