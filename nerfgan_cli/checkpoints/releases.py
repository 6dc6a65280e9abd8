"""Whether a network can be of the release that it is said to be of; needs no torch.

Files do not tell their release, and snapshots of Mimic3D are all called alike. A mistake that would
draw nonsense is told in words: planes along other axes, another phase, size or domain.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators.config_reader import read_config
from nerfgan_cli.generators.eg3d_config import PRESETS as EG3D
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.generators.mimic3d_config import PRESETS as MIMIC3D
from nerfgan_cli.generators.mimic3d_config import Mimic3DConfig
from nerfgan_cli.ops.plane_axes import PLANE_AXES

GENERATORS: dict[str, type[EG3DConfig]] = {"eg3d": EG3DConfig, "mimic3d": Mimic3DConfig}
# By the names of the zoo.
RELEASES: dict[str, EG3DConfig] = EG3D | {f"mimic3d-{name}": own for name, own in MIMIC3D.items()}


def find_release(name: str) -> EG3DConfig:
    if name in RELEASES:
        return RELEASES[name]
    near = get_close_matches(name, RELEASES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(RELEASES)}."
    raise UsageError(f"there is no release {name!r}: {hint}")


def refuse_other(kind: str, config: Mapping[str, Any], release: str, source: str) -> None:
    """Says why a network of `source` is none of the release, if it is none."""
    its_traits = _traits(find_release(release))
    traits = iter([f"a {kind}"])
    if kind in GENERATORS:
        traits = _traits(read_config(GENERATORS[kind], config))
    for own, its in zip(traits, its_traits, strict=False):
        if own != its:
            raise WeightsError(
                f"{source} is {own}, but {release} is {its}: the weights of one are no use as the "
                f"other, give a snapshot of {release} or leave its name out."
            )


def _traits(config: EG3DConfig) -> Iterator[str]:
    """What it is, from what matters most."""
    first, second, third = (
        "".join("xyz"[axis] for axis in pair) for pair in PLANE_AXES[config.volume.plane_axes]
    )
    name = "a Mimic3D" if isinstance(config, Mimic3DConfig) else "an EG3D"
    yield f"{name} with the planes {first}, {second} and {third}"
    if isinstance(config, Mimic3DConfig):
        yield f"of the {'3D' if config.residual else '2D'} phase"
    yield f"a generator of {config.img_resolution}²"
    yield f"a generator for the cameras of {config.camera_preset.partition('-')[0]}"
