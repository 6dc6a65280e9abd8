"""How much the points of a face change when it turns (metrics.md 6).

Points in 3D of a view are laid on those of the view from the front by a similarity; what remains is
measured in distances between the eyes, as seen from the front. The papers state neither alignment
nor unit, so that these numbers are not theirs.
"""

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.errors import InputError
from nerfgan_cli.metrics.umeyama import fit_similarity

Array = NDArray[np.float64]


def landmark_errors(
    seen: Array,  # [N, K, 3], of turned views, in any coordinates
    canonical: Array,  # [N, K, 3], of the same heads from the front
    eyes: Array,  # [N], distance between the eyes in the canonical points
) -> Array:  # [N], mean over the points of the squared distance
    if not (eyes > 0).all():
        raise InputError("both eyes are one point: find the landmarks anew.")
    left = fit_similarity(seen, canonical)(seen) - canonical
    errors: Array = np.square(left).sum(axis=2).mean(axis=1) / np.square(eyes)
    return errors
