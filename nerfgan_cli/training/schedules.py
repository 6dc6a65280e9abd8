"""What changes over a training, as functions of the images seen (eg3d.md 9.2 to 9.6)."""

from math import cos, pi

BLUR_SIGMA = 10.0  # pixels, at the start
EMA_KIMG = 10.0  # half-life at a batch of 32
EMA_RAMPUP = 0.05  # early on the half-life is this fraction of the images seen


def progress(nimg: int, kimg: float) -> float:
    """Fraction of a fade that is over; one without length is over at once."""
    return min(nimg / (kimg * 1000), 1.0) if kimg > 0 else 1.0


def blur_sigma(nimg: int, fade_kimg: float, initial: float = BLUR_SIGMA) -> float:
    """Width of the blur before the discriminator, in pixels."""
    return initial * (1 - progress(nimg, fade_kimg))


def swap_probability(nimg: int, final: float, fade_kimg: float) -> float:
    """Chance that the generator is conditioned on another sample's camera, from 1 to `final`."""
    return 1 + (final - 1) * progress(nimg, fade_kimg)


def rendering_resolution(nimg: int, start: int, end: int, fade_kimg: float) -> int:
    """Side of the volume rendering in rays; takes every integer on its way."""
    amount = progress(nimg, fade_kimg)
    return round(start * (1 - amount) + end * amount)


def ema_beta(
    nimg: int,
    batch: int,
    rampup: float | None = EMA_RAMPUP,
    kimg: float | None = None,  # half-life in the end; None: the release's
) -> float:
    """Decay per iteration of the averaged generator."""
    half_life = (EMA_KIMG * batch / 32 if kimg is None else kimg) * 1000
    if rampup is not None:
        half_life = min(half_life, nimg * rampup)
    return float(0.5 ** (batch / max(half_life, 1e-8)))


def learning_rate(images: int, warmup_kimg: float, decay_kimg: float, last: float) -> float:
    """A short rise, then a cosine from 1 to `last`, which stays."""
    warm = progress(images, warmup_kimg)
    fall = (1 - cos(pi * progress(images, decay_kimg))) / 2
    return warm * (1 - (1 - last) * fall)
