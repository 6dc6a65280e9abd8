"""A training step of a distillation by its parts: images per second and peak memory.

    python benchmarks/distillation.py
    python benchmarks/distillation.py --recipe distill-ffhq512 --set model.preset=light
    python benchmarks/distillation.py --recipe distill-ffhq512 --device cuda

One slice of a recipe's batch (`train.batch_gpu`) of stage 2. Weights that are not installed are
random ones of the same sizes, so that nothing has to be there.

    teacher        codes, planes, features, super-resolution
    student        forward and backward
    perceptual     distances of raw and final pictures, forward and backward to the pictures
    discriminator  what it says to the student, forward and backward, and a step of its own
    r1             its regulariser, forward and backward, every 16th step
    step           all of it but r1, with optimisers and averaging

Beside each stands its plain version: float32, planes for each view, all rays of the teacher at
once. Both take turns; times are medians. Peak memory is what a part adds to the memory in use, in a
process of its own for each version (on a CPU, Linux tells it).
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from math import sqrt
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from measuring import add_clock, clock_of, in_child
from plain import make_plain
from torch import nn

from nerfgan_cli.bench.memory import MB, Memory
from nerfgan_cli.bench.turns import take_turns
from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.measuring import IMAGENET
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.published import find
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators.contract import DrawOptions, Rendering, Subject
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d import PRESETS as TEACHERS
from nerfgan_cli.generators.precision import choose_device
from nerfgan_cli.losses.lpips import Lpips
from nerfgan_cli.training.distill import adversarial_loss, reconstruction_losses, weigh
from nerfgan_cli.training.distill_networks import build_critic
from nerfgan_cli.training.distill_recipe import CAMERAS_ALONE, DistillRecipe
from nerfgan_cli.training.distill_task import DistillTask, seen
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d import Exhibit, Views, penalize
from nerfgan_cli.training.kinds import resolve
from nerfgan_cli.training.machine import use_machine
from nerfgan_cli.training.recipe_files import load

VERSIONS = ("recipe", "plain")
# What a step does, without data, held-out pictures and files of targets.
STEP = (
    *("train.stage=2", "train.heldout=0", "loss.reals=teacher"),
    *("loss.discriminator_alone_kimg=0", "teacher.cache_targets=0"),
)
PLAIN = (
    *("train.precision=fp32", "teacher.precision=fp32"),
    *("teacher.views_per_latent=1", "loss.consistency=0"),  # which compares views
)
Parts = dict[str, Callable[[], object]]


def read(recipe: str, settings: list[str]) -> DistillRecipe:
    resolved = resolve(load(recipe, [*settings, *STEP]) | {"data": {"kind": CAMERAS_ALONE}})
    if not isinstance(resolved, DistillRecipe):
        raise SystemExit(f"{recipe} is no distillation: give another --recipe.")
    size = resolved.train.batch_gpu or resolved.train.batch
    return replace(resolved, train=replace(resolved.train, batch=size, batch_gpu=size))


def stand_ins(recipe: DistillRecipe, folder: Path) -> list[str]:
    """Settings that name random networks where the recipe's are not installed."""
    torch.manual_seed(0)
    settings = []
    table = recipe.teacher
    try:
        config = load_model(find_model(table.model)).eg3d_config
    except WeightsError:
        if table.model not in TEACHERS:
            raise
        config = TEACHERS[table.model]
        save_model(folder / "teacher.safetensors", EG3D(config), Provenance("random"))
        settings.append(f"teacher.model={folder / 'teacher.safetensors'}")
    if table.discriminator is not None and not is_there(table.discriminator):
        scratch = replace(recipe, loss=replace(recipe.loss, discriminator_start="scratch"))
        critic = build_critic(scratch, config.img_resolution, nn.Module)
        save_model(folder / "critic.safetensors", critic, Provenance("random"))
        settings.append(f"teacher.discriminator={folder / 'critic.safetensors'}")
    kind, file = recipe.loss.perceptual, folder / "network.pth"
    network = "vgg" if kind == "vgg16-l1" else kind.removeprefix("lpips-")
    if network in IMAGENET and not recipe.loss.perceptual_weights and not find(IMAGENET[network]):
        own = Lpips(network).measure.net.state_dict()
        torch.save({to_torchvision(name): random_like(x) for name, x in own.items()}, file)
        settings.append(f"loss.perceptual_weights={file}")
    return settings


def is_there(model: str) -> bool:
    try:
        return find_model(model).exists()
    except (UsageError, WeightsError):
        return False


def to_torchvision(name: str) -> str:
    return "features." + name.partition(".")[2]


def random_like(x: torch.Tensor) -> torch.Tensor:
    return torch.randn(x.shape) * sqrt(2 / max(1, x[0].numel()))


def build(recipe: str, settings: list[str], version: str, device: torch.device) -> DistillTask:
    plainly = version == "plain"
    task = DistillTask(read(recipe, [*settings, *(PLAIN if plainly else ())]), World(device))
    if plainly:
        make_plain(task.teacher)
    task.generator.start_from_teacher(task.teacher)
    return task


def parts_of(task: DistillTask) -> Parts:
    """Each part of a step, ready to be run again and again."""
    student, adversary, table = task.generator, task.adversary, task.recipe.loss
    assert adversary is not None
    critic = adversary.network.requires_grad_(False)
    numbers = count()
    lesson = task.lessons(next(numbers))
    real = Exhibit(lesson.views, lesson.camera)
    subject = Subject(lesson.w[:, None].expand(-1, student.num_ws, -1))

    def draw() -> Rendering:
        return student.draw(subject, lesson.camera, DrawOptions(official_raw=True))

    with torch.no_grad():
        drawn = draw()

    def given() -> Rendering:
        """Pictures whose gradients are asked for, and not those of the student."""
        tensors = (drawn.image, drawn.image_raw, drawn.features)
        return Rendering(*(x.detach().requires_grad_() for x in tensors), depth=None)

    def learn() -> None:
        out = draw()
        (out.features.square().mean() + out.image.square().mean()).backward()

    def perceive() -> None:
        only = replace(table, features=0.0, pixels=0.0)
        weigh(reconstruction_losses(given(), lesson, only, task.perceptual), table).backward()

    def oppose() -> None:
        moment = adversary.moment("student", 1, 0)
        shown = Views(*given()[:2])
        adversarial_loss(critic, shown, lesson.camera, moment).backward()
        adversary.learn(1, {0: Exhibit(seen(drawn), lesson.camera)}, {0: real})

    def regularise() -> None:
        critic.requires_grad_(True)
        moment = adversary.moment("r1", 0, 0)
        penalize(critic, real, table.r1_gamma, moment).loss.mean().backward()
        critic.requires_grad_(False)

    parts: Parts = {"teacher": lambda: task.lessons(next(numbers)), "student": learn}
    if task.perceptual is not None:
        parts["perceptual"] = perceive
    return parts | {"discriminator": oppose, "r1": regularise, "step": lambda: task.step(1)}


def peaks(task: DistillTask) -> dict[str, float]:
    """MB that each part adds; for a process of its own."""
    memory = Memory(task.world.device)
    found = {}
    for name, work in parts_of(task).items():
        for turn in range(2):  # the first loads code and makes the optimisers' moments
            for module in task.modules.values():
                module.zero_grad(set_to_none=True)
            added = memory.added(work) / MB
            if turn:
                found[name] = added
    return found


def compare(recipe: str, settings: list[str], arguments: argparse.Namespace) -> None:
    device = torch.device(arguments.device)
    tasks = {version: build(recipe, settings, version, device) for version in VERSIONS}
    size = tasks["recipe"].slices.size
    parts = {version: parts_of(task) for version, task in tasks.items()}
    names = list(parts["plain"])
    ways = {(name, version): parts[version][name] for name in names for version in VERSIONS}
    turns = take_turns(ways, arguments.repeats, clock_of(arguments))
    seconds = {way: median(times) for way, times in turns.items()}
    del tasks, parts, ways, turns
    rest = ("--recipe", recipe, "--device", arguments.device, "--set", *settings)
    memory = {version: in_child(__file__, "--child", version, *rest) for version in VERSIONS}
    print(f"{recipe}, {size} pictures at once, {device}, {torch.get_num_threads()} threads")
    print("\n| part | images/s | plain | faster | peak, MB | plain | smaller |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name in names:
        rates = [size / seconds[name, version] for version in VERSIONS]
        sizes = [memory[version][name] for version in VERSIONS]
        print(
            f"| {name} | {rates[0]:.3g} | {rates[1]:.3g} | {rates[0] / rates[1]:.1f}× "
            f"| {sizes[0]:.0f} | {sizes[1]:.0f} | {sizes[1] / sizes[0]:.1f}× |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="distill-toyheads")
    parser.add_argument(
        "--set", dest="settings", nargs="*", action="extend", default=[], metavar="KEY=VALUE"
    )
    parser.add_argument("--repeats", type=int, default=5)
    add_clock(parser)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--child", choices=VERSIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    use_machine()
    device = choose_device(arguments.device)
    arguments.device = device.type
    recipe, settings = arguments.recipe, arguments.settings
    if arguments.child:
        print(json.dumps(peaks(build(recipe, settings, arguments.child, device))))
        return
    with TemporaryDirectory() as folder:
        found = stand_ins(read(recipe, settings), Path(folder))
        print("random:", ", ".join(each.partition("=")[0] for each in found) or "nothing")
        compare(recipe, [*settings, *found], arguments)


if __name__ == "__main__":
    main()
