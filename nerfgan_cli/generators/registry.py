"""Which class and configuration each kind of model has: from a checkpoint's header to a network."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

from torch import nn

from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators.config_reader import read_config
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.generators.mimic3d_config import Mimic3DConfig
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import StudentConfig
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.discriminators import SingleDiscriminator, build_discriminator
from nerfgan_cli.nn.toy_reader import ToyReader, ToyReaderConfig


def _eg3d(config: Mapping[str, Any]) -> nn.Module:
    return EG3D(read_config(EG3DConfig, config))


def _mimic3d(config: Mapping[str, Any]) -> nn.Module:
    return Mimic3D(read_config(Mimic3DConfig, config))


def _student(config: Mapping[str, Any]) -> nn.Module:
    return Student(read_config(StudentConfig, config))


def _discriminator(config: Mapping[str, Any]) -> nn.Module:
    plain = dict(config)
    class_name = str(plain.pop("class_name", None))
    return build_discriminator(class_name, read_config(DiscriminatorConfig, plain))


def _toy_reader(config: Mapping[str, Any]) -> nn.Module:
    return ToyReader(read_config(ToyReaderConfig, config))


Builder: TypeAlias = Callable[[Mapping[str, Any]], nn.Module]  # of what `describe` tells

BUILDERS: dict[str, Builder] = {
    "eg3d": _eg3d,
    "mimic3d": _mimic3d,
    "student": _student,
    "discriminator": _discriminator,
    ToyReader.kind: _toy_reader,
}


def register(kind: str, builder: Builder) -> None:
    """Makes this process know models of a kind of one's own: what opens files then opens theirs."""
    if kind in BUILDERS:
        raise UsageError(f"there is a kind {kind!r} already: give yours another name.")
    BUILDERS[kind] = builder


def build(kind: str, config: Mapping[str, Any]) -> nn.Module:
    """The network that a checkpoint describes, with random weights."""
    builder = BUILDERS.get(kind)
    if builder is None:
        raise WeightsError(
            f"this version of nerfgan knows no models of kind {kind!r}, only "
            f"{', '.join(BUILDERS)}: update nerfgan, or open it where its kind is registered."
        )
    try:
        return builder(config)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(
            f"this description of a {kind} fits no network ({error}): get the file again."
        ) from error


def describe(model: nn.Module) -> tuple[str, dict[str, Any]]:
    """The kind and the configuration from which `build` makes such a model."""
    if isinstance(model, Generator):
        return model.kind, model.config()
    if isinstance(model, SingleDiscriminator):
        return "discriminator", {"class_name": type(model).__name__, **asdict(model.config)}
    if isinstance(model, ToyReader):
        return model.kind, asdict(model.config)
    raise TypeError(f"{type(model).__name__} has no place in the registry")
