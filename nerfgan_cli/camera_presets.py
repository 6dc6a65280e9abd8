"""The published cameras of each domain, as numbers (eg3d.md 1.1 and 1.5); needs no torch.

`cameras.PRESETS` has the same, ready to draw from. Also what networks see of a camera.
"""

from typing import NamedTuple

from nerfgan_cli.errors import WeightsError

LABEL_SIZE = 25  # 16 of cam2world, 9 of the intrinsics, both row-major


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


def require_label(c_dim: int) -> None:
    """A network sees the whole label of a camera, or none."""
    if c_dim not in (LABEL_SIZE, 0):
        raise WeightsError(
            f"a network cannot see {c_dim} numbers of a camera: "
            f"set c_dim to {LABEL_SIZE}, or use another model."
        )
