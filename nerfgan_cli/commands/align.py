"""`nerfgan align`: from anybody's photograph to crop and camera."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from PIL import Image

from nerfgan_cli.cameras import Camera
from nerfgan_cli.commands.data.prepare.folder import Like
from nerfgan_cli.commands.data.running import Workers, count_workers, watch
from nerfgan_cli.commands.options import Json, counted, print_result
from nerfgan_cli.commands.parsing import parse_file
from nerfgan_cli.data.parallel import ordered_map
from nerfgan_cli.data.writing import Entry, write_data_set
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.faces.batch import (
    Photo,
    Wish,
    fingerprint,
    list_photos,
    make_record,
    refuse_overwriting,
)
from nerfgan_cli.faces.calibration import fit_calibration, write_calibration
from nerfgan_cli.faces.cropping import Border
from nerfgan_cli.faces.detector import DEFAULT_PACK, LICENCE
from nerfgan_cli.faces.labelled import compare, direction_errors
from nerfgan_cli.faces.records import find_done, picture_of
from nerfgan_cli.faces.tools import FACES, Tools
from nerfgan_cli.photos import read_photo

CARS_NOTE = (
    "note: cars are the cameras that EG3D's cars were trained on; its converted models are drawn "
    "with cars-video, closer: to invert with one of these, give --like cars-video"
)


def command(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO", help="Photographs, or folders of them.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="The folder to write into.")
    ] = None,
    face: Annotated[
        int | None,
        typer.Option(
            "--face", min=1, metavar="N", help="Which face, counted from the largest (default 1)."
        ),
    ] = None,
    list_faces: Annotated[
        bool, typer.Option("--list", help="Only list the faces, the largest first.")
    ] = False,
    pack: Annotated[
        str,
        typer.Option("--pack", metavar="NAME", help=f"InsightFace's pack or a folder. {LICENCE}."),
    ] = DEFAULT_PACK,
    networks: Annotated[
        list[Path] | None,
        typer.Option(
            "--network",
            metavar="FILE.onnx",
            help="Finds 68 landmarks or the pose; may be repeated. Default: the pack's.",
        ),
    ] = None,
    by_landmarks: Annotated[
        bool,
        typer.Option(
            "--by-landmarks",
            help="Solve the camera from 68 landmarks even if a network states the pose.",
        ),
    ] = False,
    mean_shape: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="68 points in face units. Default: InsightFace's."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Corrects the estimate; see --fit-calibration."),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(
            "--fit-calibration",
            metavar="FILE.json",
            help="Fit a calibration to PHOTO, a folder or zip of faces with labels.",
        ),
    ] = None,
    points: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Points by photo: 5 or 68 of a face, or any with their places in the world.",
        ),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Use this file, or the word frontal, and estimate nothing."
        ),
    ] = None,
    like: Annotated[
        Like, typer.Option("--like", help="Domain whose distance and focal length the camera has.")
    ] = Like.ffhq,
    border: Annotated[
        Border, typer.Option("--border", help="What stands beyond the edge of the photo.")
    ] = Border.reflect,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="FILE.zip", help="Also write a set to train with."),
    ] = None,
    workers: Workers = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out photos that cannot be used.")
    ] = False,
    json: Json = False,
) -> None:
    """Makes of each photograph the crop and the camera that EG3D's face models want.

    Writes NAME.png, 512², NAME.json, its camera, and NAME-overlay.png, which shows at a glance
    whether both are right. For cats, cars and anything else, give --camera frontal, with --points
    or without, and let the inversion find the camera. Run again, it skips what is done.

    Faces are found by a pack of InsightFace, fetched on first use: for non-commercial research
    only. Networks that are known by their names are tddfa_v2*, face_landmark_68*, fsanet* and
    deep3d*; a NAME.json beside NAME.onnx describes another.
    """
    chosen = Tools(
        like.value, border, pack, tuple(networks or ()), by_landmarks, mean_shape, calibration
    )
    idle = {"--out": out, "--face": face, "--dataset": dataset}
    idle |= {"--points": points, "--camera": camera}
    if fit is not None:
        refuse_unused("--fit-calibration", {"--list": list_faces or None, **idle})
    if list_faces:
        refuse_unused("--list", idle)
    if points is not None or camera is not None:
        refuse_unused("--points or --camera", {"--face": face})
    workers = count_workers(workers)
    detect = points is None and camera is None
    if chosen.like != FACES and detect:
        raise UsageError(f"nothing finds the pose of {chosen.like}: give --camera frontal.")
    if fit is not None:
        calibrate(chosen, photos, fit, workers, json)
        return
    if list_faces:
        show_faces(chosen, photos, json)
        return
    if out is None:
        raise UsageError("there is no folder to write into: give -o DIR.")
    archive = None if dataset is None else parse_file(dataset, ".zip")
    work = list_photos(photos, out)
    wish = Wish(face or 1, points, camera)
    refuse_overwriting(work, out, [*chosen.files(), *wish.files()])
    outcome = align_all(chosen, wish, work, out, workers)
    if outcome.bad and len(work) == 1:
        raise InputError(outcome.bad[0]["problem"])
    refused = bool(outcome.bad) and not (skip_bad and outcome.records)
    if archive is not None and not refused:
        write_archive(archive, out, outcome.records, workers)
    written = None if refused else archive
    if like is Like.cars and outcome.records:
        typer.echo(CARS_NOTE, err=True)
    report(outcome, out, written, pack if detect else None, json)
    if refused:
        remedy = ", or leave them out with --skip-bad" if outcome.records else ""
        raise InputError(
            f"{len(outcome.bad)} of {counted(len(work), 'photo')} cannot be used, as listed: "
            f"replace or remove them{remedy}."
        )


def refuse_unused(by: str, options: dict[str, Any]) -> None:
    """Those that were given but would do nothing."""
    idle = [name for name, value in options.items() if value is not None]
    if idle:
        raise UsageError(f"{', '.join(idle)} would do nothing with {by}: leave it out.")


class Outcome(NamedTuple):
    """What became of all photos."""

    records: dict[str, Any]  # by name, of those that were aligned
    bad: list[dict[str, str]]  # what is wrong with others
    done: int  # before, of the records


def report(
    outcome: Outcome, out: Path, archive: Path | None, pack: str | None, as_json: bool
) -> None:
    """Everything on standard output; `pack` found the faces, if anything did."""
    result = {
        "out": str(out),
        "photos": list(outcome.records.values()),
        "already_done": outcome.done,
        "bad": outcome.bad,
        "dataset": str(archive) if archive else None,
        "licence": LICENCE if pack else None,
    }
    lines = [line for name, record in outcome.records.items() for line in as_lines(name, record)]
    ways = {record["method"]: record.get("accuracy") for record in outcome.records.values()}
    lines += [f"{method}: {known}" for method, known in ways.items() if known]
    lines += [one["problem"] for one in outcome.bad]
    again = f", {outcome.done} of them before" if outcome.done else ""
    if outcome.records:
        crops = counted(len(outcome.records), "crop")
        lines.append(f"wrote {crops} into {out}{again}; look at *-overlay.png")
    lines += [f"wrote {archive}"] if archive else []
    lines += [f"faces found by {pack}: {LICENCE}"] if pack and outcome.records else []
    print_result(result, "\n".join(lines), as_json)


def align_all(tools: Tools, wish: Wish, photos: list[Photo], out: Path, workers: int) -> Outcome:
    """Aligns what is not done."""

    def settings() -> str:
        return f"{tools.settings()} {wish} {fingerprint(wish.files())}"

    before = settings()
    records = {photo.name: find_done(out, photo.name, photo.path, before) for photo in photos}
    left = [photo for photo in photos if records[photo.name] is None]
    bad: list[dict[str, str]] = []
    if left:
        aligner = tools.aligner(detect=wish.points is None and wish.camera is None)
        now = settings()  # a pack may have been fetched

        def attempt(photo: Photo) -> dict[str, Any] | InputError:
            try:
                return make_record(aligner, photo, wish, out, now)
            except InputError as error:
                return error

        results = watch("photo")(ordered_map(attempt, left, workers), len(left))
        for photo, result in zip(left, results, strict=True):
            if isinstance(result, InputError):
                bad.append({"photo": str(photo.path), "problem": str(result)})
            else:
                records[photo.name] = result
    made = {name: record for name, record in records.items() if record is not None}
    return Outcome(made, bad, len(photos) - len(left))


def as_lines(name: str, record: dict[str, Any]) -> list[str]:
    """For people."""
    line = (
        "seen from yaw {viewing_yaw:+.1f}, pitch {viewing_pitch:+.1f}, roll {roll:+.1f} degrees"
    ).format_map(record["angles"])
    number, faces = record.get("face", 1), record.get("faces", 1)
    which = "the largest" if number == 1 else f"number {number} by size"
    several = f"; {which} of {faces} faces" if faces > 1 else ""
    return [
        f"{name}: {line}, by {record['method']}{several}",
        *(f"  warning: {text}" for text in record["warnings"]),
    ]


def write_archive(archive: Path, out: Path, records: dict[str, Any], workers: int) -> None:
    names = list(records)
    entries = [Entry(name, record["key"], label_of(record)) for name, record in records.items()]

    def draw(numbers: list[int]) -> list[Image.Image]:
        return [Image.fromarray(read_photo(picture_of(out, names[n]))) for n in numbers]

    write_data_set(archive, entries, draw, 1, workers, False, watch("picture"))


def label_of(record: dict[str, Any]) -> torch.Tensor:  # [25]
    pose, intrinsics = (torch.tensor(record[key]) for key in ("extrinsics", "intrinsics"))
    return Camera(pose[None], intrinsics[None]).label[0]


def show_faces(tools: Tools, sources: list[Path], as_json: bool) -> None:
    """`--list`."""
    aligner, photos = tools.aligner(detect=True), list_photos(sources, None)
    result: list[dict[str, Any]] = []
    lines: list[str] = []
    for photo in photos:
        try:
            found = aligner.find(read_photo(photo.path), str(photo.path))
        except InputError as error:
            if len(photos) == 1:
                raise
            result.append({"photo": str(photo.path), "faces": [], "problem": str(error)})
            lines.append(str(error))
            continue
        faces = [
            {"face": index + 1, "box": face.box.round(1).tolist(), "score": round(face.score, 3)}
            for index, face in enumerate(found)
        ]
        result.append({"photo": str(photo.path), "faces": faces, "problem": None})
        lines.append(f"{photo.path}: {counted(len(faces), 'face')}")
        for row in faces:
            left, top, right, bottom = row["box"]
            lines.append(
                f"  {row['face']}: {right - left:.0f}×{bottom - top:.0f} pixels at {left:.0f}, "
                f"{top:.0f}, score {row['score']}"
            )
    print_result({"photos": result}, "\n".join(lines), as_json)


def calibrate(tools: Tools, sources: list[Path], out: str, workers: int, as_json: bool) -> None:
    """`--fit-calibration`."""
    path = parse_file(out, ".json")
    if len(sources) != 1 or tools.calibration is not None:
        raise UsageError("a calibration is fitted to one set of labelled faces: give one PHOTO.")
    aligner = tools.aligner(detect=True)
    found = compare(aligner, sources[0], workers, watch("picture"))
    fitted = fit_calibration(found.method, found.estimated, found.true)
    write_calibration(fitted, path)
    lines = [
        f"{found.method}, on {counted(len(found.true), 'picture')}"
        + (f" ({found.without} without a face)" if found.without else "")
    ]
    errors = {}
    for when, angles in (("before", found.estimated), ("after", fitted.correct(found.estimated))):
        error = direction_errors(angles, found.true)
        errors[when] = {"median": float(torch.tensor(error).median()), "worst": float(error.max())}
        lines.append(
            "{}: median {median:.1f}, worst {worst:.1f} degrees".format(when, **errors[when])
        )
    lines.append(f"wrote {path}")
    result = {"out": str(path), "method": found.method, "errors": errors, "without": found.without}
    print_result(result, "\n".join(lines), as_json)
