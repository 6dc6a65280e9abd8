"""Pose accuracy of a model, or of pictures with known cameras, with a corrected estimator.

What the estimator says is corrected by the pictures that the teacher draws, whose cameras are
certain where a volume is rendered. The teacher's own number, by the same correction, is the floor:
what is below cannot be told from it. A volumetric model without a teacher serves as its own. Where
nobody can correct the estimator, the names of the numbers say so.
"""

from math import degrees

from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.errors import InputError
from nerfgan_cli.evaluation.faces import rate_of_lost
from nerfgan_cli.evaluation.looks import POSE, Array, FaceReader, Looks, standard_error
from nerfgan_cli.evaluation.metric import LOWER, Setting, Value
from nerfgan_cli.evaluation.samples import cameras_name, drawn_with, short
from nerfgan_cli.evaluation.sittings import (
    conditioning,
    look_at_heads,
    look_at_pictures,
    mark,
    of_teacher,
    own_front_other,
    true_angles,
)
from nerfgan_cli.faces.calibration import ANGLES
from nerfgan_cli.metrics.pose import Correction, fit_correction, pose_errors

LEAST, MOST = 64, 500  # of the teacher's pictures, for the correction


def measure_pose(setting: Setting, reader: FaceReader, count: int) -> list[Value]:
    """The papers' number, the same of each angle, in degrees, and how often no face was found."""
    looks, true = look(setting, reader, count)
    if not looks.found.any():
        raise InputError(
            f"no face was found in any of {count} pictures: take a model of faces, or another "
            "estimator."
        )
    correction, facts = correct(setting, reader, count)
    errors = squared(looks, true, correction)
    source, each = reader.sources[POSE], errors.mean(axis=1)
    protocol: dict[str, object] = {
        "pictures": count,
        **source.told("estimator"),
        "cameras": cameras_name(setting),
        "angles": "of the viewing direction",
    }
    if setting.generator is not None:
        protocol |= drawn_with(conditioning(setting))
    lost, number = float(1 - looks.found.mean()), f"{short(count)}{mark(setting)}"
    lost_values = rate_of_lost(reader, f"pose_no_face{number}:{source.name}", lost, protocol)
    protocol = protocol | facts
    mean = float(each.mean())
    name = f"{number}{'_uncorrected' * (correction is None)}:{source.name}"
    return [
        Value(f"pose{name}", mean, standard_error(each), "rad²", LOWER, protocol),
        *(
            Value(f"pose_{angle}{name}", float(column.mean()), None, "rad²", LOWER, protocol)
            for angle, column in zip(ANGLES, errors.T, strict=True)
        ),
        Value(f"pose_rms{name}", degrees(mean**0.5), None, "°", LOWER, protocol),
        *lost_values,
    ]


def correct(
    setting: Setting, reader: FaceReader, count: int
) -> tuple[Correction | None, dict[str, object]]:
    """What is known of the estimator's errors, and the floor."""
    if setting.teacher is not None and setting.teacher.has_depth:
        setting = of_teacher(setting)
    elif setting.generator is None or not setting.generator.has_depth:
        reason = "there is no volumetric teacher to correct the estimator by"
        return None, {"correction": f"none: {reason}", "note": f"{reason}: give --teacher"}
    assert setting.generator is not None
    looks, true = look(setting, reader, min(max(count, LEAST), MOST))
    estimator = reader.sources[POSE].name
    correction = fit_correction(estimator, looks.angles[looks.found], true[looks.found])
    return correction, {
        "correction": correction.to_json(),
        "corrected_by": f"{weights_checksum(setting.generator):08x}",
        "teacher": float(squared(looks, true, correction).mean()),
    }


def look(setting: Setting, reader: FaceReader, count: int) -> tuple[Looks, Array]:
    """What is seen, and the true angles, [N, 3]."""
    true = true_angles(setting, count)
    if setting.generator is None:
        return look_at_pictures(setting, reader, count), true
    return look_at_heads(setting, reader, own_front_other(setting), count)[0], true


def squared(looks: Looks, true: Array, correction: Correction | None) -> Array:  # [found, 3]
    estimated = looks.angles[looks.found]
    if correction is not None:
        estimated = correction(estimated)
    return pose_errors(estimated, true[looks.found])
