"""Directions found from measurements of many subjects.

`regress`: ridge regression of a number. `separate`: the border between two kinds of subjects, by
logistic regression (InterFaceGAN; Shen et al. 2020). Either is tried on subjects that it has not
seen, by cross-validation, which also chooses how strongly its vector is held short.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from nerfgan_cli.errors import InputError

Array = NDArray[np.float64]

FOLDS = 5
FEWEST = 2 * FOLDS  # subjects, and of each kind
PENALTIES = 10.0 ** np.arange(-5, 2)  # where the mean variance of the codes' numbers is 1
RELIABLE = 0.7  # accuracy below which a border is not to be trusted


class Found(NamedTuple):
    vector: Array  # [D], towards more of what was measured, or towards the second kind
    score: float  # R², or accuracy, on held-out subjects
    penalty: float


class Plane(NamedTuple):
    """Predicts codes @ vector + offset."""

    vector: Array  # [D]
    offset: float


Fit = Callable[[Array, Array, float], Plane]  # codes [N, D], targets [N], penalty
Score = Callable[[Array, Array], float]  # predictions [N], targets [N]


def regress(codes: Array, values: Array) -> Found:  # [N, D], [N]
    """The direction along which a number grows; the score is R²."""
    _require(len(values), "subjects")
    spread = values.std()
    if not spread > 0:
        raise InputError("all subjects measure the same: measure something in which they differ.")
    return _best(codes, (values - values.mean()) / spread, ridge, _r_squared)


def separate(codes: Array, kinds: NDArray[np.bool_]) -> Found:  # [N, D], [N]
    """The normal of the border between two kinds of subjects; the score is the accuracy."""
    _require(min(int(kinds.sum()), int((~kinds).sum())), "subjects of either kind")
    return _best(codes, np.where(kinds, 1.0, -1.0), logistic, _accuracy)


def extremes(values: Array, share: float) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Numbers of those with the lowest and the highest values, and which are the highest."""
    count = max(1, round(share * len(values)))
    order = np.argsort(values, kind="stable")
    return np.concatenate([order[:count], order[-count:]]), np.arange(2 * count) >= count


def balanced(kinds: NDArray[np.bool_]) -> NDArray[np.intp]:
    """As many of either kind, the first of each: guessing the usual one tells nothing apart."""
    either = [np.flatnonzero(kinds == kind) for kind in (False, True)]
    return np.sort(np.concatenate([found[: min(map(len, either))] for found in either]))


def ridge(codes: Array, targets: Array, penalty: float) -> Plane:
    """Least squares, with penalty · ‖vector‖²."""
    mean, middle = codes.mean(axis=0), targets.mean()
    offset = codes - mean
    squares = offset.T @ offset / len(codes) + penalty * np.eye(codes.shape[1])
    vector = np.linalg.solve(squares, offset.T @ (targets - middle) / len(codes))
    return Plane(vector, float(middle - mean @ vector))


def logistic(codes: Array, targets: Array, penalty: float) -> Plane:
    """The mean of log(1 + exp(−target · prediction)), with penalty / 2 · ‖vector‖²."""

    def loss(plane: Array) -> tuple[float, Array]:
        vector, offset = plane[:-1], plane[-1]
        margins = targets * (codes @ vector + offset)
        slopes = -targets * expit(-margins) / len(codes)
        value = np.logaddexp(0, -margins).mean() + penalty / 2 * vector @ vector
        return float(value), np.append(slopes @ codes + penalty * vector, slopes.sum())

    found = minimize(loss, np.zeros(codes.shape[1] + 1), jac=True, method="L-BFGS-B")
    return Plane(found.x[:-1], float(found.x[-1]))


def _best(codes: Array, targets: Array, fit: Fit, score: Score) -> Found:
    """Tries every penalty on held-out subjects, and fits the best one to all."""
    scaled = codes - codes.mean(axis=0)
    scaled /= np.sqrt((scaled**2).mean())
    scores = [score(_predict(scaled, targets, fit, penalty), targets) for penalty in PENALTIES]
    best = int(np.argmax(scores))
    vector, _ = fit(scaled, targets, PENALTIES[best])
    return Found(vector, scores[best], float(PENALTIES[best]))


def _predict(codes: Array, targets: Array, fit: Fit, penalty: float) -> Array:
    """Each subject's prediction, made without it."""
    predicted = np.empty(len(targets))
    fold = np.arange(len(targets)) % FOLDS
    for number in range(FOLDS):
        held_out = fold == number
        vector, offset = fit(codes[~held_out], targets[~held_out], penalty)
        predicted[held_out] = codes[held_out] @ vector + offset
    return predicted


def _r_squared(predicted: Array, targets: Array) -> float:
    return float(1 - ((predicted - targets) ** 2).sum() / ((targets - targets.mean()) ** 2).sum())


def _accuracy(predicted: Array, targets: Array) -> float:
    return float(((predicted > 0) == (targets > 0)).mean())


def _require(count: int, what: str) -> None:
    if count < FEWEST:
        raise InputError(f"{count} {what} are too few to learn from: give {FEWEST} or more.")
