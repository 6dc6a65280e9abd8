"""AFHQv2 cats with the published labels (eg3d.md 11.4).

The label's rotation is kept; the camera stands 2.7 from the origin and looks at it.
"""

from pathlib import Path

from nerfgan_cli.cameras import PRESETS, Camera, intrinsics_matrix
from nerfgan_cli.data.preparation import Plan, Progress
from nerfgan_cli.data.sources.published import plan_published, whole_square
from nerfgan_cli.data.storage import Storage


def plan_afhq(storage: Storage, cameras: Path | None, workers: int, progress: Progress) -> Plan:
    return plan_published(storage, cameras, normalise, whole_square, workers, progress)


def normalise(camera: Camera) -> Camera:
    """translation = −2.7 · forward"""
    preset = PRESETS["afhq"]
    pose = camera.cam2world.clone()
    pose[:, :3, 3] = -preset.radius * camera.forward
    return Camera(pose, intrinsics_matrix(preset.focal).expand(len(camera), 3, 3))
