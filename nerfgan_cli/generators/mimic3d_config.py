"""The architecture of a Mimic3D generator, and the ten released ones (mimic3d.md 11).

A model of the 2D phase is EG3D's but for its planes; one of the 3D phase has S³ᴰ too.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from nerfgan_cli.errors import InputError
from nerfgan_cli.generators.eg3d_config import CONSTRUCTOR_ARGUMENTS, EG3DConfig, TrainingNotes
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.superresolution_presets import PRESETS as SUPERRESOLUTIONS
from nerfgan_cli.nn.volume_config import VolumeConfig

AXES = "fixed"  # xy, yz, zx: the exchange between planes is about these
PATCH = 64  # pixels of a side, of all patches
PATCH_DISCRIMINATOR = DiscriminatorConfig(img_resolution=PATCH, c_dim=0)
STAGE = re.compile(r"backbone\.synthesis\.b3d(\d+)\.(block\d?)\.")


@dataclass(frozen=True)
class Mimic3DConfig(EG3DConfig):
    """Defaults are those of ffhq512 in the 3D phase."""

    volume: VolumeConfig = field(default_factory=lambda: VolumeConfig(plane_axes=AXES))
    training: TrainingNotes = field(
        default_factory=lambda: TrainingNotes(density_reg_p_dist=0.002), metadata={"recipe": False}
    )
    residual: bool = True  # whether it has S³ᴰ: the 3D phase, which draws both branches
    aware: bool = True  # whether it has the 3D-aware stream; every published one has

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.volume.plane_axes != AXES:
            raise InputError(
                f"a Mimic3D generator has the planes xy, yz and zx (plane axes {AXES!r}), not "
                f"{self.volume.plane_axes!r}, which are EG3D's: leave the plane axes out."
            )
        enlarging = SUPERRESOLUTIONS.get(self.superresolution)  # an unknown one is refused later
        if enlarging is not None and self.raw_resolution > enlarging.input_resolution:
            raise InputError(
                f"{self.superresolution} cannot enlarge a Mimic3D's rendering of "
                f"{self.raw_resolution}²: make raw_resolution {enlarging.input_resolution} or less."
            )

    @staticmethod
    def from_snapshot(
        init_kwargs: Mapping[str, Any],  # the official constructor's arguments
        attributes: Mapping[str, Any],  # of the built object, which win over them
        tensors: Collection[str],  # their names, which tell the planes and the phase
    ) -> "Mimic3DConfig":
        """What the release adds to EG3D's arguments is left unread: the tensors show it."""
        known = {key: init_kwargs[key] for key in CONSTRUCTOR_ARGUMENTS if key in init_kwargs}
        common = EG3DConfig.from_official(known, attributes)
        same = {item.name: getattr(common, item.name) for item in fields(common)}
        stages = [match.groups() for name in tensors if (match := STAGE.match(name))]
        if not stages:
            raise InputError(
                "this Mimic3D has no 3D-aware stream, which every published one has: convert one "
                "of the released snapshots."
            )
        own = {
            "plane_resolution": max(int(resolution) for resolution, _ in stages),
            "volume": replace(common.volume, plane_axes=AXES),
            "residual": any(block == "block2" for _, block in stages),
        }
        return Mimic3DConfig(**same | own)


FFHQ = Mimic3DConfig()
AFHQ = replace(
    FFHQ,
    camera_preset="afhq",
    training=TrainingNotes(density_reg_p_dist=0.002, avg_camera_pivot=(0.0, 0.0, -0.06)),
)
CARS = Mimic3DConfig(
    img_resolution=128,
    camera_preset="cars-video",
    superresolution="SuperresolutionHybrid2X",
    volume=VolumeConfig(
        64, 64, ray_start=0.1, ray_end=2.6, box_warp=1.6, white_back=True, plane_axes=AXES
    ),
    training=TrainingNotes(
        density_reg_p_dist=0.002, avg_camera_radius=1.7, avg_camera_pivot=(0.0, 0.0, 0.0)
    ),
)


def at_256(config: Mimic3DConfig) -> Mimic3DConfig:
    return replace(config, img_resolution=256, superresolution="SuperresolutionHybrid4X")


def in_2d_phase(config: Mimic3DConfig) -> Mimic3DConfig:
    training = replace(config.training, density_reg_p_dist=0.004)
    return replace(config, residual=False, training=training)


DOMAINS = {
    "ffhq512": FFHQ,
    "ffhq256": at_256(FFHQ),
    "afhq512": AFHQ,
    "afhq256": at_256(AFHQ),
    "shapenet128": CARS,
}
# The published models, by domain and phase.
PRESETS = {f"{name}-3d": config for name, config in DOMAINS.items()} | {
    f"{name}-2d": in_2d_phase(config) for name, config in DOMAINS.items()
}
