"""`dataset.json` of EG3D: names and labels of 25 numbers."""

import numpy as np

from nerfgan_cli.data.labels import Labels
from nerfgan_cli.data.views import Units, View
from nerfgan_cli.errors import InputError


def views_of_labels(labels: Labels) -> list[View]:
    for name, problem in labels.bad.items():
        raise InputError(f"label of {name}: {problem}.")
    return [
        View(name, row[:16].reshape(4, 4), row[16:].reshape(3, 3), Units.sides)
        for name, row in zip(labels.names, labels.numbers.astype(np.float64), strict=True)
    ]
