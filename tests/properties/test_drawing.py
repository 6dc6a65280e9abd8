"""How seeds become renderings: batches, random numbers, precision."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from golden import filled

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators import drawing
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.generators.precision import bf16_is_fast, choose_device, set_precision
from nerfgan_cli.nn.volume_config import VolumeConfig


@pytest.fixture(scope="module")
def generator():
    config = EG3DConfig(
        z_dim=16,
        img_resolution=128,
        channel_base=1024,
        channel_max=16,
        superresolution="SuperresolutionHybrid2X",
        volume=VolumeConfig(depth_resolution=8, depth_resolution_importance=8),
    )
    return filled(EG3D(config))


def test_latents_are_those_of_the_release():
    expected = np.random.RandomState(7).randn(1, 512)
    assert (drawing.latent(7, 512).numpy() == expected).all()


@pytest.mark.parametrize("gigabytes", [0.01, 1, 8, 64])
def test_batches_fit_the_memory(generator, monkeypatch, gigabytes):
    monkeypatch.setattr(drawing, "total_memory", lambda device: int(gigabytes * 1e9))
    batch = drawing.choose_batch(generator)
    assert 1 <= batch <= drawing.LARGEST_BATCH["cpu"]
    per_view = drawing.BYTES_PER_PIXEL * 128**2
    assert batch == 1 or batch * per_view <= drawing.MEMORY_SHARE * gigabytes * 1e9
    assert drawing.total_memory(torch.device("cpu")) > 0


def test_fewer_views_of_many_rays_fit(generator, monkeypatch):
    monkeypatch.setattr(drawing, "total_memory", lambda device: 8e9)
    sizes = [drawing.choose_batch(generator, DrawOptions(resolution=r)) for r in (64, 2048, 4096)]
    assert sizes == [4, 2, 1]


def test_random_noise_depends_on_seed_and_view_alone(generator):
    options = DrawOptions(resolution=8, noise_mode="random")
    cameras = PRESETS["ffhq"].frontal().expand(3)
    subject = drawing.prepare_subject(generator, drawing.Person(3), options)

    def draw(seed, batch):
        torch.rand(1)  # the global generator plays no part
        views = drawing.draw_views(generator, subject, cameras, options, batch, seed)
        return torch.cat([view.depth for view in views])  # its samples are jittered

    expected = draw(3, 1)
    assert torch.equal(expected, draw(3, 3))
    assert not torch.equal(expected[0], expected[1])
    assert not torch.equal(expected, draw(4, 1))
    again = drawing.prepare_subject(generator, drawing.Person(3), options)
    assert torch.equal(subject.planes, again.planes)


def test_subjects_that_do_not_fit_are_prepared_again(generator, monkeypatch):
    options, people = DrawOptions(), [drawing.Person(seed) for seed in range(3)]
    expected = [drawing.prepare_subject(generator, person, options) for person in people]
    size = expected[0].ws.nbytes + expected[0].planes.nbytes
    prepared = []
    real = drawing.prepare_subject
    monkeypatch.setattr(
        drawing, "prepare_subject", lambda *args: prepared.append(args[1].seed) or real(*args)
    )
    monkeypatch.setattr(
        drawing, "total_memory", lambda device: int(2.5 * size / drawing.MEMORY_SHARE)
    )
    subjects = drawing.Subjects(torch.device("cpu"))
    for _ in range(3):
        for person, subject in zip(people, expected, strict=True):
            assert torch.equal(subjects.prepare(generator, person, options).planes, subject.planes)
    assert prepared == [0, 1, 2, 2, 2]
    assert len(subjects.kept) == 2


@pytest.mark.parametrize("resolution", [None, 8])
def test_raw_pictures_need_no_super_resolution(generator, monkeypatch, resolution):
    options = DrawOptions(resolution=resolution)
    camera = PRESETS["ffhq"].at(0.2)
    subject = drawing.prepare_subject(generator, drawing.Person(3), options)
    whole = generator.draw(subject, camera, options)

    def refuse(*_):
        raise AssertionError("the super-resolution was run")

    monkeypatch.setattr(type(generator.superresolution), "forward", refuse)
    raw = generator.draw(subject, camera, replace(options, raw_only=True))
    assert torch.equal(raw.image_raw, whole.image_raw)
    assert torch.equal(raw.features, whole.features)
    assert torch.equal(raw.depth, whole.depth)
    assert torch.equal(raw.image, raw.image_raw)


def test_precision_reaches_every_block_and_can_be_undone(generator):
    def dtypes():
        return {
            module.compute_dtype
            for module in generator.modules()
            if hasattr(module, "compute_dtype")
        }

    cpu = torch.device("cpu")
    assert dtypes() == {torch.float32}
    for name, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)):
        assert set_precision(generator, name, cpu) == name
        # The backbone has no clamp: half precision would overflow in it.
        assert dtypes() == ({dtype, torch.float32} if name == "fp16" else {dtype})
    assert set_precision(generator, "auto", cpu) == ("bf16" if bf16_is_fast(cpu) else "fp32")
    set_precision(generator, "fp32", cpu)


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    with pytest.raises(UsageError, match="no CUDA"):
        choose_device("cuda")
    with pytest.raises(UsageError, match="no MPS"):
        choose_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"
