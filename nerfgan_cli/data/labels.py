"""`dataset.json`: the cameras of a data set, as EG3D's tools write it (eg3d.md 11.1).

{"labels": [["00000/img00000000.png", [25 numbers]], ...]}
"""

import json
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.camera_presets import LABEL_SIZE
from nerfgan_cli.data.storage import Storage, repeated
from nerfgan_cli.errors import InputError

FILE = "dataset.json"
LARGEST = float(np.finfo(np.float32).max)
FORM = '{"labels": [["name.png", [25 numbers]], ...]}'


class Labels(NamedTuple):
    """Labels that can be read, and what is wrong with the others."""

    names: list[str]
    numbers: NDArray[np.float32]  # [N, 25]
    bad: dict[str, str]  # name -> what is wrong and what to do
    repeated: list[str]


def read_labels(storage: Storage) -> Labels:
    """The labels of a data set; InputError if there is nothing that could be one."""
    if FILE not in storage.names:
        raise InputError(f"{storage.path} has no {FILE}: add one that holds {FORM}.")
    try:
        content = json.loads(storage.read(FILE))
    except (ValueError, RecursionError) as error:  # of the encoding or of the syntax
        raise InputError(
            f"{FILE} of {storage.path} is not JSON ({error}): write {FORM}."
        ) from error
    labels = content.get("labels") if isinstance(content, dict) else None
    if labels is None:
        raise InputError(f"{FILE} of {storage.path} holds no labels: write {FORM}.")
    return parse_labels(list(labels.items()) if isinstance(labels, dict) else labels)


def has_labels(storage: Storage) -> bool:
    """Whether cameras may stand there: StyleGAN's files have none, or classes, for labels."""
    if FILE not in storage.names:
        return False
    try:
        content = json.loads(storage.read(FILE))
    except (ValueError, RecursionError):
        return True  # whoever reads it tells what is wrong
    labels = content.get("labels") if isinstance(content, dict) else content
    if isinstance(labels, dict):
        labels = list(labels.items())
    if not isinstance(labels, list):
        return labels is not None
    return not all(
        isinstance(entry, list | tuple) and len(entry) == 2 and type(entry[1]) is int
        for entry in labels
    )


def parse_labels(entries: Any) -> Labels:
    """Each entry by itself, so that one bad one does not hide the others."""
    if not isinstance(entries, list):
        raise InputError(f"the labels are no list: write {FORM}.")
    names: list[str] = []
    rows: list[NDArray[np.float32]] = []
    bad: dict[str, str] = {}
    for index, entry in enumerate(entries):
        if not (isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], str)):
            bad[f"label {index}"] = "it is no pair of a name and 25 numbers: write it as one"
            continue
        name, numbers = entry
        problem = find_problem(numbers)
        if problem:
            bad[name] = problem
        else:
            names.append(name)
            rows.append(np.array(numbers, dtype=np.float32))
    table = np.stack(rows) if rows else np.zeros((0, LABEL_SIZE), np.float32)
    everyone = [entry[0] for entry in entries if isinstance(entry, list | tuple) and entry]
    return Labels(names, table, bad, repeated([n for n in everyone if isinstance(n, str)]))


def find_problem(numbers: Any) -> str:
    """What keeps a label from being 25 finite numbers; empty if nothing."""
    if isinstance(numbers, int):
        return "its label is a class, not a camera: write 25 numbers"
    if not isinstance(numbers, list | tuple):
        return "its label is no list: write 25 numbers"
    if len(numbers) != LABEL_SIZE:
        return f"its label has {len(numbers)} numbers, not 25: write cam2world and intrinsics"
    if not all(type(number) in (int, float) for number in numbers):
        return "its label holds something other than numbers: write 25 numbers"
    lost = sum(not abs(number) < LARGEST for number in numbers)
    if lost:
        return f"{lost} of its 25 numbers are not finite: remove it or mend them"
    return ""
