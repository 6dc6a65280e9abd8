"""Networks whose features stand for pictures in FID, KID and the like.

    inception      that of 2015, by which the papers measure; torch-fidelity has it, with the
                   resizing of TensorFlow 1 to the last bit
    discriminator  spatial means of a discriminator's last features: no download for models of
                   ToyHeads. It is a judge in its own cause where a model was trained with it
    squeezenet     spatial means of SqueezeNet's last features

Only numbers of the same extractor can be compared, so its name is in theirs; weights other than
those published add their checksum to it.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nerfgan_cli.checkpoints.conversion import sha256_of
from nerfgan_cli.checkpoints.format import load_network
from nerfgan_cli.checkpoints.measuring import IMAGENET, INCEPTION
from nerfgan_cli.checkpoints.published import Published, find, find_or_fetch, how_to_get
from nerfgan_cli.checkpoints.toyheads import is_of_toyheads
from nerfgan_cli.checkpoints.zoo import DISCRIMINATOR, find_model
from nerfgan_cli.data.toyheads.dataset import ToyHeads
from nerfgan_cli.errors import InputError, NerfganError, UsageError, WeightsError
from nerfgan_cli.evaluation.metric import MissingWeights, Setting
from nerfgan_cli.losses.imagenet import read_tensors
from nerfgan_cli.nn.discriminators import SingleDiscriminator
from nerfgan_cli.ops.resize import resize
from nerfgan_cli.training.distributed import LostError

IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SERVED = frozenset({"fid", "fid3d", "kid"})  # metrics
EXCEPT = "take --extractor discriminator, which needs no download for models of ToyHeads"


class Extractor(NamedTuple):
    name: str
    checksum: str  # of its weights
    network: Callable[[Tensor], Tensor]  # uint8 [B, 3, H, W] -> [B, D]
    device: torch.device

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Tensor:  # uint8 [B, H, W, 3] -> float32 [B, D]
        """On its device; nobody waits for it."""
        return self.network(pictures.to(self.device).permute(0, 3, 1, 2)).float()


def name_of(network: str, checksum: str, published: Published) -> str:
    """Other weights than those published make other numbers."""
    return network if checksum == published.sha256 else f"{network}@{checksum[:8]}"


def open_inception(file: Path, device: torch.device) -> Extractor:
    """The file is a plain state dict; it is read by torch's reader that runs no code."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    safe = BytesIO()  # torch-fidelity reads with the other reader
    torch.save(read_tensors(file), safe)
    safe.seek(0)
    try:
        network = FeatureExtractorInceptionV3("inception", ["2048"], safe).to(device)
    except RuntimeError as error:
        raise WeightsError(
            f"{file} is not the Inception of 2015: give {INCEPTION.name}, or {EXCEPT}."
        ) from error
    checksum = sha256_of(file)
    name = name_of("inception", checksum, INCEPTION)
    return Extractor(name, checksum, lambda pixels: network(pixels)[0], device)


def open_squeezenet(file: Path, device: torch.device) -> Extractor:
    from torchvision.models import squeezenet1_1

    network: nn.Module = squeezenet1_1(weights=None).features
    tensors = {
        name.removeprefix("features."): tensor
        for name, tensor in read_tensors(file).items()
        if name.startswith("features.")
    }
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(
            f"{file} is no SqueezeNet 1.1: give torchvision's file of it."
        ) from error
    network.to(device).eval().requires_grad_(False)
    mean, spread = (
        torch.tensor(numbers, device=device)[:, None, None]
        for numbers in (IMAGENET_MEAN, IMAGENET_SPREAD)
    )

    def features(pixels: Tensor) -> Tensor:
        found: Tensor = network((pixels.float() / 255 - mean) / spread)
        return found.mean(dim=(2, 3))

    checksum = sha256_of(file)
    name = name_of("squeezenet", checksum, IMAGENET["squeeze"])
    return Extractor(name, checksum, features, device)


def load_discriminator(file: Path, device: torch.device) -> SingleDiscriminator:
    network = load_network(file, device)
    if not isinstance(network, SingleDiscriminator):
        raise WeightsError(f"{file} is no discriminator: give one with --discriminator.")
    return network


def open_discriminator(file: Path, device: torch.device) -> Extractor:
    network = load_discriminator(file, device)
    return Extractor(
        "discriminator", sha256_of(file), lambda pixels: judge(network, pixels), device
    )


def judge(network: SingleDiscriminator, pixels: Tensor) -> Tensor:  # uint8 -> [B, C]
    """A dual discriminator sees the picture in both places, as in `DiscriminatorDistance`."""
    picture = resize(pixels.float() / 127.5 - 1, network.config.img_resolution)
    *_, last = network.features(picture, picture)
    return last.float().mean(dim=(2, 3))


class Kind(NamedTuple):
    """An extractor by name: where its weights may be, and how they are opened."""

    option: str  # of the command line, for a file
    file: Callable[[Setting], Path | None]  # the one that was given, or that lies ready
    published: Published | None  # None: not to be fetched
    open: Callable[[Path, torch.device], Extractor]


def _inception_file(setting: Setting) -> Path | None:
    return setting.networks.inception or find(INCEPTION)


def _squeezenet_file(setting: Setting) -> Path | None:
    return setting.networks.squeezenet or find(IMAGENET["squeeze"])


def discriminator_file(setting: Setting) -> Path | None:
    """The one that is given, or ToyHeads' own."""
    if setting.networks.discriminator is not None:
        return find_model(setting.networks.discriminator)
    known = setting.generator is not None and is_of_toyheads(setting.generator)
    return find_model(DISCRIMINATOR) if known or isinstance(setting.data, ToyHeads) else None


EXTRACTORS = {
    "inception": Kind("--inception", _inception_file, INCEPTION, open_inception),
    "discriminator": Kind("--discriminator", discriminator_file, None, open_discriminator),
    "squeezenet": Kind("--squeezenet", _squeezenet_file, IMAGENET["squeeze"], open_squeezenet),
}


def choose_extractors(setting: Setting) -> list[str]:
    """Those asked for, by name or by a file; else those that lie ready, or the papers'.

    A CPU has no time for more than one that nobody asked for.
    """
    networks = setting.networks
    if networks.extractors is not None:
        return list(networks.extractors)
    files = {
        "discriminator": networks.discriminator,
        "inception": networks.inception,
        "squeezenet": networks.squeezenet,
    }
    given = [name for name, file in files.items() if file is not None]
    ready = [name for name in ("discriminator", "inception") if EXTRACTORS[name].file(setting)]
    if not (given or ready or SERVED.isdisjoint(setting.named)):
        return ["inception"]  # is fetched
    if setting.device.type == "cpu":
        return given or ready[:1]
    return [name for name in files if name in given or name in ready]


def find_obstacle(setting: Setting) -> str | None:
    """Why there is no extractor; what was asked for by name is fetched when it is used."""
    for name in setting.networks.extractors or ():
        kind = EXTRACTORS.get(name)
        if kind is None:
            raise UsageError(f"unknown extractor {name!r}: use one of {', '.join(EXTRACTORS)}.")
        file = kind.file(setting)
        if file is None and kind.published is None:
            return f"no {name} is known for this model: give one with {kind.option}"
        if file is not None and not file.is_file():
            raise InputError(f"there is no file {file}: check the path of {kind.option}.")
    return None if choose_extractors(setting) else missing_inception()


def find_omission(setting: Setting) -> str | None:
    """Why numbers as the papers have them are not among those that nobody asked for by name."""
    if setting.networks.extractors is not None or "inception" in choose_extractors(setting):
        return None
    if _inception_file(setting) is None:
        return missing_inception()
    return "it takes a CPU minutes: ask for it with --extractor inception"


def missing_inception() -> MissingWeights:
    return MissingWeights(
        "it needs the Inception network of 2015 (95.6 MB, Apache-2.0), which is not installed: "
        + how_to_get(INCEPTION, "inception", "--inception")
    )


def open_extractors(setting: Setting) -> tuple[list[Extractor], dict[str, NerfganError]]:
    """Ready to be used, and why others are not; if none is, that is raised.

    The first process fetches what is missing, while the others wait.
    """
    opened: list[Extractor] = []
    failures: dict[str, NerfganError] = {}
    for name in choose_extractors(setting):
        kind = EXTRACTORS[name]
        try:
            with setting.world.alike():
                if setting.world.first:
                    find_file(kind, setting)
            with setting.world.alike():
                opened.append(kind.open(find_file(kind, setting), setting.device))
        except LostError:
            raise
        except NerfganError as error:
            failures[name] = error
    if not opened:
        raise next(iter(failures.values()))
    return opened, failures


def find_file(kind: Kind, setting: Setting) -> Path:
    """Fetched, if it is published and not here."""
    file = kind.file(setting)
    if file is not None:
        return file
    assert kind.published is not None  # else `find_obstacle` has told
    return find_or_fetch(kind.published, EXCEPT)
