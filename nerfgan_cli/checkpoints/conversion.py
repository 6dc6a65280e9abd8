"""From a network of an official checkpoint to a file of ours; needs no torch."""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from nerfgan_cli.checkpoints.container import Entry, Payload
from nerfgan_cli.checkpoints.expected import Shape, discriminator_tensors, generator_tensors
from nerfgan_cli.checkpoints.header import Header, compare_tensors, read_header, write_model
from nerfgan_cli.checkpoints.official import SURPLUS, Network, OfficialCheckpoint, read_official
from nerfgan_cli.checkpoints.provenance import (
    AUGMENTATION,
    MIMIC3D_TERMS,
    OFFICIAL_TERMS,
    Provenance,
)
from nerfgan_cli.checkpoints.releases import refuse_other
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.generators.config_reader import read_config
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.generators.mimic3d_config import AXES, STAGE, Mimic3DConfig
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig

GENERATOR = "TriPlaneGenerator"
RELEASED = "released"  # plane axes of EG3D
IMAGES = {"SingleDiscriminator": 1, "DualDiscriminator": 2, "DummyDualDiscriminator": 2}
OTHER_CLASSES = {
    "Generator": "a StyleGAN2-ADA or StyleGAN3 generator",
    "Discriminator": "a StyleGAN2-ADA or StyleGAN3 discriminator",
}


class Architecture(NamedTuple):
    """A network in our terms."""

    kind: str
    config: dict[str, Any]
    tensors: dict[str, Shape]


def convert(
    source: Path,
    out: Path,
    key: str = "G_ema",  # or G, D, D_patch
    plane_axes: str | None = None,  # None: those of the release
    camera_preset: str | None = None,  # None: as its options record
    half: bool = False,  # stores weights as float16
    release: str | None = None,  # a generator has to be of: a name of the zoo
) -> Header:
    """Writes one network of an official checkpoint as a model of ours."""
    checkpoint = read_official(source)
    network = checkpoint.network(key)
    architecture = describe(network, checkpoint.name, plane_axes, camera_preset)
    if release is not None:
        refuse_other(architecture.kind, architecture.config, release, checkpoint.name)
    stored = {name: t for name, t in network.tensors.items() if name not in SURPLUS}
    found = {name: Entry(t.storage.name, t.shape) for name, t in stored.items()}
    expected = {name: Entry("F32", shape) for name, shape in architecture.tensors.items()}
    compare_tensors(f"{key} of {checkpoint.name}", found, expected)
    provenance = Provenance(
        source=checkpoint.name,
        sha256=sha256_of(source),
        network=key,
        licence=terms_of(checkpoint),
        training=checkpoint.training_facts() | augmentation(checkpoint, key),
    )
    payloads = {name: Payload("F32", tensor.array()) for name, tensor in stored.items()}
    kind, config, sizes = architecture.kind, architecture.config, network.part_sizes()
    write_model(out, kind, config, sizes, provenance, payloads, half)
    return read_header(out)


def terms_of(checkpoint: OfficialCheckpoint) -> str:
    """Those of the release that a checkpoint is from, by its looks."""
    generators = (checkpoint.networks.get(key) for key in ("G_ema", "G"))
    mimic3d = any(network is not None and is_mimic3d(network) for network in generators)
    return MIMIC3D_TERMS if mimic3d or "D_patch" in checkpoint.networks else OFFICIAL_TERMS


def augmentation(checkpoint: OfficialCheckpoint, key: str) -> dict[str, float]:
    """How strongly what a discriminator saw was augmented in the end, where that is recorded."""
    pipe = checkpoint.networks.get("augment_pipe")
    if key not in ("D", "D_patch") or pipe is None or "p" not in pipe.tensors:
        return {}
    return {AUGMENTATION: float(pipe.tensors["p"].array())}


def describe(
    network: Network, source: str, plane_axes: str | None, camera_preset: str | None
) -> Architecture:
    """The architecture that an official network states."""
    name = network.class_name
    if is_mimic3d(network) or name == GENERATOR:
        official = official_generator(network, source, plane_axes)
        if camera_preset is not None:
            official = replace(official, camera_preset=camera_preset)
        kind = "mimic3d" if isinstance(official, Mimic3DConfig) else "eg3d"
        config = asdict(official)
        return Architecture(kind, config, generator_tensors(read_config(type(official), config)))
    if name in IMAGES:
        config = asdict(official_discriminator(network, source))
        tensors = discriminator_tensors(IMAGES[name], read_config(DiscriminatorConfig, config))
        return Architecture("discriminator", {"class_name": name, **config}, tensors)
    what = OTHER_CLASSES.get(name, f"a network of class {name}")
    raise InputError(
        f"{source} holds {what}, which nerfgan cannot convert: give one of EG3D or Mimic3D."
    )


def is_mimic3d(network: Network) -> bool:
    """By the 3D-aware stream, which no other generator has."""
    return any(STAGE.match(name) for name in network.tensors)


def official_generator(network: Network, source: str, plane_axes: str | None) -> EG3DConfig:
    arguments, attributes = network.init_kwargs, network.attributes
    if not is_mimic3d(network):
        official = EG3DConfig.from_official(arguments, attributes)
        return replace(official, volume=replace(official.volume, plane_axes=plane_axes or RELEASED))
    if plane_axes not in (None, AXES):
        raise UsageError(
            f"{source} is a Mimic3D, whose planes are xy, yz and zx and not {plane_axes!r}: "
            "leave the plane axes out."
        )
    return Mimic3DConfig.from_snapshot(arguments, attributes, network.tensors)


def describe_official(network: Network) -> Architecture | None:
    """The architecture, if it is one that we know."""
    known = network.class_name == GENERATOR or network.class_name in IMAGES
    if not known and not is_mimic3d(network):
        return None
    return describe(network, network.class_name, None, None)


def official_discriminator(network: Network, source: str) -> DiscriminatorConfig:
    try:
        return DiscriminatorConfig.from_release(network.init_kwargs)
    except (AttributeError, TypeError) as error:
        raise InputError(
            f"the options of the discriminator of {source} lack or misuse something ({error}): "
            "give a checkpoint that the official program wrote."
        ) from error


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
