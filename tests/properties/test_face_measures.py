"""Measures of faces by landmarks (inversion_and_editing.md 7), for directions that change them."""

import numpy as np
import pytest
from datasets import SHARED
from faces_case import PACK, TDDFA, weights
from inversion_case import Models, load

from nerfgan_cli.editing.face_measures import FACE_MEASURES, PLACES, measure_faces, span_of
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.evaluation.looks import LANDMARKS, Looks, Source
from nerfgan_cli.faces.detector import Detector, load_pack
from nerfgan_cli.faces.networks import Network
from nerfgan_cli.faces.shapes import MIRRORED
from nerfgan_cli.generators.codes import codes_of_seeds
from nerfgan_cli.photos import read_photo

# What is moved up by a tenth, and which measures grow by how much.
MOVED = {
    "mouth corners": {"smile": 0.1},
    "brows": {"brow-height": 0.1},
    "upper lids": {"eye-opening": 0.1},
    "upper lip": {"mouth-opening": 0.1, "smile": -0.05},
    "chin": {"face-length": -0.1},
    "nose": {"nose-length": -0.1},
}


class MadeReader:
    """Finds a face of two that are alike but for the size; the third picture has none."""

    points, eyes = 68, (range(36, 42), range(42, 48))

    def __init__(self):
        self.sources = {LANDMARKS: Source("made", "0")}

    def look(self, pictures):
        face = np.random.default_rng(0).normal(size=(68, 3)) * 10 + 100
        self.sides, count = pictures.shape[1:3], len(pictures)
        found = np.arange(count) != 2
        scale = np.arange(1, count + 1)[:, None, None]
        return Looks(found, np.zeros((count, 3)), found[:, None, None] * face * scale, np.empty(0))


def test_measures_are_distances_of_what_they_name() -> None:
    points = np.random.default_rng(1).normal(size=(2, 68, 3))
    eyes = np.array([1.0, 2.0])
    before = {name: span_of(span, points, eyes) for name, span in FACE_MEASURES.items()}
    for place, growth in MOVED.items():
        moved = points.copy()
        moved[:, list(PLACES[place]), 1] -= 0.1  # y goes down
        for name, span in FACE_MEASURES.items():
            if place == "upper lids" and name in ("brow-height", "nose-length", "face-length"):
                continue  # lids are a part of the eyes
            expected = growth.get(name, 0.0) / eyes
            np.testing.assert_allclose(span_of(span, moved, eyes) - before[name], expected, 0, 1e-9)
    mirrored = points[:, MIRRORED] * (-1, 1, 1)
    for name, span in FACE_MEASURES.items():
        np.testing.assert_allclose(span_of(span, mirrored, eyes), before[name], 0, 1e-9)


def test_subjects_are_measured_from_the_front_and_in_full_size(models: Models) -> None:
    generator, reader = load(models.student), MadeReader()
    codes = codes_of_seeds(generator, range(3))
    values = list(measure_faces(generator, codes, "smile", reader))
    assert reader.sides == (generator.img_resolution,) * 2
    assert values[0] == pytest.approx(values[1]), "a larger face smiles as much"
    assert np.isnan(values[2])
    reader.points = 5
    with pytest.raises(WeightsError, match="68 landmarks"):
        next(measure_faces(generator, codes, "smile", reader))


def test_real_faces_smile_and_speak() -> None:
    """The astronaut laughs, Newton does not."""
    detector = Detector("made", load_pack(str(weights(PACK)), ("detection",)))
    network, found = Network(weights(TDDFA)), {}
    for name in ("astronaut", "newton"):
        photo = read_photo(SHARED / "photos" / "portraits" / f"{name}.png")
        points = network.look(photo, detector.find(photo)[0].box).landmarks[None]
        eyes = np.linalg.norm(span_vector(points), axis=1)
        found[name] = {key: span_of(span, points, eyes)[0] for key, span in FACE_MEASURES.items()}
    for key in ("smile", "mouth-width", "mouth-opening"):
        assert found["astronaut"][key] > found["newton"][key] + 0.1
    for key, least, most in (("face-length", 1.5, 2.2), ("nose-length", 0.5, 1.0)):
        assert all(least < values[key] < most for values in found.values())


def span_vector(points):  # [B, 68, 3] -> [B, 3]
    return points[:, 42:48].mean(axis=1) - points[:, 36:42].mean(axis=1)
