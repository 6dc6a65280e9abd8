"""What `nerfgan eval` needs to be ready: models, data, pictures, the progress that is shown."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.checkpoints.zoo import DEFAULT, TEACHER, find_model, home
from nerfgan_cli.commands.drawing import open_source
from nerfgan_cli.commands.options import DeviceName, PrecisionName
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.data.opening import open_images
from nerfgan_cli.data.toyheads.dataset import ToyHeads
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.evaluation.folder import PictureFolder
from nerfgan_cli.evaluation.metric import Metric, Networks, Setting
from nerfgan_cli.evaluation.table import METRICS
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.inversion.distances import is_of_toyheads
from nerfgan_cli.training.distributed import World

TOYHEADS = "toyheads"
MANY_TOYHEADS = 100_000  # the length that recipes state; those that are looked at are drawn
LARGEST_NUMBER = 1_000_000


@dataclass(frozen=True)
class Order:
    """The options of the command, as they were given."""

    teacher: str | None
    data: str | None
    metrics: str | None
    number: int | None
    images: Path | None
    cameras: Path | None
    like: str
    networks: Networks
    seed: int
    batch: int | None
    cache: Path | None
    precision: PrecisionName
    device: DeviceName


class Judged(NamedTuple):
    """Who is evaluated, and what the report says of its origin."""

    setting: Setting
    facts: dict[str, object]


class Bars:
    """Shows how far each pass is and when it will be done; in the first process, on a terminal."""

    def __init__(self, shown: bool) -> None:
        self.shown = shown and sys.stderr.isatty()
        self.bar: Any = None
        self.what = ""

    def __call__(self, what: str, done: int, of: int) -> None:
        if not self.shown:
            return
        if self.bar is None or what != self.what or done < self.bar.n:
            self.close()
            self.what = what
            self.bar = tqdm(total=of, initial=done, desc=what, unit="picture")
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def __enter__(self) -> "Bars":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def choose_metrics(text: str | None) -> list[Metric]:
    """Those of a comma list, in its order; without a word all."""
    if text is None:
        return list(METRICS.values())
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in METRICS:
            raise UsageError(f"there is no metric {name!r}: use any of {', '.join(METRICS)}.")
    return [METRICS[name] for name in dict.fromkeys(names)]


def open_judged(model: str | None, order: Order, world: World, progress: Bars) -> Judged:
    """A model with its teacher and data, or pictures that were made elsewhere."""
    bare = Setting(
        name=DEFAULT if model is None else Path(model).name.removesuffix(".safetensors"),
        generator=None,
        images=None,
        teacher=None,
        data=None,
        number=order.number,
        seed=order.seed,
        batch=order.batch,
        world=world,
        cache=order.cache or home() / "evaluation",
        progress=progress,
        networks=order.networks,
    )
    if order.images is not None:
        return _open_pictures(order.images, order, bare)
    source = open_source(model, order.device, order.precision)
    generator, toy = source.generator, is_of_toyheads(source.generator)
    setting = replace(
        bare,
        generator=generator,
        teacher=_open_teacher(order, toy and not generator.has_depth),
        data=_open_data(order.data, generator.img_resolution, toy),
    )
    facts = {
        "model": str(source.path),
        "kind": generator.kind,
        "checksum": f"{weights_checksum(generator):08x}",
        "precision": source.precision,
        "resolution": generator.img_resolution,
        "teacher": order.teacher or (TEACHER if setting.teacher is not None else None),
    }
    return Judged(setting, facts)


def _open_pictures(path: Path, order: Order, bare: Setting) -> Judged:
    """All of them, if no number is given: somebody else has drawn them already."""
    images = PictureFolder(path, order.cameras, PRESETS[order.like])
    if order.number is not None and order.number > len(images):
        raise InputError(
            f"{path} has {len(images)} pictures, fewer than the {order.number} of --num: "
            "give more pictures, or a smaller --num."
        )
    setting = replace(
        bare,
        name=images.name,
        images=images,
        teacher=_open_teacher(order, order.data == TOYHEADS),
        data=_open_data(order.data, images.resolution, toy=False),
        number=order.number or len(images),
    )
    return Judged(setting, {"images": str(path), "resolution": images.resolution})


def _open_teacher(order: Order, toy: bool) -> Generator | None:
    """The one that is named; for ToyHeads the bundled one."""
    if order.teacher is None and not toy:
        return None
    name = order.teacher or str(find_model(TEACHER))
    return open_source(name, order.device, order.precision).generator


def _open_data(data: str | None, resolution: int, toy: bool) -> ImageSet | None:
    if data == TOYHEADS or (data is None and toy):
        return ToyHeads(resolution, MANY_TOYHEADS)
    return None if data is None else open_images(Path(data).expanduser())


def exact(device: torch.device) -> None:
    """No TF32: the published numbers have none."""
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
