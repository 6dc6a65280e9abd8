"""Cameras: conventions, round trips, what is refused."""

import math
import re

import pytest
import torch

from nerfgan_cli.camera_paths import (
    PoseSpread,
    official_orbit,
    random_cameras,
    swing,
)
from nerfgan_cli.cameras import (
    ORIGIN,
    PRESETS,
    Camera,
    CameraPreset,
    angles_from_pose,
    find_problems,
    focal_from_fov,
    from_official,
    official_focal,
    pose_from_angles,
    to_official,
    viewing_angles,
)
from nerfgan_cli.errors import InputError

FFHQ = PRESETS["ffhq"]


def some_cameras() -> Camera:
    yaw = [-0.6, 0.0, 0.4, 1.5, 3.0]
    pitch = [0.3, 0.0, -0.5, 0.1, 1.2]
    return FFHQ.at(yaw, pitch, [0.0, 0.1, -0.4, 0.9, 0.2])


def project(camera: Camera, point: torch.Tensor) -> torch.Tensor:  # [3] -> [B, 2]
    """Where a point of the world appears, 0 to 1 from the left and from the top."""
    rotation, position = camera.cam2world[:, :3, :3], camera.position
    local = rotation.mT @ (point - position)[:, :, None]
    picture = (camera.intrinsics @ local)[:, :, 0]
    return picture[:, :2] / picture[:, 2:]


def test_presets_are_the_published_settings() -> None:
    assert {
        "ffhq": CameraPreset((0, 0, 0.2), 2.7, 4.2647),
        "afhq": CameraPreset((0, 0, -0.06), 2.7, 4.2647),
        "cars": CameraPreset((0, 0, 0), 1.3, 1.025390625),
        "cars-video": CameraPreset((0, 0, 0), 1.7, 1.7074),
    } == PRESETS


def test_frontal_camera() -> None:
    expected = torch.diag(torch.tensor([1.0, -1, -1, 1]))
    expected[2, 3] = FFHQ.radius
    torch.testing.assert_close(FFHQ.frontal().cam2world[0], expected)


def test_signs() -> None:
    """To the right and above are positive; roll turns the picture counter-clockwise."""
    right, above = FFHQ.at(yaw=0.3), FFHQ.at(pitch=0.3)
    assert right.position[0, 0] > 0
    assert above.position[0, 1] > 0
    assert above.forward[0, 1] < 0
    nose = torch.tensor([0.0, 0.1, 0.2])  # above the pivot
    x, y = project(FFHQ.at(roll=0.2), nose)[0]
    assert y < 0.5
    assert x < 0.5


def test_pivot_stays_in_the_middle() -> None:
    middle = project(some_cameras(), torch.tensor(FFHQ.pivot))
    torch.testing.assert_close(middle, torch.full_like(middle, 0.5))


def test_label_round_trip() -> None:
    camera = some_cameras()
    again = Camera.from_label(camera.label)
    assert torch.equal(again.cam2world, camera.cam2world)
    assert torch.equal(again.intrinsics, camera.intrinsics)
    assert len(Camera.from_label(camera.label[0])) == 1


def random_angles(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    reach = torch.tensor([3.1, 1.5, 3.1], dtype=torch.float64)
    draws = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    return list((reach * (2 * draws - 1)).unbind(dim=1))


def test_angles_round_trip() -> None:
    angles = random_angles(1000)
    again = angles_from_pose(pose_from_angles(*angles, radius=2.0))
    for expected, actual in zip(angles, again, strict=True):
        torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)


def test_viewing_angles_round_trip() -> None:
    angles = random_angles(1000)
    again = viewing_angles(pose_from_angles(*angles, radius=2.0))
    for expected, actual in zip(angles, again, strict=True):
        torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)


def test_subjects_are_seen_from_further_aside_than_cameras_stand() -> None:
    """The reference's table, and its formula with a pitch."""
    yaw = torch.tensor([0.1, 0.3, 0.5])
    seen, level, _ = viewing_angles(FFHQ.at(yaw).cam2world.double())
    torch.testing.assert_close(
        seen, torch.tensor([0.108, 0.3236, 0.5378]).double(), atol=2e-4, rtol=0
    )
    assert level.abs().max() < 1e-6
    x, z = 2.7 * math.sin(0.3) * math.cos(0.2), 2.7 * math.cos(0.3) * math.cos(0.2) - 0.2
    seen, above, _ = viewing_angles(FFHQ.at(0.3, 0.2).cam2world)
    assert seen.item() == pytest.approx(math.atan2(x, z), abs=1e-6)
    assert above.item() == pytest.approx(
        math.atan2(2.7 * math.sin(0.2), math.hypot(x, z)), abs=1e-6
    )


def test_official_values_round_trip() -> None:
    yaw, pitch = torch.linspace(-1, 1, 9).double(), torch.linspace(-1.4, 1.4, 9).double()
    again = from_official(*to_official(yaw, pitch))
    torch.testing.assert_close(again[0], yaw)
    torch.testing.assert_close(again[1], pitch)


def test_official_pitch_is_neither_an_angle_nor_upwards() -> None:
    """The reference's example: −0.2 in EG3D's scripts is a camera raised by 0.1277."""
    pitch = from_official(math.pi / 2, math.pi / 2 - 0.2)[1]
    assert pitch.item() == pytest.approx(0.1277, abs=1e-4)


def test_fields_of_view() -> None:
    assert focal_from_fov(2 * math.atan(1 / (2 * FFHQ.focal))) == pytest.approx(FFHQ.focal)
    side = math.degrees(2 * math.atan(1 / (2 * FFHQ.focal)))
    assert side == pytest.approx(13.374, abs=1e-3)
    assert official_focal(18.837) == pytest.approx(4.26339, abs=1e-5)


def test_mirroring_twice_changes_nothing() -> None:
    camera = some_cameras()
    once, twice = camera.mirrored(), camera.mirrored().mirrored()
    assert torch.linalg.det(once.cam2world[:, :3, :3]) == pytest.approx([1] * 5, abs=1e-6)
    for angle in (0, 2):  # yaw and roll
        torch.testing.assert_close(
            viewing_angles(once.cam2world)[angle], -viewing_angles(camera.cam2world)[angle]
        )
    assert torch.equal(twice.cam2world, camera.cam2world)
    assert torch.equal(twice.intrinsics, camera.intrinsics)


def test_mirrored_camera_sees_the_mirrored_world() -> None:
    camera = some_cameras()
    camera.intrinsics.add_(torch.tensor([[0.1, 0.03, 0.05], [0, 0.2, -0.04], [0, 0, 0]]))
    point = torch.tensor([0.2, -0.1, 0.3])
    seen = project(camera, point)
    mirrored = project(camera.mirrored(), point * torch.tensor([-1, 1, 1]))
    torch.testing.assert_close(mirrored, torch.stack([1 - seen[:, 0], seen[:, 1]], dim=1))
    assert not find_problems(camera.mirrored())


def test_swing_reaches_both_ends_of_both_ranges() -> None:
    yaws, pitches, _ = angles_from_pose(swing(FFHQ, 80, 0.5, 0.2).cam2world)
    for angles, limit in ((yaws, 0.5), (pitches, 0.2)):
        torch.testing.assert_close(angles.max(), torch.tensor(limit))
        torch.testing.assert_close(angles.min(), torch.tensor(-limit))
    assert ((yaws.abs() < 1e-6) | (pitches.abs() < 1e-6)).all()  # one after the other


def test_orbit_closes() -> None:
    orbit = official_orbit(FFHQ, 240)
    steps = (orbit.position.roll(-1, 0) - orbit.position).norm(dim=1)
    assert len(orbit) == 240
    assert steps.max() < 1.2 * steps[:-1].max()  # 3.14 leaves the last step a little longer


@pytest.mark.parametrize("uniform", [False, True])
def test_random_cameras(uniform: bool) -> None:
    spread = PoseSpread(0.3, 0.2, uniform)
    first, second = (
        random_cameras(FFHQ, 2000, spread, torch.Generator().manual_seed(5)) for _ in range(2)
    )
    assert torch.equal(first.label, second.label)
    assert not find_problems(first)
    horizontal, vertical = to_official(*angles_from_pose(first.cam2world.double())[:2])
    for values, width in ((horizontal, 0.3), (vertical, 0.2)):
        offset = values - math.pi / 2
        deviation = width / math.sqrt(3) if uniform else width
        assert offset.std().item() == pytest.approx(deviation, rel=0.1)
        assert abs(offset.mean().item()) < 0.1 * width
        assert not uniform or offset.abs().max() <= width


def test_batch_of_cameras() -> None:
    camera = some_cameras()
    assert len(camera) == 5
    assert len(camera[1:4]) == 3
    assert torch.equal(camera[-1].label, camera.label[-1:])
    assert [len(one) for one in camera] == [1] * 5
    assert torch.equal(Camera.cat([camera[:2], camera[2:]]).label, camera.label)
    assert torch.equal(camera[2].expand(3).label, camera.label[[2, 2, 2]])
    with pytest.raises(InputError, match="5 cameras cannot serve 3 samples"):
        camera.expand(3)


def broken(change: str) -> Camera:
    camera = Camera.from_label(some_cameras().label.clone())
    pose, intrinsics = camera.cam2world[2], camera.intrinsics[2]
    if change == "nan":
        pose[0, 3] = math.nan
    elif change == "scaled":
        pose[:3, :3] *= 1.1
    elif change == "mirrored":
        pose[0, :3] *= -1
    elif change == "transposed":
        pose.copy_(pose.t().clone())
    elif change == "pixels":
        intrinsics[:2] *= 512
    elif change == "vertical pixels":
        intrinsics[1] *= 512
    elif change == "left edge":
        intrinsics[0, 2] = 0.0
    elif change == "bottom":
        intrinsics[1, 2] = 0.95
    elif change == "intrinsics transposed":
        intrinsics.copy_(intrinsics.t().clone())
    return camera


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nan", "1 of its 25 numbers are not finite"),
        ("scaled", r"off an orthonormal one by 0\.21"),
        ("mirrored", r"left-handed \(determinant -1\)"),
        ("transposed", "last row of its cam2world is off 0 0 0 1 by"),
        ("pixels", r"focal length fx = 2184 is not between 0\.3 and 20 image sides"),
        ("vertical pixels", r"focal length fy = 2184 is not between 0\.3 and 20 image sides"),
        ("left edge", r"principal point cx = 0 is not between 0\.3 and 0\.7 image sides"),
        ("bottom", r"principal point cy = 0\.95 is not between 0\.3 and 0\.7 image sides"),
        ("intrinsics transposed", "intrinsics are off the form .* by 0.5"),
    ],
)
def test_impossible_cameras_are_refused(change: str, message: str) -> None:
    camera = broken(change)
    (index, problem), *others = find_problems(camera)
    assert index == 2
    assert not others
    assert re.search(message, problem)
    assert not find_problems(camera[:2])


def test_every_impossible_camera_is_found() -> None:
    camera = Camera.cat([broken("scaled"), broken("nan")])
    assert [index for index, _ in find_problems(camera)] == [2, 7]


def test_cameras_without_a_direction_are_refused() -> None:
    with pytest.raises(InputError, match="straight up or down"):
        pose_from_angles(0.0, math.pi / 2, radius=1.0)
    with pytest.raises(InputError, match="cannot stand at the point it looks at"):
        pose_from_angles(0.0, 0.0, radius=1.0, pivot=(0.0, 0.0, 1.0))
    with pytest.raises(InputError, match="do not fit"):
        Camera(torch.eye(4)[None], torch.eye(3))
    with pytest.raises(InputError, match="label of shape"):
        Camera.from_label(torch.zeros(2, 24))


def test_official_sampler_never_reaches_the_poles() -> None:
    preset = CameraPreset(ORIGIN, 1.0, 1.0)
    assert not find_problems(preset.at(*from_official(math.pi / 2, torch.tensor([-1.0, 9.0]))))
