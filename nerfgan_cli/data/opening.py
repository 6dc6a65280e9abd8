"""The one way to open a data set from files, with all that can be done to its list of items."""

from pathlib import Path

from nerfgan_cli.data.archive import ImageArchive
from nerfgan_cli.data.balance import read_replicas, repeat, replicas_by_yaw
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.data.selections import Chosen, Mirrored, random_subset

BY_YAW = "yaw"


def open_images(
    path: Path,
    max_size: int | None = None,  # a random subset, the same for the same seed
    rebalance: str | None = None,  # "yaw", or a file of replica counts
    mirror: bool = False,
    seed: int = 0,
) -> ImageSet:
    """Pictures of a zip or folder: rebalanced, then a subset, then each with its mirror image."""
    archive = ImageArchive(path)
    images: ImageSet = archive
    if rebalance is not None:
        everyone = archive.labels(repeat([1] * len(archive)))
        by_yaw = rebalance == BY_YAW
        counts = replicas_by_yaw(everyone) if by_yaw else read_replicas(Path(rebalance), archive)
        images = Chosen(images, repeat(counts))
    if max_size is not None and max_size < len(images):
        images = Chosen(images, random_subset(len(images), max_size, seed))
    return Mirrored(images) if mirror else images
