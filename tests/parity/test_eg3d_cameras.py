"""Cameras of the EG3D release: labels, samplers, videos, data preparation."""

import math
from pathlib import Path

import pytest
import torch
from golden import Golden, assert_close, goldens

from nerfgan_cli.camera_paths import official_orbit
from nerfgan_cli.cameras import (
    PRESETS,
    CameraPreset,
    from_official,
    look_at,
    mirror_pose,
    official_focal,
    pose_from_angles,
)
from nerfgan_cli.data.ffhq_pose import (
    CORRECTED_CENTER,
    ffhq_intrinsics,
    normalize_distance,
    pose_from_reconstruction,
)
from nerfgan_cli.editing.walks import spline

TOLERANCE = 1e-5

pytestmark = pytest.mark.parametrize("path", goldens("eg3d_cameras*.npz"))


def official_values(golden: Golden) -> tuple[torch.Tensor, torch.Tensor]:
    yaw, pitch = golden["yaw_pitch"].unbind(dim=1)
    return from_official(math.pi / 2 + yaw, math.pi / 2 + pitch)


def test_labels(path: Path) -> None:
    golden = Golden(path)
    for name, (pivot, radius, focal) in golden.meta["quads"].items():
        camera = CameraPreset(tuple(pivot), radius, focal).at(*official_values(golden))
        assert_close(camera.label, golden[f"label_{name}"], TOLERANCE)


def test_gaussian_pose(path: Path) -> None:
    golden = Golden(path)
    pose = pose_from_angles(*official_values(golden), radius=golden.meta["gaussian_radius"])
    assert_close(pose, golden["gaussian_pose"], TOLERANCE)


def test_focal_of_field_of_view(path: Path) -> None:
    golden = Golden(path)
    focal = torch.tensor([official_focal(fov) for fov in golden["fov_deg"].tolist()])
    assert_close(focal, golden["fov_focal"], TOLERANCE)


def test_look_at(path: Path) -> None:
    golden = Golden(path)
    origin = golden["origin"].double()
    assert_close(look_at(origin, origin + golden["forward"]), golden["cam2world"], TOLERANCE)


def test_orbit(path: Path) -> None:
    golden = Golden(path)
    orbit = official_orbit(PRESETS["ffhq"], int(golden["sweep_total"]))
    assert_close(orbit.cam2world[golden["sweep_frames"]], golden["sweep_cam2world"], TOLERANCE)


def test_interpolation(path: Path) -> None:
    golden = Golden(path)
    ws = spline(golden["interp_key"].double(), closed=True)(golden["interp_t"])
    assert_close(ws, golden["interp_w"], TOLERANCE)


def test_poses_of_ffhq(path: Path) -> None:
    golden = Golden(path)
    pose = pose_from_reconstruction(golden["d3d_angle"].double(), golden["d3d_trans"].double())
    original = normalize_distance(pose)
    assert_close(pose, golden["d3d_pose"], TOLERANCE)
    assert_close(original, golden["pose_orig"], TOLERANCE)
    assert_close(normalize_distance(pose, CORRECTED_CENTER), golden["pose_cor"], TOLERANCE)
    assert_close(mirror_pose(original), golden["pose_orig_mirror"], TOLERANCE)
    assert_close(ffhq_intrinsics(), golden["intrinsics_ffhq"], TOLERANCE)
