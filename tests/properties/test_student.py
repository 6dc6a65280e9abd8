"""The student: its sizes, what it shares with the teacher, and all that the paper leaves open."""

from dataclasses import replace

import pytest
import torch

from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.eg3d import EG3D, EG3DConfig
from nerfgan_cli.generators.eg3d import PRESETS as TEACHERS
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import PRESETS, PredictorConfig, student_config
from nerfgan_cli.metrics.cost import cost, parameter_count
from nerfgan_cli.nn.camera_encoding import CameraEncoding
from nerfgan_cli.nn.ray_map import BANDS, OFFSETS, SIZE, ray_code
from nerfgan_cli.nn.rays import camera_rays
from nerfgan_cli.nn.renderer_mapping import spread_rows
from nerfgan_cli.nn.volume_config import VolumeConfig

CAMERA = CAMERAS["ffhq"]
TEACHER = EG3DConfig(
    z_dim=16,
    img_resolution=128,
    raw_resolution=64,
    channel_base=1024,
    channel_max=16,
    superresolution="SuperresolutionHybrid2X",
    volume=VolumeConfig(8, 8),
)
SMALL = PredictorConfig(channel_base=512, channel_max=16, num_layers=6)


@pytest.fixture(scope="module")
def teacher() -> EG3D:
    torch.manual_seed(1)
    return EG3D(TEACHER).eval().requires_grad_(False)


def sizes(config: EG3DConfig = TEACHER) -> EG3D:
    """A teacher without weights."""
    with torch.device("meta"):
        return EG3D(config)


def make(preset: str = "paper", **changes: object) -> Student:
    """A student small enough for tests, with the layout of a preset."""
    config = student_config(preset, sizes())
    torch.manual_seed(2)
    small = replace(SMALL, network=config.predictor.network)
    return Student(replace(config, **{"predictor": small, **changes})).eval().requires_grad_(False)


@pytest.mark.parametrize("rays", [64, 128])
def test_presets_cost_what_they_promise(rays: int) -> None:
    """stylegan3.md 11.4: convolutions of S²ᴰ and SR. The FIR products come on top."""
    gigaflops = {}
    for name in PRESETS:
        student = Student(student_config(name, sizes(TEACHERS[f"ffhq512-{rays}"])))
        student.to("meta")
        ws = torch.zeros(1, student.num_ws, student.w_dim, device="meta")
        camera = CAMERA.frontal().to("meta")
        result = cost(lambda s=student, w=ws, c=camera: s.synthesis(w, c))
        out = student.synthesis(ws, camera)
        assert out.image.shape == (1, 3, 512, 512)
        assert out.features.shape == (1, 32, rays, rays)
        gigaflops[name] = result.flops / 1e9
    published = {64: {"paper": 460, "slim": 243}, 128: {"paper": 589, "slim": 248}}[rays]
    for name, convolutions in published.items():
        assert convolutions <= gigaflops[name] <= 1.5 * convolutions
    assert gigaflops["light"] <= 25
    assert published["paper"] / gigaflops["light"] >= 18


def test_carries_the_teachers_latent_space(teacher: EG3D) -> None:
    student = make()
    student.start_from_teacher(teacher)
    z, frontal = torch.randn(3, TEACHER.z_dim), CAMERA.frontal()
    for truncation in (1.0, 0.6):
        expected = teacher.mapping(z, frontal, truncation)
        assert torch.equal(student.mapping(z, frontal, truncation), expected)


def test_super_resolution_starts_as_the_teachers(teacher: EG3D) -> None:
    student = make()
    student.start_from_teacher(teacher)
    ws = teacher.mapping(torch.randn(1, TEACHER.z_dim), CAMERA.frontal())
    drawn = teacher.synthesis(ws, CAMERA.at(0.3))
    image = student.superresolution(drawn.image_raw, drawn.features, ws).image
    assert torch.equal(image, drawn.image)


def test_raw_image_is_the_first_three_features() -> None:
    student = make()
    out = student.synthesis(torch.randn(2, 14, 512), CAMERA.at([0.1, -0.2]))
    assert torch.equal(out.image_raw, out.features[:, :3])
    assert out.depth is None
    assert out.image.shape == (2, 3, 128, 128)


def test_raw_image_as_the_teachers_discriminator_knows_it() -> None:
    """After the first block, where the official super-resolution works in place."""
    student = make()
    ws, camera = torch.randn(1, 14, 512), CAMERA.at(0.2)
    plain, official = (
        student.draw(student.prepare(ws), camera, DrawOptions(official_raw=choice))
        for choice in (False, True)
    )
    enlarged = student.superresolution(plain.image_raw, plain.features, ws)
    assert torch.equal(official.image_raw, enlarged.first_rgb)
    assert torch.equal(official.image, plain.image)
    assert torch.equal(official.features, plain.features)
    assert not torch.equal(official.image_raw, plain.image_raw)
    other = make(superresolution="Light128", predictor=SMALL, raw_resolution=32)
    unchanged = other.draw(other.prepare(ws), camera, DrawOptions(official_raw=True))
    assert torch.equal(unchanged.image_raw, unchanged.features[:, :3])


@pytest.mark.parametrize("preset", PRESETS)
def test_batch_mates_change_nothing(preset: str) -> None:
    student = make(preset)
    ws = torch.randn(3, 14, 512)
    cameras = CAMERA.at([-0.4, 0.0, 0.4], 0.1)
    together = student.synthesis(ws, cameras)
    for index in range(3):
        alone = student.synthesis(ws[index : index + 1], cameras[index])
        assert torch.allclose(alone.image, together.image[index : index + 1], atol=1e-4)
        assert torch.allclose(alone.features, together.features[index : index + 1], atol=1e-5)


def test_one_subject_from_many_cameras() -> None:
    student = make()
    ws = torch.randn(1, 14, 512)
    cameras = CAMERA.at([-0.4, 0.4])
    subject = student.prepare(ws)
    views = student.draw(subject, cameras)
    again = student.synthesis(ws.expand(2, -1, -1), cameras)
    assert torch.equal(views.image, again.image)
    assert not torch.allclose(views.features[0], views.features[1], atol=1e-3)


CHOICES = [
    ("code_input", "standardized"),
    ("code_input", "normalized"),
    ("code_input", "normalized+length"),
    ("code_output", "shared"),
    ("code_output", "per-layer"),
    ("camera_encoding", "label"),
    ("camera_encoding", "fourier"),
    ("mapping_layers", 4),
    ("sr_styles", "student"),
    ("sr_styles", "linear"),
    ("predictor", replace(SMALL, head="tanh")),
    ("predictor", replace(SMALL, output_scale=1.0)),
    ("predictor", replace(SMALL, network="stylegan2")),
    ("predictor", replace(SMALL, network="stylegan3-r")),
    ("predictor", replace(SMALL, margin_size=6)),
]


@pytest.mark.parametrize(("name", "value"), CHOICES)
def test_every_open_point_is_an_option(name: str, value: object) -> None:
    """Each choice draws, turns with the camera, and sends gradients to all that it trains."""
    student = make(**{name: value}).requires_grad_(True)
    out = student.synthesis(torch.randn(2, 14, 512), CAMERA.at([0.0, 0.5]))
    assert out.image.isfinite().all()
    assert not torch.allclose(out.features[0], out.features[1])
    (out.image.square().mean() + out.features.square().mean()).backward()
    unused = {
        key
        for key, parameter in student.named_parameters()
        if parameter.grad is None and not key.startswith("mapping_network")
    }
    assert all(key.endswith("noise_strength") for key in unused), unused


def test_a_residual_code_is_the_teachers_until_it_has_learned() -> None:
    student = make(code_output="residual").requires_grad_(True)
    mapping, ws = student.renderer_mapping, torch.randn(1, 14, 512)
    assert torch.equal(mapping(ws, CAMERA.at(0.5)), spread_rows(ws, mapping.num_ws))
    mapping(ws, CAMERA.at(0.5)).square().sum().backward()
    with torch.no_grad():
        mapping.layers[-1].weight -= mapping.layers[-1].weight.grad
    left, right = (mapping(ws, CAMERA.at(yaw)) for yaw in (-0.5, 0.5))
    assert not torch.allclose(left, right)


def test_the_predictor_can_start_as_the_teachers_planes(teacher: EG3D) -> None:
    planes = replace(TEACHER, plane_resolution=64)
    other = EG3D(planes)
    given = other.backbone.synthesis.state_dict()
    same = PredictorConfig("stylegan2", TEACHER.channel_base, TEACHER.channel_max)
    student = Student(replace(student_config("light", other), predictor=same))
    before = student.predictor.state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    student.start_predictor_from(other)
    for name, tensor in student.predictor.state_dict().items():
        drawn = name.endswith(("torgb.weight", "torgb.bias"))
        assert torch.equal(tensor, before[name] if drawn else given[name]), name
    with pytest.raises(UsageError, match="another size: give it their channel_base"):
        student.start_predictor_from(EG3D(replace(planes, channel_max=8)))
    with pytest.raises(UsageError, match="stylegan3-t predictor cannot start"):
        make().start_predictor_from(teacher)


def test_drawing_changes_nothing() -> None:
    student = make()
    before = {key: value.clone() for key, value in student.state_dict().items()}
    student.draw(student.prepare(torch.randn(2, 14, 512)), CAMERA.at([0.0, 0.5]))
    after = student.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_equal_rows_give_one_code_and_mixed_rows_mix() -> None:
    """Style mixing works through the contract: a student's row follows the teacher's row."""
    mapping = make().renderer_mapping
    first, second = torch.randn(2, 1, 1, 512).unbind()
    camera = CAMERA.at(0.2)
    one = mapping(first.expand(1, 14, -1), camera)
    other = mapping(second.expand(1, 14, -1), camera)
    assert torch.allclose(one, one[:, :1].expand_as(one), atol=1e-5)
    mixed = mapping(torch.cat([first.expand(1, 7, -1), second.expand(1, 7, -1)], dim=1), camera)
    assert torch.allclose(mixed[:, 0], one[:, 0], atol=1e-5)
    assert torch.allclose(mixed[:, -1], other[:, -1], atol=1e-5)


def test_rows_are_spread_by_depth() -> None:
    rows = spread_rows(torch.arange(14.0)[None, :, None], 16)[0, :, 0].tolist()
    assert rows[0] == 0
    assert rows[-1] == 13
    assert rows == sorted(rows)
    assert set(rows) == set(range(14))


def test_statistics_standardize_codes_and_cameras() -> None:
    student = make()
    codes = 3 + 2 * torch.randn(4096, 512)
    labels = CAMERA.at(0.3 * torch.randn(500), 0.1 * torch.randn(500)).label
    mean = torch.linspace(-0.9, 0.9, 32)
    student.set_statistics(codes, labels, mean)
    entered = student.renderer_mapping._enter(codes[:, None])
    assert entered.mean().abs() < 1e-3
    assert abs(entered.std() - 1) < 1e-2
    encoding: CameraEncoding = student.renderer_mapping.camera_encoding
    standardized = encoding(CAMERA.at(0.3))
    constant = labels.std(dim=0) == 0
    assert constant.sum() >= 9  # the intrinsics at least
    assert (standardized[:, constant] == 0).all()
    assert standardized.abs().max() < 5
    drawn = student.features(torch.zeros(1, student.predictor.num_ws, 512), CAMERA.frontal())
    assert (drawn.mean(dim=(0, 2, 3)) - mean).abs().max() < 1  # at the mean, plus random weights


def test_fourier_code_tells_cameras_apart() -> None:
    """Also a quarter turn and its opposite, which differ in one sine only."""
    camera = CAMERAS["cars"].at(
        [0.0, 1.57, -1.57, 0.0, 0.0], [0.0, 0, 0, 0.3, 0], [0.0, 0, 0, 0, 0.3]
    )
    code = CameraEncoding("fourier")(camera)
    assert code.shape == (5, CameraEncoding("fourier").size)
    assert (torch.cdist(code, code) + torch.eye(5) > 0.1).all()


@pytest.mark.parametrize("preset", ["slim", "light"])
def test_a_ray_map_tells_pixels_where_they_look(preset: str) -> None:
    """The same codes draw another picture from another side, which they do not without it."""
    for ray_map in (True, False):
        student = make(preset, ray_map=ray_map)
        codes = torch.randn(1, student.predictor.num_ws, 512)
        left, right = (student.features(codes, CAMERA.at(yaw)) for yaw in (-0.3, 0.3))
        assert left.shape == (1, 32, 64, 64)
        assert torch.equal(left, right) != ray_map


def test_ray_codes_are_those_of_points_on_the_rays() -> None:
    camera = CAMERA.at([0.4, -0.2], 0.1)
    code = ray_code(camera, 4, 0)
    rays = camera_rays(camera, 4)
    centre = torch.linalg.cross(rays.directions, torch.linalg.cross(rays.origins, rays.directions))
    point = (centre + OFFSETS[3] * rays.directions).view(2, 4, 4, 3)
    first = 3 * 3 * BANDS  # of the fourth point, by coordinate and octave
    for octave in range(BANDS):
        phase = torch.pi * 2**octave * point
        found = code[..., first + octave : first + 3 * BANDS : BANDS]
        torch.testing.assert_close(found, phase.sin(), atol=1e-5, rtol=0)
    margin = ray_code(camera, 4, 3)
    torch.testing.assert_close(margin[:, 3:-3, 3:-3], code, atol=1e-5, rtol=0)
    assert margin.shape == (2, 10, 10, SIZE)


def test_parameters_count_trainable_numbers_only() -> None:
    student = make().requires_grad_(True)
    assert parameter_count(student) == sum(p.numel() for p in student.parameters())
    assert parameter_count(student) < sum(value.numel() for value in student.state_dict().values())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"sr_styles": "teachers"}, "teacher"),
        ({"code_input": "raw"}, "standardized"),
        ({"code_output": "rows"}, "shared"),
        ({"camera_encoding": "euler"}, "fourier"),
        ({"superresolution": "Light512"}, "512"),
    ],
)
def test_impossible_choices_are_refused(change: dict[str, str], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        make(**change)


def test_other_resolutions_are_refused() -> None:
    student = make()
    with pytest.raises(UsageError, match="64²"):
        student.synthesis(torch.randn(1, 14, 512), CAMERA.at(), DrawOptions(resolution=32))
    with pytest.raises(UsageError, match="paper"):
        student_config("papr", sizes())
