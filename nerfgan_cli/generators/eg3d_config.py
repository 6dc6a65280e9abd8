"""The architecture of an EG3D generator: the released configurations, the official form of it.

Official checkpoints state it as constructor arguments (eg3d.md section 7); ours as an `EG3DConfig`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import dist
from typing import Any

from nerfgan_cli.camera_presets import NUMBERS, require_label
from nerfgan_cli.errors import InputError
from nerfgan_cli.nn.volume_config import VolumeConfig

HALF_PRECISION_CLAMP = 256.0  # of layers that the release runs in half precision


@dataclass(frozen=True)
class TrainingNotes:
    """What the release records beside the architecture. Drawing reads none of it."""

    density_reg: float | None = 0.25
    density_reg_p_dist: float | None = 0.004
    reg_type: str | None = "l1"
    gpc_reg_prob: float | None = 0.5
    avg_camera_radius: float | None = 2.7
    avg_camera_pivot: tuple[float, ...] | None = (0.0, 0.0, 0.2)


@dataclass(frozen=True)
class EG3DConfig:
    """Defaults are those of the released ffhq512-64."""

    z_dim: int = 512
    c_dim: int = 25
    w_dim: int = 512
    img_resolution: int = 512
    raw_resolution: int = 64  # rays per side, unless the options say otherwise
    camera_preset: str = "ffhq"
    mapping_layers: int = 2
    conditioning_scale: float = 1.0  # of the camera that the mapping sees; 0: it sees none
    plane_resolution: int = 256  # in every release, as are the channels
    plane_channels: int = 32  # of each of the three planes
    channel_base: int = 32768
    channel_max: int = 512
    conv_clamp: float | None = None
    decoder_lr_multiplier: float = 1.0
    superresolution: str = "SuperresolutionHybrid8XDC"
    superresolution_clamp: float | None = HALF_PRECISION_CLAMP
    superresolution_antialias: bool = True
    superresolution_noise: str = "none"
    volume: VolumeConfig = field(default_factory=VolumeConfig)
    # A recipe does not state them: they follow from its [loss].
    training: TrainingNotes = field(default_factory=TrainingNotes, metadata={"recipe": False})

    def __post_init__(self) -> None:
        if self.camera_preset not in NUMBERS:
            raise InputError(
                f"unknown camera preset {self.camera_preset!r}: use one of {', '.join(NUMBERS)}."
            )
        require_label(self.c_dim)

    @staticmethod
    def from_official(
        init_kwargs: Mapping[str, Any],  # the official constructor's arguments
        attributes: Mapping[str, Any] | None = None,  # of the built object, which win over them
    ) -> "EG3DConfig":
        """Plane axes are not recorded in official checkpoints: those of the release are taken."""
        try:
            return _from_official(init_kwargs, attributes or {})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"the options of this EG3D generator lack or misuse {error}: "
                "give a checkpoint that the official program wrote."
            ) from error


FFHQ_REBALANCED = TrainingNotes(gpc_reg_prob=0.8)
AFHQ = TrainingNotes(gpc_reg_prob=0.8, avg_camera_pivot=(0.0, 0.0, -0.06))
CARS = EG3DConfig(
    img_resolution=128,
    camera_preset="cars-video",
    conditioning_scale=0.0,
    superresolution="SuperresolutionHybrid2X",
    volume=VolumeConfig(64, 64, ray_start=0.1, ray_end=2.6, box_warp=1.6, white_back=True),
    training=TrainingNotes(
        gpc_reg_prob=None, avg_camera_radius=1.7, avg_camera_pivot=(0.0, 0.0, 0.0)
    ),
)

# The published models (image resolution - rays per side).
PRESETS = {
    "ffhq512-64": EG3DConfig(),
    "ffhq512-128": EG3DConfig(raw_resolution=128),
    "ffhqrebalanced512-64": EG3DConfig(training=FFHQ_REBALANCED),
    "ffhqrebalanced512-128": EG3DConfig(raw_resolution=128, training=FFHQ_REBALANCED),
    "afhqcats512-128": EG3DConfig(raw_resolution=128, camera_preset="afhq", training=AFHQ),
    "shapenetcars128-64": CARS,
}

# What the official constructor takes. Precision and fusing change speed, not function, except that
# layers in half precision are clamped; every super-resolution ignores sr_kwargs.
CONSTRUCTOR_ARGUMENTS = (
    *("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs"),
    *("rendering_kwargs", "sr_kwargs", "channel_base", "channel_max", "conv_clamp"),
    *("num_fp16_res", "sr_num_fp16_res", "fused_modconv_default"),
)


def _from_official(init_kwargs: Mapping[str, Any], attributes: Mapping[str, Any]) -> EG3DConfig:
    mapping = init_kwargs.get("mapping_kwargs", {})
    _refuse_unknown(init_kwargs, CONSTRUCTOR_ARGUMENTS)
    _refuse_unknown(mapping, ("num_layers",))
    options = attributes.get("rendering_kwargs", init_kwargs.get("rendering_kwargs", {}))
    if init_kwargs["img_channels"] != 3:
        raise ValueError("img_channels")
    conditioned = not options.get("c_gen_conditioning_zero", False)
    half_precision = init_kwargs.get("sr_num_fp16_res", 0) > 0
    volume = official_volume(options)
    return EG3DConfig(
        z_dim=init_kwargs["z_dim"],
        c_dim=init_kwargs["c_dim"],
        w_dim=init_kwargs["w_dim"],
        img_resolution=init_kwargs["img_resolution"],
        raw_resolution=attributes.get("neural_rendering_resolution", 64),
        camera_preset=_camera_preset(options),
        mapping_layers=mapping.get("num_layers", 8),
        # A missing c_scale switches conditioning off, as in the official program.
        conditioning_scale=float(options.get("c_scale", 0)) if conditioned else 0.0,
        channel_base=init_kwargs.get("channel_base", 32768),
        channel_max=init_kwargs.get("channel_max", 512),
        conv_clamp=init_kwargs.get("conv_clamp", HALF_PRECISION_CLAMP),
        decoder_lr_multiplier=float(options.get("decoder_lr_mul", 1)),
        superresolution=options["superresolution_module"].rpartition(".")[2],
        superresolution_clamp=HALF_PRECISION_CLAMP if half_precision else None,
        superresolution_antialias=options["sr_antialias"],
        superresolution_noise=options.get("superresolution_noise_mode", "none"),
        volume=volume,
        training=_training_notes(options),
    )


def official_volume(options: Mapping[str, Any]) -> VolumeConfig:
    """The renderer's part of the official `rendering_kwargs`."""
    if options["clamp_mode"] != "softplus":
        raise ValueError("clamp_mode")
    start, end = (
        limit if limit == "auto" else float(limit)
        for limit in (options["ray_start"], options["ray_end"])
    )
    return VolumeConfig(
        depth_resolution=options["depth_resolution"],
        depth_resolution_importance=options["depth_resolution_importance"],
        ray_start=start,
        ray_end=end,
        box_warp=float(options["box_warp"]),
        disparity_space_sampling=options.get("disparity_space_sampling", False),
        white_back=options.get("white_back", False),
        density_noise=float(options.get("density_noise", 0)),
    )


def _training_notes(options: Mapping[str, Any]) -> TrainingNotes:
    pivot = options.get("avg_camera_pivot")
    return TrainingNotes(
        density_reg=options.get("density_reg"),
        density_reg_p_dist=options.get("density_reg_p_dist"),
        reg_type=options.get("reg_type"),
        gpc_reg_prob=options.get("gpc_reg_prob"),
        avg_camera_radius=options.get("avg_camera_radius"),
        avg_camera_pivot=None if pivot is None else tuple(float(x) for x in pivot),
    )


def _camera_preset(options: Mapping[str, Any]) -> str:
    """The cameras whose pivot and radius are recorded, or those with the nearest ones.

    The release records what its own programs draw with (eg3d.md 1.1). Of ShapeNet cars that is the
    radius of its videos, 1.7, and not the 1.3 of the pictures that they were trained on.
    """
    pivot, radius = options.get("avg_camera_pivot"), options.get("avg_camera_radius")
    if pivot is None or radius is None:  # not recorded: cars are the only ones on white
        return "cars-video" if options.get("white_back") else "ffhq"

    def distance(name: str) -> float:
        preset = NUMBERS[name]
        return dist((*preset.pivot, preset.radius), (*pivot, radius))

    return min(NUMBERS, key=distance)


def _refuse_unknown(given: Mapping[str, Any], known: Collection[str]) -> None:
    for key in given:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "it needs another architecture."
            raise InputError(f"this EG3D generator was built with an unknown {key!r}: {hint}")
