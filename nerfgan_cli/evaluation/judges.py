"""Networks that say how far apart two pictures are, for `likeness.py`.

    lpips       features of a network that saw photographs, weighed by what people judged
                (Zhang et al. 2018)
    perceptual  features of a discriminator, as a student's training may compare them. That of
                ToyHeads is in the package. It is another measure, and no LPIPS

LPIPS's network is fetched if it was asked for by name, as `--metrics lpips` and `--lpips vgg` do.
"""

from typing import NamedTuple

from nerfgan_cli.checkpoints.conversion import sha256_of
from nerfgan_cli.checkpoints.measuring import IMAGENET
from nerfgan_cli.checkpoints.published import Published, find, find_or_fetch, how_to_get
from nerfgan_cli.errors import UsageError
from nerfgan_cli.evaluation.extractors import discriminator_file, load_discriminator, name_of
from nerfgan_cli.evaluation.metric import MissingWeights, Setting
from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance
from nerfgan_cli.losses.lpips import Lpips
from nerfgan_cli.losses.perceptual import Perceptual

LPIPS, PERCEPTUAL = "lpips", "perceptual"
JUDGES = (LPIPS, PERCEPTUAL)
USUAL = "alex"  # metrics.md 7: for reporting
ALTERNATIVE = (
    "give its file with --lpips-weights, or measure perceptual, which needs no download for models "
    "of ToyHeads"
)


class Judge(NamedTuple):
    network: Perceptual
    name: str  # as numbers say it
    checksum: str


def find_judge_obstacle(setting: Setting, kind: str) -> str | None:
    """Why there is none; what was asked for by name is fetched when it is used."""
    if kind == PERCEPTUAL:
        if discriminator_file(setting) is None:
            return "no discriminator is known for this model: give one with --discriminator"
        return None
    network, published = _published(setting)
    if _lies_ready(setting, published) or _is_named(setting):
        return None
    return MissingWeights(
        f"it needs {published.name}, which is not installed: "
        + how_to_get(published, network, "--lpips-weights")
    )


def open_judge(setting: Setting, kind: str) -> Judge:
    """In all processes at once. For `find_judge_obstacle` has found none."""
    if kind == PERCEPTUAL:
        with setting.world.alike():
            file = discriminator_file(setting)
            assert file is not None
            distance = DiscriminatorDistance(load_discriminator(file, setting.device))
        return Judge(distance, "discriminator", sha256_of(file))
    network, published = _published(setting)
    given, judge = setting.networks.lpips_weights, Lpips(network)
    with setting.world.alike():
        if setting.world.first and given is None:
            find_or_fetch(published, ALTERNATIVE)  # the others wait
    with setting.world.alike():
        file = given or find_or_fetch(published, ALTERNATIVE)
        judge.load(file)
    checksum = sha256_of(file)
    return Judge(judge.to(setting.device), name_of(network, checksum, published), checksum)


def _published(setting: Setting) -> tuple[str, Published]:
    """The network below LPIPS."""
    network = setting.networks.lpips or USUAL
    if network not in IMAGENET:
        raise UsageError(f"unknown network {network!r}: use one of {', '.join(IMAGENET)}.")
    return network, IMAGENET[network]


def _lies_ready(setting: Setting, published: Published) -> bool:
    return setting.networks.lpips_weights is not None or find(published) is not None


def _is_named(setting: Setting) -> bool:
    return LPIPS in setting.named or setting.networks.lpips is not None
