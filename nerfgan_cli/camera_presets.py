"""The published cameras of each domain, as numbers (eg3d.md 1.1 and 1.5); needs no torch.

`cameras.PRESETS` has the same, ready to draw from.
"""

from typing import NamedTuple


class PresetNumbers(NamedTuple):
    pivot: tuple[float, float, float]  # what the camera looks at
    radius: float  # of the sphere about the origin on which it stands
    focal: float  # in sides of the image


FFHQ_FOCAL = 4.2647  # 2985.29 / 700, FFHQ and AFHQ as released

NUMBERS = {
    "ffhq": PresetNumbers(pivot=(0.0, 0.0, 0.2), radius=2.7, focal=FFHQ_FOCAL),
    "afhq": PresetNumbers(pivot=(0.0, 0.0, -0.06), radius=2.7, focal=FFHQ_FOCAL),
    # ShapeNet cars as trained, and as the release's own videos show them (closer, cropped).
    "cars": PresetNumbers(pivot=(0.0, 0.0, 0.0), radius=1.3, focal=525 / 512),
    "cars-video": PresetNumbers(pivot=(0.0, 0.0, 0.0), radius=1.7, focal=1.7074),
}
