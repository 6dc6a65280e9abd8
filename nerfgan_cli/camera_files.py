"""`cam.json`: one or more cameras in a file that people and programs can read."""

import json
from pathlib import Path

import torch

from nerfgan_cli.camera_presets import LABEL_SIZE
from nerfgan_cli.cameras import Camera, validate
from nerfgan_cli.errors import InputError
from nerfgan_cli.files import replacing

FORMS = 'an object with "cam2world" (4×4) and "intrinsics" (3×3), or 25 numbers'


def write_camera(camera: Camera, path: Path) -> None:
    """One camera as matrices and as the 25-number label; several as {"cameras": [...]}."""
    entries = [
        {
            "cam2world": camera.cam2world[index].tolist(),
            "intrinsics": camera.intrinsics[index].tolist(),
            "label": camera.label[index].tolist(),
        }
        for index in range(len(camera))
    ]
    content = entries[0] if len(entries) == 1 else {"cameras": entries}
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1) + "\n")


def read_camera(path: Path) -> Camera:
    """What `write_camera` wrote, bare 25 numbers, or a list of either."""
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}: check the path.") from error
    except ValueError as error:  # of the text's encoding or of its syntax
        raise InputError(f"{path} is not JSON ({error}): give {FORMS}.") from error
    if isinstance(content, dict):
        content = content.get("cameras", content)
    several = isinstance(content, list) and not all(isinstance(n, int | float) for n in content)
    entries = content if several else [content]
    try:
        return validate(Camera.cat([_parse(entry) for entry in entries]))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _parse(entry: object) -> Camera:
    try:
        if isinstance(entry, dict):
            pose, intrinsics = (torch.tensor(entry[key]) for key in ("cam2world", "intrinsics"))
            return Camera(pose[None].float(), intrinsics[None].float())
        label = torch.tensor(entry)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"a camera cannot be read ({error!r}): give {FORMS}.") from error
    if label.shape != (LABEL_SIZE,):
        raise InputError(f"a camera is a list of shape {tuple(label.shape)}: give {FORMS}.")
    return Camera.from_label(label)
