"""Middlebury's `*_par.txt`: a count, then per picture its name, K, R and t by rows: K·[R t]."""

import numpy as np

from nerfgan_cli.data.camera_formats.matrices import inverse, numbers
from nerfgan_cli.data.views import Units, View
from nerfgan_cli.errors import InputError

FIELDS = 22  # a name and 21 numbers


def views_of_parameters(text: str) -> list[View]:
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if lines and len(lines[0]) == 1:
        lines = lines[1:]
    views = []
    for name, *values in lines:
        if len(values) != FIELDS - 1:
            raise InputError(f"the line of {name} has {len(values)} numbers, not 21: mend it.")
        flat = numbers(values, f"the line of {name}")
        to_camera = np.eye(4)
        to_camera[:3, :3], to_camera[:3, 3] = flat[9:18].reshape(3, 3), flat[18:]
        pose = inverse(to_camera, f"the pose of {name}")
        views.append(View(name, pose, flat[:9].reshape(3, 3), Units.pixels))
    return views
