"""The files of one photograph: NAME.png, NAME.json (its camera), NAME-overlay.png.

The JSON is written last and holds a key of the photograph and of all settings, so that a command
that is given again leaves what is done as it is.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from nerfgan_cli import __version__
from nerfgan_cli.camera_files import entry_of
from nerfgan_cli.faces.alignment import Aligned
from nerfgan_cli.faces.overlay import draw_overlay
from nerfgan_cli.faces.shapes import Points
from nerfgan_cli.files import replacing
from nerfgan_cli.media import write_png

ASSUMED = "assumption, until nerfgan invert finds the camera"  # a method


def picture_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.png"


def overlay_of(folder: Path, name: str) -> Path:
    return folder / f"{name}-overlay.png"


def record_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def files_of(folder: Path, name: str) -> tuple[Path, ...]:
    return picture_of(folder, name), overlay_of(folder, name), record_of(folder, name)


def key_of(photo: Path, settings: str) -> str:
    """Changes when the result would."""
    digest = sha256(f"{__version__} {settings}\n".encode())
    digest.update(photo.read_bytes())
    return digest.hexdigest()


def find_done(folder: Path, name: str, photo: Path, settings: str) -> dict[str, Any] | None:
    """What was written before, if neither the photograph nor the settings have changed."""
    if not (picture_of(folder, name).is_file() and overlay_of(folder, name).is_file()):
        return None
    try:
        record = json.loads(record_of(folder, name).read_text())
        key = key_of(photo, settings)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("key") == key else None


def write_record(
    folder: Path, name: str, photo: Path, key: str, aligned: Aligned
) -> dict[str, Any]:
    """All three files; returns the content of the JSON.

    It is passed on, so that it names the photo without the folders of whoever made it.
    """
    record = entry_of(aligned.camera) | describe(aligned) | {"photo": photo.name, "key": key}
    write_png(aligned.picture, picture_of(folder, name))
    write_png(draw_overlay(aligned), overlay_of(folder, name))
    with replacing(record_of(folder, name)) as unfinished:
        unfinished.write_text(json.dumps(record, indent=1) + "\n")
    return record


def is_assumed(record: Path) -> bool:
    """Whether an inversion has to find its camera first."""
    content = json.loads(record.read_bytes())  # in any encoding of Unicode
    return isinstance(content, dict) and content.get("method") == ASSUMED


def describe(aligned: Aligned) -> dict[str, Any]:
    """How a camera came about; points are in pixels of the crop, the box in the photograph's."""
    face, estimate = aligned.face, aligned.estimate
    found: dict[str, Any] = {
        "method": aligned.method,
        "warnings": aligned.warnings,
        "crop": aligned.crop.to_json(),
    }
    if face is not None:
        found |= {"face": aligned.number, "faces": aligned.faces}
        found |= {"score": face.score, "box": rounded(face.box)}
    if estimate is not None:
        found |= {
            "accuracy": estimate.known,
            "points": rounded(estimate.five),
            "landmarks": rounded(estimate.landmarks),
            "error_pixels": round(estimate.solved.error, 3),
            "distance_found": round(estimate.solved.distance, 4),
        }
    elif aligned.points is not None:
        found["points"] = rounded(aligned.points)
    return {**found, "nerfgan": __version__}


def rounded(points: Points | None) -> list[Any] | None:
    return None if points is None else points.round(3).tolist()
