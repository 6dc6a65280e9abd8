"""From a network of an official checkpoint to a file of ours; needs no torch."""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from nerfgan_cli.checkpoints.container import Entry, Payload
from nerfgan_cli.checkpoints.expected import Shape, discriminator_tensors, generator_tensors
from nerfgan_cli.checkpoints.header import Header, compare_tensors, read_header, write_model
from nerfgan_cli.checkpoints.official import SURPLUS, Network, OfficialCheckpoint, read_official
from nerfgan_cli.checkpoints.provenance import AUGMENTATION, OFFICIAL_TERMS, Provenance
from nerfgan_cli.errors import InputError
from nerfgan_cli.generators.config_reader import read_config
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig

GENERATOR = "TriPlaneGenerator"
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
    key: str = "G_ema",  # or G, D
    plane_axes: str = "released",
    camera_preset: str | None = None,  # None: as its options record
    half: bool = False,  # stores weights as float16
) -> Header:
    """Writes one network of an official checkpoint as a model of ours."""
    checkpoint = read_official(source)
    network = checkpoint.network(key)
    architecture = describe(network, checkpoint.name, plane_axes, camera_preset)
    stored = {name: t for name, t in network.tensors.items() if name not in SURPLUS}
    found = {name: Entry(t.storage.name, t.shape) for name, t in stored.items()}
    expected = {name: Entry("F32", shape) for name, shape in architecture.tensors.items()}
    compare_tensors(f"{key} of {checkpoint.name}", found, expected)
    provenance = Provenance(
        source=checkpoint.name,
        sha256=sha256_of(source),
        network=key,
        licence=OFFICIAL_TERMS,
        training=checkpoint.training_facts() | augmentation(checkpoint, key),
    )
    payloads = {name: Payload("F32", tensor.array()) for name, tensor in stored.items()}
    kind, config, sizes = architecture.kind, architecture.config, network.part_sizes()
    write_model(out, kind, config, sizes, provenance, payloads, half)
    return read_header(out)


def augmentation(checkpoint: OfficialCheckpoint, key: str) -> dict[str, float]:
    """How strongly what a discriminator saw was augmented in the end, where that is recorded."""
    pipe = checkpoint.networks.get("augment_pipe")
    if key != "D" or pipe is None or "p" not in pipe.tensors:
        return {}
    return {AUGMENTATION: float(pipe.tensors["p"].array())}


def describe(
    network: Network, source: str, plane_axes: str, camera_preset: str | None
) -> Architecture:
    """The architecture that an official network states."""
    name = network.class_name
    if name == GENERATOR:
        official = EG3DConfig.from_official(network.init_kwargs, network.attributes)
        volume = replace(official.volume, plane_axes=plane_axes)
        camera = official.camera_preset if camera_preset is None else camera_preset
        config = asdict(replace(official, volume=volume, camera_preset=camera))
        return Architecture("eg3d", config, generator_tensors(read_config(EG3DConfig, config)))
    if name in IMAGES:
        config = asdict(official_discriminator(network, source))
        tensors = discriminator_tensors(IMAGES[name], read_config(DiscriminatorConfig, config))
        return Architecture("discriminator", {"class_name": name, **config}, tensors)
    what = OTHER_CLASSES.get(name, f"a network of class {name}")
    raise InputError(
        f"{source} holds {what}, which nerfgan cannot convert: give a checkpoint of EG3D."
    )


def describe_official(network: Network) -> Architecture | None:
    """The architecture, if it is one that we know."""
    if network.class_name != GENERATOR and network.class_name not in IMAGES:
        return None
    return describe(network, network.class_name, "released", None)


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
