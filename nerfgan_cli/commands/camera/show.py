"""`nerfgan camera show`: where cameras stand, and what is wrong with them."""

from typing import Any

from nerfgan_cli.camera_checks import find_faults, unlike_lens
from nerfgan_cli.camera_files import describe, read_cameras
from nerfgan_cli.cameras import Camera
from nerfgan_cli.commands.camera import reading as r
from nerfgan_cli.commands.data.prepare.folder import Axes, Like
from nerfgan_cli.commands.options import Json, counted, print_result
from nerfgan_cli.data.conventions import summarise

MOST = 20  # cameras that are listed for people


def command(
    source: r.Source,
    name: r.Name = None,
    extrinsics: r.Direction = None,
    axes: r.CameraAxes = Axes.opencv,
    like: r.Domain = Like.ffhq,
    json: Json = False,
) -> None:
    """Says where cameras stand, and what is wrong with them.

    yaw and pitch say where a camera stands about the origin; "seen from" is the direction from
    which the subject is seen, which pose estimators measure: cameras aim at a point off the origin.
    """
    reading = r.make_reading(like, extrinsics, axes)
    loaded = read_cameras(source, reading, name)
    cameras = Camera.cat([camera for _, camera in loaded.cameras])
    faults = dict(find_faults(cameras, reading.preset))
    entries = [
        {"name": called, **describe(camera), "warning": faults.get(index)}
        for index, (called, camera) in enumerate(loaded.cameras)
    ]
    lens = unlike_lens(cameras, reading.preset)
    notes = [*loaded.notes, lens] if lens else loaded.notes
    lines = [f"{counted(len(entries), 'camera')}: {loaded.form}", *notes]
    lines += [line for entry in entries[:MOST] for line in as_lines(entry)]
    if len(entries) > MOST:
        lines += [f"and {len(entries) - MOST} more"]
        if not faults:
            lines += ["all together:", *summarise(cameras).lines()]
    if faults:
        lines += [f"{counted(len(faults), 'camera')} cannot be right"]
    result = {"source": str(source), "form": loaded.form, "notes": notes, "cameras": entries}
    print_result(result, "\n".join(lines), json)


def as_lines(entry: dict[str, Any]) -> list[str]:
    """For people."""
    line = (
        "yaw {yaw:g}, pitch {pitch:g}, roll {roll:g} degrees; seen from yaw {viewing_yaw:g}, pitch "
        "{viewing_pitch:g}; {radius:g} from the origin; focal length {focal:g}, {fov:g} degrees"
    ).format_map(entry)
    lines = [f"{entry['name']}: {line}" if entry["name"] else line]
    return [*lines, f"  warning: {entry['warning']}"] if entry["warning"] else lines
