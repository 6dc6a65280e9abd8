"""The architecture of a student, its presets, and the student of a given teacher.

What the paper leaves open is a field here. Defaults follow the recommendations of stylegan3.md
10.2, whose numbers are in the comments.
"""

from dataclasses import dataclass, field

from nerfgan_cli.camera_presets import require_label
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.eg3d_config import HALF_PRECISION_CLAMP
from nerfgan_cli.generators.volumetric import VolumetricGenerator

NETWORKS = ("stylegan3-t", "stylegan3-r", "stylegan2")
HEADS = ("linear", "tanh")
SR_STYLES = ("teacher", "student", "linear")


@dataclass(frozen=True)
class LatentConfig:
    """The teacher's latent space, whose mapping network the student carries."""

    z_dim: int = 512
    c_dim: int = 25
    w_dim: int = 512
    num_ws: int = 14  # of the released 256² tri-plane backbones
    mapping_layers: int = 2
    conditioning_scale: float = 1.0  # of the camera that the mapping sees; 0: it sees none

    def __post_init__(self) -> None:
        require_label(self.c_dim)


@dataclass(frozen=True)
class PredictorConfig:
    """S²ᴰ (points 7 and 8). StyleGAN2 has no layers or margin to choose."""

    network: str = "stylegan3-t"
    channel_base: int = 32768
    channel_max: int = 512
    num_layers: int = 14
    margin_size: int = 10
    head: str = "linear"  # or tanh, which has no gradient where features saturate
    output_scale: float = 0.25
    magnitude_ema_beta: float = 0.5 ** (16 / 20000)  # of a step: 20 kimg at batch 16 (12)

    def __post_init__(self) -> None:
        _check("predictor", self.network, NETWORKS)
        _check("output head", self.head, HEADS)


@dataclass(frozen=True)
class StudentConfig:
    """Defaults are those of `paper` for the released ffhq512-64."""

    img_resolution: int = 512
    raw_resolution: int = 64
    feature_channels: int = 32
    camera_preset: str = "ffhq"
    latent: LatentConfig = field(default_factory=LatentConfig)
    predictor: PredictorConfig = field(default_factory=PredictorConfig)
    superresolution: str = "SuperresolutionHybrid8XDC"
    superresolution_clamp: float | None = HALF_PRECISION_CLAMP
    superresolution_antialias: bool = True
    code_input: str = "standardized"  # how w enters M²ᴰ (2)
    camera_encoding: str = "standardized"  # how the camera enters it (3)
    ray_map: bool = False  # whether pixels also know their rays (3 c)
    mapping_layers: int = 2  # of M²ᴰ (4)
    mapping_lr_multiplier: float = 0.01  # (4)
    code_output: str = "shared"  # one network for all rows, or a w' for each layer, or w + it (5)
    sr_styles: str = "teacher"  # which w drives the super-resolution (9)

    def __post_init__(self) -> None:
        _check("super-resolution styles", self.sr_styles, SR_STYLES)


@dataclass(frozen=True)
class Preset:
    """Sizes of a student. `light` has a super-resolution of its own, the others the teacher's."""

    network: str
    channel_base: int
    channel_max: int
    light_superresolution: bool = False


# Sizes: stylegan3.md 7 (paper, stylegan3-r) and 11.6 (slim); light is ours.
PRESETS = {
    "paper": Preset("stylegan3-t", 32768, 512),
    "slim": Preset("stylegan3-t", 8192, 256),
    "light": Preset("stylegan2", 12288, 256, light_superresolution=True),
    "stylegan3-r": Preset("stylegan3-r", 65536, 1024),
}


def student_config(
    preset: str,
    teacher: VolumetricGenerator,
    raw_resolution: int | None = None,  # None: the teacher's
    superresolution: str | None = None,  # None: the preset's
) -> StudentConfig:
    """The student of a teacher."""
    _check("student preset", preset, tuple(PRESETS))
    sizes, given, mapping = PRESETS[preset], teacher.superresolution, teacher.latent_space()
    return StudentConfig(
        img_resolution=teacher.img_resolution,
        raw_resolution=raw_resolution or teacher.raw_resolution,
        camera_preset=teacher.camera_preset,
        latent=LatentConfig(
            z_dim=teacher.z_dim,
            c_dim=mapping.c_dim,
            w_dim=teacher.w_dim,
            num_ws=teacher.num_ws,
            mapping_layers=mapping.num_layers,
            conditioning_scale=teacher.conditioning_scale,
        ),
        predictor=PredictorConfig(sizes.network, sizes.channel_base, sizes.channel_max),
        superresolution=superresolution or _usual_superresolution(preset, teacher),
        superresolution_clamp=HALF_PRECISION_CLAMP if given is None else given.conv_clamp,
        superresolution_antialias=given is None or given.antialias,
    )


def _usual_superresolution(preset: str, teacher: VolumetricGenerator) -> str:
    light = f"Light{teacher.img_resolution}"
    if PRESETS[preset].light_superresolution:
        return light
    if teacher.superresolution is None:
        raise UsageError(
            f"a {preset} student enlarges pictures as its teacher does, and this teacher has no "
            f"super-resolution: choose the preset light, or give it one of its own, as {light}."
        )
    return teacher.superresolution.name


def _check(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"unknown {what} {value!r}: use one of {', '.join(choices)}.")
