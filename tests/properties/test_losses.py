"""Distances of features and pictures: values in closed form, gradients, where weights come from."""

import os
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from distill_case import RECIPE, read
from PIL import Image
from torch import Tensor

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints import published
from nerfgan_cli.checkpoints.format import load_network
from nerfgan_cli.checkpoints.measuring import IMAGENET
from nerfgan_cli.checkpoints.published import Published, find_or_fetch
from nerfgan_cli.checkpoints.zoo import TEACHER, find_model, weights_folder
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance
from nerfgan_cli.losses.features import smooth_l1
from nerfgan_cli.losses.imagenet import ImageNetDistance, read_tensors
from nerfgan_cli.losses.lpips import Lpips
from nerfgan_cli.losses.perceptual import Perceptual, direction_distance
from nerfgan_cli.losses.vgg16_l1 import Vgg16L1
from nerfgan_cli.nn.discriminators import (
    DiscriminatorConfig,
    DualDiscriminator,
    SingleDiscriminator,
)
from nerfgan_cli.ops.resize import resize
from nerfgan_cli.training.distill import adversarial_loss
from nerfgan_cli.training.distill_networks import build_perceptual
from nerfgan_cli.training.eg3d import Moment, Views
from nerfgan_cli.training.precision import set_training_precision

CAMERAS = PRESETS["ffhq"].at([-0.3, 0.3])
SHARED = Path(os.environ.get("NERFGAN_SHARED", Path(__file__).parents[3] / "shared"))
SQUEEZE = SHARED / "weights" / "backbone" / "squeezenet1_1_features_caffe.pth"


def test_smooth_l1_in_closed_form() -> None:
    """Half the square below β, a line above; channels by weight."""
    drawn, target = torch.zeros(2, 5, 4, 4), torch.zeros(2, 5, 4, 4)
    drawn[0] = 0.5
    drawn[1] = -3.0
    torch.testing.assert_close(smooth_l1(drawn, target), torch.tensor([0.125, 2.5]))
    torch.testing.assert_close(smooth_l1(drawn, target, beta=0.1), torch.tensor([0.45, 2.95]))
    torch.testing.assert_close(smooth_l1(drawn, target, beta=0), torch.tensor([0.5, 3.0]))
    drawn = torch.zeros(1, 5, 4, 4)
    drawn[:, :3] = 1.0  # the picture alone is wrong
    torch.testing.assert_close(smooth_l1(drawn, target[:1], rgb_weight=1.0), torch.tensor([0.3]))
    torch.testing.assert_close(
        smooth_l1(drawn, target[:1], rgb_weight=4.0), torch.tensor([0.5 * 12 / 14])
    )


def test_direction_distance_in_closed_form() -> None:
    first, second = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    first[:, 0], second[0, 1], second[1, 0] = 2.0, 5.0, -7.0
    torch.testing.assert_close(direction_distance(first, second), torch.tensor([2.0, 4.0]))
    assert direction_distance(first, 3 * first).abs().max() < 1e-6


def discriminator_distance() -> DiscriminatorDistance:
    torch.manual_seed(0)
    return DiscriminatorDistance(
        DualDiscriminator(DiscriminatorConfig(32, channel_base=256, channel_max=16))
    )


def squeeze() -> Lpips:
    """Of random weights, as torchvision would initialise them."""
    torch.manual_seed(0)
    distance = Lpips("squeeze").to_empty(device="cpu")
    fresh = Lpips("squeeze")
    distance.measure.scaling_layer.load_state_dict(fresh.measure.scaling_layer.state_dict())
    for parameter in distance.parameters():
        torch.nn.init.uniform_(parameter, 0, 0.1)
    return distance


def vgg16_l1() -> Vgg16L1:
    """Of random weights that keep the size of what goes through."""
    torch.manual_seed(0)
    distance = Vgg16L1()
    distance.measure.net.to_empty(device="cpu")
    for name, parameter in distance.measure.net.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.zeros_(parameter)
        else:
            torch.nn.init.kaiming_uniform_(parameter, nonlinearity="relu")
    return distance


@pytest.mark.parametrize("make", [discriminator_distance, squeeze, vgg16_l1])
@pytest.mark.parametrize("side", [32, 64])  # the discriminator's own, and another
def test_a_perceptual_distance(make: type[Perceptual], side: int) -> None:
    """None to itself, more the more differs, symmetric, of each pair alone; gradients to one."""
    distance = make()
    torch.manual_seed(1)
    target = torch.rand(2, 3, side, side) * 2 - 1
    noise = torch.randn_like(target)
    near, far = target + 0.05 * noise, target + 0.5 * noise
    assert distance(target, target).abs().max() < 1e-6
    values = distance(near, target)
    assert values.shape == (2,)
    assert (values > 1e-6).all()
    assert (distance(far, target) > 2 * values).all()
    torch.testing.assert_close(distance(target, near), values)
    torch.testing.assert_close(distance(near[1:], target[1:]), values[1:])
    drawn = near.clone().requires_grad_()
    distance(drawn, target).sum().backward()
    assert drawn.grad is not None
    assert drawn.grad.isfinite().all()
    nearer = drawn.detach() - 1e-2 * drawn.grad / drawn.grad.norm()
    assert distance(nearer, target).sum() < distance(near, target).sum()
    assert not any(parameter.requires_grad for parameter in distance.parameters())


@pytest.mark.parametrize("make", [discriminator_distance, vgg16_l1])
def test_no_pass_of_a_target_is_kept_for_gradients(make: type[Perceptual]) -> None:
    distance, pictures = make(), torch.rand(1, 3, 32, 32, requires_grad=True)
    distance(torch.rand(1, 3, 32, 32), pictures).sum()
    assert not distance(torch.rand(1, 3, 32, 32), pictures).requires_grad


@pytest.fixture(scope="module")
def teachers_own() -> SingleDiscriminator:
    """A trained one, of 128²: random ones have gradients of any size."""
    network = load_network(find_model(f"{TEACHER}-discriminator"))
    assert isinstance(network, SingleDiscriminator)
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def heads() -> Tensor:
    return draw(heads_from_latent(latents(0, np.arange(2))), CAMERAS, 128).image


@pytest.mark.parametrize("precision", ["auto", "fp16"])
def test_gradients_of_a_discriminators_distance_survive(
    teachers_own: SingleDiscriminator, heads: Tensor, precision: str
) -> None:
    """On a GPU, where discriminators have fp16, in which most of these gradients would be 0."""
    distance = DiscriminatorDistance(deepcopy(teachers_own))
    drawn = heads.roll(1, dims=3)
    exact = gradient_of(lambda x: distance(x, heads).mean() / 2, drawn)
    set_training_precision(distance, precision, torch.device("cuda"))
    assert alike(gradient_of(lambda x: distance(x, heads).mean() / 2, drawn), exact) > 0.99


def test_gradients_of_the_adversarial_loss_survive(
    teachers_own: SingleDiscriminator, heads: Tensor
) -> None:
    """In fp16, with its weight and as one slice of many."""
    network, moment = deepcopy(teachers_own), Moment(0.0, 0.0, 64, DrawOptions())

    def loss(x: Tensor) -> Tensor:
        views = Views(x, resize(x, 64))
        return 0.1 * adversarial_loss(network, views, CAMERAS, moment) / 64

    exact = gradient_of(loss, heads)
    set_training_precision(network, "auto", torch.device("cuda"))
    assert network.get_submodule("b128").compute_dtype == torch.float16
    assert alike(gradient_of(loss, heads), exact) > 0.99


def gradient_of(loss: Callable[[Tensor], Tensor], picture: Tensor) -> Tensor:
    asked = picture.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(asked), asked)
    return gradient


def alike(first: Tensor, second: Tensor) -> float:
    return torch.nn.functional.cosine_similarity(first.flatten(), second.flatten(), dim=0).item()


def test_features_of_a_discriminator_lead_to_its_logit() -> None:
    network = DualDiscriminator(DiscriminatorConfig(32, c_dim=0, channel_base=256, channel_max=16))
    image, raw = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 8, 8)
    features = list(network.features(image, raw))
    assert [x.shape[-1] for x in features] == [16, 8, 4]
    logits = network(image, raw, torch.zeros(2, 0))
    assert torch.equal(network.b4(features[-1], None), logits)


@pytest.mark.parametrize("name", IMAGENET)
def test_lpips_asks_for_tensors_that_torchvision_has(name: str, tmp_path: Path) -> None:
    models = {"vgg": "vgg16", "alex": "alexnet", "squeeze": "squeezenet1_1"}
    with torch.device("meta"):
        theirs = getattr(torchvision.models, models[name])().state_dict()
    own = Lpips(name).measure.net.state_dict()
    for key, tensor in own.items():
        assert theirs["features." + key.partition(".")[2]].shape == tensor.shape
    numbers = [int(key.split(".")[1]) for key in own]
    assert numbers == sorted(numbers)  # the layers of the slices follow each other


def fake_squeeze(path: Path) -> Path:
    """A file of random weights in torchvision's form."""
    own = Lpips("squeeze").measure.net.state_dict()
    names = {"features." + key.partition(".")[2]: value for key, value in own.items()}
    torch.save({name: torch.rand(tensor.shape) * 0.1 for name, tensor in names.items()}, path)
    return path


@pytest.mark.parametrize(
    ("name", "kind", "network"),
    [("lpips-alex", Lpips, "alex"), ("vgg16-l1", Vgg16L1, "vgg")],
)
def test_a_recipe_chooses_its_distance(
    tmp_path: Path, name: str, kind: type[ImageNetDistance], network: str
) -> None:
    (tmp_path / "r.toml").write_text(RECIPE.format(folder=tmp_path))
    recipe = read(tmp_path / "r.toml", f"loss.perceptual={name}", "train.precision=bf16")
    given = partial(DualDiscriminator, DiscriminatorConfig(32, channel_base=32, channel_max=4))
    distance = build_perceptual(recipe, given, torch.device("meta"))
    assert type(distance) is kind
    assert distance.network == network
    assert distance.compute_dtype == torch.bfloat16


def obtained(distance: ImageNetDistance, weights: Path | None) -> ImageNetDistance:
    distance.obtain(weights, "set loss.perceptual to discriminator")
    return distance


def test_vgg16_l1_in_closed_form(tmp_path: Path) -> None:
    """A network that passes red on: each stage has it in one channel of many."""
    shapes = {name: x.shape for name, x in Vgg16L1().measure.net.state_dict().items()}
    weights = {}
    for name, shape in shapes.items():
        weights["features." + name.partition(".")[2]] = torch.zeros(shape)
        if name.endswith("weight"):
            weights["features." + name.partition(".")[2]][0, 0, 1, 1] = 1
    torch.save(weights, tmp_path / "net.pth")
    distance = obtained(Vgg16L1(), tmp_path / "net.pth")
    assert not any(tensor.is_meta for tensor in distance.state_dict().values())
    drawn, target = torch.full((2, 3, 32, 32), 0.7), torch.full((2, 3, 32, 32), -0.9)
    target[:, 0] = torch.tensor([0.2, -0.03])[:, None, None]  # the mean of ImageNet's red
    shares = [1 / channels for channels in (64, 128, 256, 512, 512)]
    expected = torch.tensor([0.5, 0.73]) / 0.458 * sum(shares) / 5  # its standard deviation
    torch.testing.assert_close(distance(drawn, target), expected)
    set_training_precision(distance, "bf16", torch.device("cpu"))
    torch.testing.assert_close(distance(drawn, target), expected, rtol=0.02, atol=0)
    assert not torch.equal(distance(drawn, target), expected)


def test_lpips_from_a_file(tmp_path: Path) -> None:
    distance = obtained(Lpips("squeeze"), fake_squeeze(tmp_path / "net.pth"))
    assert not any(tensor.is_meta for tensor in distance.state_dict().values())
    assert not any(parameter.requires_grad for parameter in distance.parameters())
    pictures = torch.rand(2, 1, 3, 64, 64)
    assert distance(*pictures) > 0
    exact = distance(*pictures)
    set_training_precision(distance, "bf16", torch.device("cpu"))
    assert distance(*pictures).dtype == torch.float32
    torch.testing.assert_close(distance(*pictures), exact, rtol=0.05, atol=0)
    assert not torch.equal(distance(*pictures), exact)
    heads = read_tensors(distance.heads)
    assert torch.equal(distance.measure.lin3.model[1].weight, heads["lin3.model.1.weight"])


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, InputError, "there is no file"),
        (b"nonsense", InputError, "no weights that torch reads safely"),
        ({"features.0.weight": torch.zeros(1)}, WeightsError, "in another shape"),
        ({}, WeightsError, "lacks features.0.weight"),
        ([1.0], InputError, "no table of weights"),
    ],
)
def test_files_that_are_no_weights(
    tmp_path: Path, content: object, error: type[Exception], words: str
) -> None:
    path = tmp_path / "net.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(error, match=words):
        obtained(Lpips("squeeze"), path)


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def refuse(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(published, "urlopen", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("make", [lambda: Lpips("vgg"), Vgg16L1], ids=["lpips", "l1"])
def test_offline_the_file_and_its_place_are_named(make: Callable[[], ImageNetDistance]) -> None:
    with pytest.raises(WeightsError) as caught:
        obtained(make(), None)
    sentence = str(caught.value)
    assert "a perceptual distance by VGG16 needs vgg16-397923af.pth" in sentence
    assert "no route" in sentence
    assert f"into {weights_folder()}" in sentence
    assert sentence.endswith("or set loss.perceptual to discriminator.")
    assert not list(weights_folder().iterdir())


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("place", ["home/weights", "torch/hub/checkpoints"])
def test_weights_that_are_here_are_found(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    fake_squeeze(folder / IMAGENET["squeeze"].name)
    assert obtained(Lpips("squeeze"), None)(*torch.rand(2, 1, 3, 64, 64)) > 0


def test_fetched_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "net.pth").write_bytes(b"weights")
    right = Published("net.pth", sha256(b"weights").hexdigest(), tmp_path.as_uri(), "a test")
    wrong = Published("net.pth", sha256(b"others").hexdigest(), tmp_path.as_uri(), "a test")
    with pytest.raises(WeightsError, match="checksum is wrong"):
        find_or_fetch(wrong, "do without")
    assert not list(weights_folder().iterdir())
    assert find_or_fetch(right, "x").read_bytes() == b"weights"
    (tmp_path / "net.pth").unlink()
    assert find_or_fetch(right, "x") == weights_folder() / "net.pth"


@pytest.mark.skipif(not SQUEEZE.is_file(), reason=f"no {SQUEEZE}: set NERFGAN_SHARED")
def test_lpips_of_trained_weights() -> None:
    """Values that the files' own description states, on a photograph."""
    portrait = SHARED / "photos" / "portraits" / "astronaut.png"
    pixels = np.asarray(Image.open(portrait).convert("RGB"))
    noise = np.random.RandomState(0).randn(*pixels.shape) * 20
    noisy = np.clip(np.round(pixels + noise), 0, 255)

    def picture(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1

    distance, original = obtained(Lpips("squeeze"), SQUEEZE), picture(pixels)
    with torch.no_grad():
        values = [
            distance(other, original).item()
            for other in (original.roll(4, 3), original.flip(3), picture(noisy))
        ]
    assert values == pytest.approx([0.0821, 0.7009, 0.2703], abs=6e-4)
