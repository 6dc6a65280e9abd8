"""Adversarial training of EG3D: which phase when, what each changes, averages, ADA."""

import inspect
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_case import BATCH, PICTURES, build, read, train_run, write_pictures

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.data.toyheads.identity import heads_from_latent
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.nn.discriminators import DiscriminatorConfig, DualDiscriminator
from nerfgan_cli.training import eg3d_task
from nerfgan_cli.training.ada import Ada
from nerfgan_cli.training.adversarial_recipe import TRAINABLE
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.eg3d import Latents, Mixing, Moment, PhaseResult, draw_fakes
from nerfgan_cli.training.eg3d_draws import Schedule, SliceDraws
from nerfgan_cli.training.estimate import estimate, kept_bytes
from nerfgan_cli.training.feed import find_foreign_cameras, open_data, random_cameras
from nerfgan_cli.training.kinds import build_task
from nerfgan_cli.training.precision import set_training_precision
from nerfgan_cli.training.randomness import keyed
from nerfgan_cli.training.schedules import blur_sigma, rendering_resolution, swap_probability
from nerfgan_cli.training.state import collect
from nerfgan_cli.training.update import descend, follow, lazy_adam

pytestmark = pytest.mark.usefixtures("quick_training")

CPU = torch.device("cpu")


def test_phases_come_when_they_are_due(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = build(tiny_recipe, "train.batch_gpu=4")
    calls: Counter[str] = Counter()
    for name in ("generator_phase", "density_phase", "discriminator_phase", "r1_phase"):
        original = getattr(eg3d_task, name)

        def counted(*arguments: Any, name: str = name, original: Any = original) -> PhaseResult:
            calls[name] += 1
            result: PhaseResult = original(*arguments)
            return result

        monkeypatch.setattr(eg3d_task, name, counted)
    task.begin(0)
    losses = [set(task.step(step)) for step in range(5)]
    assert calls == {
        **{"generator_phase": 5, "discriminator_phase": 5},
        **{"density_phase": 3, "r1_phase": 2},  # every second and every fourth step
    }
    assert ["loss/r1" in names for names in losses] == [True, False, False, False, True]


def test_each_phase_trains_its_network_only(tiny_recipe: Path) -> None:
    task = build(tiny_recipe)
    task.begin(0)
    before = {name: tensor.clone() for name, tensor in collect(task).items()}
    phases = list(
        task._phases(Schedule(0.5, 0.0, 8), {index: next(task.reals) for index in range(2)})
    )
    for phase in phases:
        task._descend(phase, 0)
        after = collect(task)
        changed = {
            name.split(".")[1]
            for name, tensor in after.items()
            if name.startswith("module.") and not torch.equal(tensor, before[name])
        }
        trained = "generator" if phase.network is task.generator else "discriminator"
        # The discriminator's phase also moves the average style and counts signs; r1 counts signs.
        besides = {"discriminator": {"generator", "ada"}, "r1": {"ada"}}.get(phase.name, set())
        assert changed == {trained, *besides}, phase.name
        if "generator" in besides:
            moved = [
                name
                for name in after
                if not torch.equal(after[name], before.get(name, after[name]))
            ]
            assert [name for name in moved if name.startswith("module.generator")] == [
                "module.generator.backbone.mapping.w_avg"
            ]
        before = {name: tensor.clone() for name, tensor in after.items()}
    assert [phase.name for phase in phases] == ["generator", "density", "discriminator", "r1"]
    assert [phase.interval for phase in phases] == [1, 2, 1, 4]


@pytest.mark.parametrize("name", TRAINABLE)
def test_each_discriminator_trains(tiny_recipe: Path, name: str) -> None:
    """Its penalty is of what it sees; also in a rehearsal."""
    settings = (f"model.discriminator.class_name={name}", "train.batch_gpu=4")
    task = build(tiny_recipe, *settings)
    assert type(task.discriminator).__name__ == name
    task.begin(0)
    assert task.step(0)["loss/r1"] > 0
    rehearsed = build_task(read(tiny_recipe, *settings), World(torch.device("meta")))
    assert estimate(rehearsed).activations > 0


@pytest.mark.parametrize("augment", ["none", "fixed", "ada"])
def test_numbers_of_the_recipe_reach_their_phases(
    tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch, augment: str
) -> None:
    """And whoever is drawn is seen by a camera of the data."""
    seen: dict[str, inspect.BoundArguments] = {}
    for name in ("generator_phase", "density_phase", "discriminator_phase", "r1_phase"):
        original = getattr(eg3d_task, name)

        def noted(*arguments: Any, name: str = name, original: Any = original) -> PhaseResult:
            seen[name] = inspect.signature(original).bind(*arguments)
            result: PhaseResult = original(*arguments)
            return result

        monkeypatch.setattr(eg3d_task, name, noted)
    task = build(
        *(tiny_recipe, "train.batch_gpu=4", "loss.r1_gamma=7", "loss.density_reg=0.5"),
        *("loss.density_points=300", "loss.density_distance=0.02"),
        *(f"loss.augment={augment}", "loss.augment_p=0.75"),
    )
    task.begin(0)
    numbers = task.step(0)
    phases = {name: bound.arguments for name, bound in seen.items()}
    assert phases["r1_phase"]["gamma"] == 7
    assert phases["density_phase"]["strength"] == 0.5
    points = phases["density_phase"]["points"]
    assert points.uniform.shape == points.offsets.shape == (4, 300, 3)
    assert points.offsets.std().item() == pytest.approx(0.02, rel=0.1)
    assert numbers["schedule/augment_p"] == (0.75 if augment == "fixed" else 0)
    assert task.data is not None
    labels = task.data.labels(np.arange(len(task.data)))
    for name, arguments in phases.items():
        assert (arguments["moment"].augment is None) == (augment == "none"), name
        if name != "r1_phase":
            chosen = arguments["latents"].camera.label
            assert (chosen[:, None] == labels).all(dim=2).any(dim=1).all(), name


def test_random_cameras_are_those_of_all_the_data(tiny_recipe: Path) -> None:
    data = open_data(read(tiny_recipe).data, 64)
    camera = random_cameras(data, 500, torch.Generator().manual_seed(0))
    labels = data.labels(np.arange(PICTURES))
    chosen = (camera.label[:, None] == labels).all(dim=2)
    assert (chosen.sum(dim=1) == 1).all()
    counts = chosen.sum(dim=0).float()  # 50 of each, with a standard deviation of 7
    assert counts.min() > 25
    assert counts.max() < 75


def test_monotonic_regularizers_have_points_of_their_own(tiny_recipe: Path) -> None:
    losses = {}
    for name in ("l1", "monotonic-detach", "monotonic-fixed"):
        task = build(tiny_recipe, f"loss.density_regularizer={name}", "train.batch_gpu=4")
        task.begin(0)
        phases = {phase.name: phase for phase in task._phases(Schedule(0.5, 0.0, 8), {})}
        (losses[name],) = task._descend(phases["density"], 0).values()
    assert losses["monotonic-detach"] == losses["monotonic-fixed"] != losses["l1"]
    with pytest.raises(UsageError, match="density_reg is 0"):
        read(tiny_recipe, "loss.density_regularizer=monotonic-fixed", "loss.density_reg=0")


def test_the_generator_can_be_held_to_what_latents_stand_for(tiny_recipe: Path) -> None:
    heads = ("data.kind=toyheads", "data.path=none", "model.generator.z_dim=92")
    heads = (*heads, "loss.style_mixing=0", "train.batch_gpu=4")
    losses = []
    for weight in (0, 1, 2):
        task = build(tiny_recipe, *heads, f"loss.truth={weight}")
        task.begin(0)
        phases = {phase.name: phase for phase in task._phases(Schedule(0.5, 0.0, 8), {})}
        losses.append(float(task._descend(phases["generator"], 0)["loss/generator"]))
    latents = Latents(torch.randn(2, 92), PRESETS["ffhq"].at([0.2, -0.2]), torch.zeros(2))
    exact = task._exact(latents)
    torch.testing.assert_close(exact, draw(heads_from_latent(latents.z), latents.camera, 64).image)
    assert losses[1] - losses[0] == pytest.approx(losses[2] - losses[1], rel=1e-3)
    assert losses[1] - losses[0] > 0.1  # a random network is far from any head
    with pytest.raises(UsageError, match=r"data\.kind to toyheads"):
        build(tiny_recipe, "loss.truth=1")
    with pytest.raises(UsageError, match="mixed styles"):
        build(tiny_recipe, *heads, "loss.truth=1", "loss.style_mixing=0.5")
    with pytest.raises(UsageError, match="92 numbers"):
        build(tiny_recipe, *heads, "loss.truth=1", "model.generator.z_dim=8")


def test_a_rare_phase_weighs_more(tiny_recipe: Path) -> None:
    """Gradients of a phase every n-th step are n times those of its loss."""
    gradients = []
    for interval in (1, 3):
        task = build(tiny_recipe, f"loss.density_interval={interval}", "train.batch_gpu=4")
        task.begin(0)
        phases = {phase.name: phase for phase in task._phases(Schedule(0.5, 0.0, 8), {})}
        task._descend(phases["density"], 0)
        gradients.append(task.generator.decoder.net[0].weight.grad)
    torch.testing.assert_close(gradients[1], 3 * gradients[0])


def test_gradients_are_the_mean_of_the_slices() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer, slopes = torch.optim.SGD([weight], lr=1), torch.tensor([[1.0, 2.0], [5.0, 8.0]])
    world = World(CPU)
    for update in (1, 2):
        descend(optimizer, world, world.slices(4, 2), lambda index: slopes[index] @ weight)
        assert weight.grad is not None
        assert weight.grad.tolist() == [3, 5]
        assert weight.tolist() == [-3 * update, -5 * update]


def test_many_slices_take_nothing_from_half_precision() -> None:
    """A gradient that fp16 just holds is still there in the mean of four."""
    weight, smallest = torch.nn.Parameter(torch.zeros(1)), 2.0**-24
    optimizer, world = torch.optim.SGD([weight], lr=1), World(CPU)
    slope = torch.tensor([smallest], dtype=torch.float16)
    descend(optimizer, world, world.slices(4, 1), lambda _: (weight.half() * slope).float().sum())
    assert weight.tolist() == [-smallest]


def test_schedules_follow_the_images(tiny_recipe: Path) -> None:
    task, loss = build(tiny_recipe), read(tiny_recipe).loss
    for images in (0, 8, 16, 40):
        assert task._schedule(images) == (
            swap_probability(images, loss.swap_probability, loss.swap_fade_kimg),
            blur_sigma(images, loss.blur_fade_kimg, loss.blur_sigma),
            rendering_resolution(images, 8, 12, loss.resolution_fade_kimg),
        )


def test_lazy_adam_has_the_published_numbers() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    for rate, interval, expected in (
        (0.0025, 4, (0.002, 0.991992)),
        (0.002, 16, (0.00188235, 0.990585)),
    ):
        (group,) = lazy_adam(parameters, rate, (0.0, 0.99), 1e-8, interval).param_groups
        assert (group["lr"], group["betas"][1]) == pytest.approx(expected, rel=2e-6)
        assert (group["betas"][0], group["eps"]) == (0, 1e-8)
    (group,) = lazy_adam(parameters, 0.0025, (0.0, 0.99), 1e-8).param_groups
    assert (group["lr"], group["betas"]) == (0.0025, (0.0, 0.99))


def test_the_average_follows_parameters_and_copies_buffers(tiny_recipe: Path) -> None:
    task = build(tiny_recipe)
    own, its = (
        {name: tensor.clone() for name, tensor in network.state_dict().items()}
        for network in (task.average, task.generator)
    )
    with torch.no_grad():
        for tensor in (*task.generator.parameters(), *task.generator.buffers()):
            tensor += 1
    follow(task.average, task.generator, 0.75)
    parameters = {name for name, _ in task.generator.named_parameters()}
    for name, tensor in task.average.state_dict().items():
        expected = (
            0.75 * own[name] + 0.25 * (its[name] + 1) if name in parameters else its[name] + 1
        )
        torch.testing.assert_close(tensor, expected)


def test_ada_goes_up_and_down_but_not_below_zero() -> None:
    ada, world = Ada(0.0), World(CPU)
    sure, unsure = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[1.0], [-2.0]])
    ada.observe(sure)
    ada.adjust(0.6, 0.125, world)
    assert ada.pipe.p.item() == 0.125
    ada.observe(unsure)  # the sure ones are forgotten
    ada.adjust(0.6, 0.0625, world)
    assert ada.pipe.p.item() == 0.0625
    ada.observe(unsure)
    ada.adjust(0.6, 0.125, world)
    assert ada.pipe.p.item() == 0


def test_ada_counts_all_reals_since_the_last_change() -> None:
    ada = Ada(0.0)
    ada.observe(torch.tensor([[1.0], [2.0], [3.0]]))
    ada.observe(torch.tensor([[-1.0]]))
    ada.adjust(0.4, 0.125, World(CPU))  # the mean sign is 0.5
    assert ada.pipe.p.item() == 0.125


def test_ada_moves_as_fast_as_the_recipe_says(tiny_recipe: Path) -> None:
    task = build(tiny_recipe)
    task.begin(0)
    strengths = [float(task.step(step)["schedule/augment_p"]) for step in range(5)]
    change = BATCH * 4 / 20  # of batch · ada_interval / ada_kimg
    assert strengths == pytest.approx([0, 0, 0, change, change])


def test_style_mixing_gives_later_layers_another_latent(tiny_recipe: Path) -> None:
    task = build(tiny_recipe)
    network, data, seen = task.generator, task.data, []
    network.prepare = lambda ws, options: seen.append(ws) or original(ws, options)
    original = EG3D.prepare.__get__(network)
    draws = SliceDraws(0, "generator", 0, 0, 2, CPU)
    assert draws.latents(network, data, 0.0).mixing is None
    latents = draws.latents(network, data, 1.0)
    assert latents.mixing is not None
    assert 1 <= latents.mixing.cutoff < network.num_ws
    swapped = Latents(latents.z, latents.camera, torch.ones(2), mixing=Mixing(latents.z + 1, 3))
    moment: Moment = draws.moment(Schedule(0.5, 0.0, 8), None)
    with torch.no_grad():
        draw_fakes(network, swapped, moment)
        first = network.mapping(latents.z, latents.camera)
        second = network.mapping(latents.z + 1, latents.camera)
    assert torch.equal(seen[0], torch.cat([first[:, :3], second[:, 3:]], dim=1))


def test_raw_pictures_are_pure_if_asked(tiny_recipe: Path) -> None:
    """Else as the release shows them, where its super-resolution adds to them in place."""
    views = []
    for settings in ((), ("loss.official_raw=false",)):
        task = build(tiny_recipe, "model.generator.raw_resolution=32", *settings)
        draws = SliceDraws(0, "generator", 0, 0, 2, CPU)
        latents = draws.latents(task.generator, task.data, 0.0)
        with torch.no_grad():
            moment = task._moment(draws, Schedule(0.5, 0.0, 32))
            views.append(draw_fakes(task.generator, latents, moment))
    official, pure = views
    assert torch.equal(official.image, pure.image)
    assert (official.image_raw - pure.image_raw).abs().max() > 0.01


def test_draws_depend_on_their_purpose_and_place_alone() -> None:
    def draw(*key: object) -> float:
        return torch.rand([], generator=keyed("cpu", *key)).item()  # type: ignore[arg-type]

    places = [(0, "a", 0, 0), (1, "a", 0, 0), (0, "b", 0, 0), (0, "a", 1, 0), (0, "a", 0, 1)]
    assert len({draw(*place) for place in places}) == len(places)
    assert draw(0, "a", 0, 0) == draw(0, "a", 0, 0)


def test_every_slice_of_every_phase_and_step_has_draws_of_its_own(tiny_recipe: Path) -> None:
    task = build(tiny_recipe)
    found = []
    for place in (("generator", 0, 0), ("density", 0, 0), ("generator", 1, 0), ("generator", 0, 1)):
        draws = SliceDraws(0, *place, 2, CPU)
        latents = draws.latents(task.generator, task.data, 0.0)
        moment = draws.moment(Schedule(0.5, 0.0, 8), task.ada.pipe)
        noise = torch.rand([], generator=moment.drawing.generator)
        points, offsets, _ = draws.points(3, 1.0)
        found.append((latents.z[0, 0], latents.swap[0], noise, points[0, 0, 0], offsets[0, 0, 0]))
    for numbers in zip(*found, strict=True):
        assert len({number.item() for number in numbers}) == len(found)


def test_half_precision_is_where_the_release_has_it() -> None:
    """The super-resolution, and the discriminator from 64² up (eg3d.md 6)."""
    discriminator = DualDiscriminator(DiscriminatorConfig(512, channel_base=512, channel_max=4))
    set_training_precision(discriminator, "auto", torch.device("cuda"))
    halved = {
        resolution
        for resolution in discriminator.resolutions
        if discriminator.get_submodule(f"b{resolution}").compute_dtype == torch.float16
    }
    assert halved == {512, 256, 128, 64}
    set_training_precision(discriminator, "auto", CPU)
    assert discriminator.b512.compute_dtype == torch.float32


def test_generator_in_half_precision(tiny_recipe: Path) -> None:
    network = build(tiny_recipe, "train.precision=bf16").generator
    assert network.superresolution.block0.compute_dtype == torch.bfloat16
    assert network.backbone.synthesis.b8.compute_dtype == torch.float32


def test_pictures_of_another_size_are_refused(tiny_recipe: Path, tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "small", side=32)
    with pytest.raises(UsageError, match=r"pictures of small are 32² .* draws 64²"):
        build(tiny_recipe, f"data.path={pictures}")


def test_slices_that_cannot_be_compared_are_refused(tiny_recipe: Path) -> None:
    with pytest.raises(UsageError, match=r"slices of 2 images .* groups of 4"):
        build(tiny_recipe, "model.discriminator.mbstd_group_size=4")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.discriminator.mbstd_group_size=0", r"mbstd_group_size of 0 is impossible"),
        ("model.discriminator.class_name=Dual", r"'Dual': use one of SingleDiscriminator, Dual"),
        (  # no checkpoint holds how far it has faded
            "model.discriminator.class_name=DummyDualDiscriminator",
            r"class_name cannot be 'DummyDualDiscriminator': use one of",
        ),
        ("model.discriminator.freeze_layers=-1", r"freeze_layers of -1 is impossible"),
        ("model.generator.camera_preset=moon", r"camera preset 'moon': use one of ffhq, afhq"),
        ("model.generator.mapping_layers=0", r"mapping_layers of 0 is impossible"),
        ("model.generator.volume.box_warp=0", r"a side of 0 is impossible"),
    ],
)
def test_networks_that_cannot_be_are_refused(tiny_recipe: Path, setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tiny_recipe, setting)


def test_foreign_cameras_are_told(tiny_recipe: Path, tmp_path: Path) -> None:
    far = f"data.path={write_pictures(tmp_path / 'far', radius=3.9)}"
    (warning,) = find_foreign_cameras(open_data(read(tiny_recipe, far).data, 64), PRESETS["ffhq"])
    said = train_run(tmp_path / "run", read(tiny_recipe, far, "train.kimg=0.004"))
    assert said[0] == f"warning: {warning}"
    assert "distance from the origin" in warning
    assert "3.9" in warning
    assert "2.7" in warning
    assert not find_foreign_cameras(open_data(read(tiny_recipe).data, 64), PRESETS["ffhq"])


def test_memory_is_counted_once_and_grows_with_the_slice(tiny_recipe: Path) -> None:
    x = torch.zeros(10, 10, device="meta", requires_grad=True)
    assert kept_bytes(lambda: (x.exp() * x.exp()).sum()) == 2 * 400  # exp keeps its own result
    sizes = [
        estimate(build_task(read(tiny_recipe, f"train.batch_gpu={n}"), World(torch.device("meta"))))
        for n in (2, 4)
    ]
    assert sizes[1].activations == pytest.approx(2 * sizes[0].activations, rel=0.01)
    parts = sizes[0].parameters["generator"]
    assert set(parts) == {"backbone", "superresolution", "decoder"}
    assert sizes[0].training == 12 * sum(
        count for each in sizes[0].parameters.values() for count in each.values()
    )
