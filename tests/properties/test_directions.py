"""Semantic directions: recovered where the truth is known (inversion_and_editing.md 7 and 9)."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from distill_case import TEACHER

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.data.toyheads.traits import LATENT_SIZE, Traits
from nerfgan_cli.editing.directions import (
    keep_fixed,
    measured,
    move,
    place,
    read_direction,
    refuse_foreign,
    refuse_misfit,
    write_direction,
)
from nerfgan_cli.editing.ganspace import principal_components
from nerfgan_cli.editing.measures import (
    MEASURES,
    Region,
    cut_out,
    measure_pictures,
    read_table,
    trait_values,
)
from nerfgan_cli.editing.sefa import factorize
from nerfgan_cli.editing.supervised import balanced, extremes, regress, separate
from nerfgan_cli.errors import InputError, UsageError, WeightsError
from nerfgan_cli.generators.codes import codes_of_seeds, sample_codes
from nerfgan_cli.generators.drawing import Person, latent
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import student_config


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(1)
    return EG3D(TEACHER).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def student(teacher):
    torch.manual_seed(2)
    student = Student(student_config("light", teacher)).eval().requires_grad_(False)
    student.start_from_teacher(teacher)
    return student


def random_basis(size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


def test_ganspace_recovers_the_axes_of_a_linear_map():
    rng, basis = np.random.default_rng(1), random_basis(6)
    stds, mean = np.array([5.0, 3.0, 2.0, 1.0, 0.5, 0.1]), 100.0
    codes = torch.from_numpy(rng.standard_normal((20_000, 6)) * stds @ basis + mean)
    found = principal_components(codes.split(3000))
    np.testing.assert_allclose(np.abs((found.vectors.numpy() * basis).sum(1)), 1, atol=1e-2)
    np.testing.assert_allclose(found.stds, stds, rtol=0.03)
    np.testing.assert_allclose(found.mean, mean, atol=0.2)
    np.testing.assert_allclose(found.explained, stds**2 / (stds**2).sum(), atol=0.02)
    largest = found.vectors.abs().argmax(dim=1)
    assert (found.vectors[range(6), largest] > 0).all(), "the sign is not the same every time"
    whole = principal_components([codes])
    torch.testing.assert_close(whole.vectors, found.vectors)


def test_sefa_of_one_matrix_are_its_right_singular_vectors():
    matrix = torch.randn(20, 6, dtype=torch.float64)
    found = factorize([matrix])
    _, values, right = torch.linalg.svd(matrix)
    torch.testing.assert_close((found.vectors * right).sum(dim=1).abs(), torch.ones(6).double())
    torch.testing.assert_close(found.strengths, values**2 / (values**2).sum())
    halves = factorize([matrix[:7], matrix[7:]])
    torch.testing.assert_close(halves.vectors, found.vectors)
    rows = matrix / matrix.norm(dim=1, keepdim=True)
    scaled = factorize([matrix * torch.arange(1, 21)[:, None]], normalise=True)
    torch.testing.assert_close(scaled.vectors, factorize([rows]).vectors)


def keep_output(seen, _module, _inputs, output):
    seen.append(output)


def test_style_maps_are_the_slopes_of_the_styles(teacher, student):
    """Of what the layers of either are modulated by."""
    torch.manual_seed(0)
    networks = {teacher: teacher.planes_network(), student: student.predictor}
    for generator, network in networks.items():
        maps = generator.style_maps()
        affines = network.affines()
        assert len(maps) == len(affines)
        seen: list[torch.Tensor] = []
        keep = partial(keep_output, seen)
        hooks = [affine.register_forward_hook(keep) for _, affine in affines]
        average = generator.latent_space().w_avg
        step = torch.randn_like(average) * 1e-3
        camera = PRESETS["ffhq"].frontal()
        for w in (average, average + step):
            generator.synthesis(w.expand(1, generator.num_ws, -1), camera)
        for hook in hooks:
            hook.remove()
        before, after = seen[: len(maps)], seen[len(maps) :]
        for style, old, new in zip(maps, before, after, strict=True):
            slope, found = new[0] - old[0], style.matrix @ step
            assert (slope - found).norm() < 0.02 * slope.norm() + 1e-7
        assert {style.row for style in maps} == set(range(generator.num_ws))


def test_style_maps_name_the_rows_that_layers_listen_to(teacher, student):
    networks = {teacher: teacher.planes_network(), student: student.predictor}
    camera = PRESETS["ffhq"].frontal()
    for generator, network in networks.items():
        seen: list[torch.Tensor] = []
        for _, affine in network.affines():
            affine.register_forward_hook(partial(keep_output, seen))
        maps = generator.style_maps()
        for row in range(generator.num_ws):
            seen.clear()
            ws = torch.zeros(1, generator.num_ws, generator.w_dim)
            generator.synthesis(ws, camera)
            ws[:, row] = 1
            generator.synthesis(ws, camera)
            changed = [
                not torch.equal(*pair) for pair in zip(seen, seen[len(maps) :], strict=False)
            ]
            assert changed == [style.row == row for style in maps]


def test_regression_finds_what_a_number_depends_on():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((400, 20)) * np.linspace(0.5, 2, 20) + 5
    truth = rng.standard_normal(20)
    found = regress(codes, 3 * codes @ truth + 0.1 * rng.standard_normal(400) - 40)
    assert found.score > 0.99
    assert found.vector @ truth / np.linalg.norm(found.vector) / np.linalg.norm(truth) > 0.99
    chance = rng.standard_normal((100, 80))
    assert regress(chance, rng.standard_normal(100)).score < 0.2, "it has seen them"
    with pytest.raises(InputError, match="all subjects measure the same"):
        regress(codes, np.ones(400))
    with pytest.raises(InputError, match="too few"):
        regress(codes[:5], np.arange(5.0))


def test_a_border_is_found_and_its_accuracy_is_honest():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((400, 20)) + 3
    truth = rng.standard_normal(20)
    values = (codes - 3) @ truth
    chosen, kinds = extremes(values, 0.1)
    assert (len(chosen), kinds.sum()) == (80, 40)
    assert values[chosen][kinds].min() > values[chosen][~kinds].max()
    found = separate(codes[chosen], kinds)
    assert found.score > 0.95
    assert found.vector @ truth / np.linalg.norm(found.vector) / np.linalg.norm(truth) > 0.8
    chance = rng.standard_normal((100, 80))
    assert separate(chance, rng.random(100) > 0.5).score < 0.65, "chance passes for knowledge"
    with pytest.raises(InputError, match="of either kind are too few"):
        separate(codes, np.arange(400) < 5)


def test_kinds_are_balanced():
    kinds = np.array([True, False, False, False, True, False])
    assert balanced(kinds).tolist() == [0, 1, 2, 4]


def direction(generator, vector=None, layers=None, **facts):
    size = generator.w_dim
    vector = torch.eye(size)[2] * 7 if vector is None else vector
    codes = torch.randn(2000, size, generator=torch.Generator().manual_seed(0)) * 3 + 1
    layers = layers or (0, generator.num_ws)
    return measured("a", "regress", vector, codes, layers, space_checksum(generator), facts)


def test_moves_are_in_standard_deviations_and_leave_other_layers(teacher):
    found = direction(teacher, layers=(1, 3))
    assert found.vector.norm().item() == pytest.approx(1)
    assert found.std == pytest.approx(3, rel=0.1)
    assert found.origin == pytest.approx(1, abs=0.3)
    ws = torch.randn(1, teacher.num_ws, teacher.w_dim)
    moved = move(ws, found, torch.tensor([-2.0, 0.0, 1.0]))
    change = (moved - ws)[:, :, 2] / found.std
    assert torch.equal(moved[1:2], ws)
    torch.testing.assert_close(change[:, 1:3], torch.tensor([-2.0, 0, 1])[:, None].expand(3, 2))
    assert (change[:, [0, *range(3, teacher.num_ws)]] == 0).all()
    torch.testing.assert_close(place(moved, found)[0, 1:3], place(ws, found)[0, 1:3] - 2)
    there = move(ws, found, torch.tensor([1.5]), absolute=True)
    torch.testing.assert_close(place(there, found)[0, 1:3], torch.full([2], 1.5))


def test_what_is_kept_fixed_does_not_change():
    a, b, c = torch.randn(3, 12)
    rest = keep_fixed(a, [b, c, 2 * b]).float()
    assert abs(rest @ b) < 1e-4
    assert abs(rest @ c) < 1e-4
    assert rest @ a > 0
    assert keep_fixed(a, []) is a
    with pytest.raises(InputError, match="nothing is left"):
        keep_fixed(a, [b, a + b])


def test_files_come_back_and_foreign_ones_are_refused(teacher, student, tmp_path):
    path = tmp_path / "d.json"
    own = direction(teacher, layers=(0, 2), accuracy=0.9)
    write_direction(path, own)
    found = read_direction(path)
    assert torch.equal(found.vector, own.vector)
    assert {**vars(found), "vector": 0} == {**vars(own), "vector": 0}
    refuse_foreign(found, teacher)
    refuse_foreign(found, student)
    torch.manual_seed(5)
    other = EG3D(TEACHER)
    with pytest.raises(WeightsError, match=r"another model.*nerfgan directions, or else\.$"):
        refuse_foreign(found, other, ", or else")
    refuse_misfit(found, other)
    student.rows_differ = False
    with pytest.raises(WeightsError, match="all from the first row"):
        refuse_misfit(found, student)
    student.rows_differ = True


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"space": "z"}, "space is missing"),
        ({"name": 3}, "name"),
        ({"vector": [1, 2, "a"]}, "numbers"),
        ({"vector": [0.0] * 16}, "length 1"),
        ({"vector": [float("nan")] * 16}, "length 1"),
        ({"std": 0}, "spread"),
        ({"layers": [3, 3]}, "no layers, 3 to 3"),
        ({"layers": [0]}, "numbers"),
        ({"vector": [10**400] * 16}, "numbers"),
        ({"vector": [10**20] * 16}, "length 1"),
        ({"about": "Ann"}, "about itself"),
        (None, "not a table"),
        ("{", "not JSON"),
    ],
)
def test_directions_that_are_none(teacher, tmp_path, change, word):
    path = tmp_path / "d.json"
    write_direction(path, direction(teacher))
    content = json.loads(path.read_text())
    text = change if isinstance(change, str) else json.dumps(change and {**content, **change})
    path.write_text(text)
    with pytest.raises(InputError, match=word) as caught:
        read_direction(path)
    assert str(caught.value).endswith("write one with nerfgan directions.")


def test_codes_are_those_of_their_seeds(teacher):
    codes = codes_of_seeds(teacher, [3, 8])
    for code, seed in zip(codes, (3, 8), strict=True):
        torch.testing.assert_close(code, Person(seed).codes(teacher)[0, 0])
    many = torch.cat(list(sample_codes(teacher, 5000, 1)))
    assert many.shape == (5000, teacher.w_dim)
    torch.testing.assert_close(torch.cat(list(sample_codes(teacher, 4500, 1))), many[:4500])
    z = torch.from_numpy(np.random.RandomState(1).randn(1, teacher.z_dim)).float()
    expected = teacher.mapping(z, PRESETS["ffhq"].frontal())[0, 0]
    torch.testing.assert_close(many[0], expected)


def test_pictures_are_measured_where_asked(teacher):
    image = torch.full([1, 3, 8, 8], -1.0)
    image[:, 0, :4, 4:] = 1  # red above, to the right
    corner, whole = Region(0.5, 0, 1, 0.5), Region(0, 0, 1, 1)
    assert MEASURES["red"](cut_out(image, corner)).item() == 1
    assert MEASURES["red"](cut_out(image, whole)).item() == 0.25
    assert MEASURES["warmth"](cut_out(image, corner)).item() == 1
    assert MEASURES["brightness"](cut_out(image, corner)).item() == pytest.approx(0.299)
    assert cut_out(image, Region(0.3, 0.3, 0.31, 0.31)).shape[2:] == (1, 1)
    codes = codes_of_seeds(teacher, range(3))
    found = list(measure_pictures(teacher, codes, "green", whole))
    drawn = teacher.synthesis(Person(1).codes(teacher), PRESETS["ffhq"].frontal()).image_raw
    assert found[1] == pytest.approx((drawn[0, 1].clamp(-1, 1).mean() / 2 + 0.5).item(), abs=1e-5)


def test_traits_are_those_of_the_latents(teacher):
    class Taught:
        z_dim = LATENT_SIZE

    z = torch.cat([latent(seed, LATENT_SIZE) for seed in range(40)])
    assert trait_values(Taught(), range(40), "smile") == pytest.approx(Traits(z)["smile"].numpy())
    hats = trait_values(Taught(), range(40), "hat=none")
    assert set(hats) == {0, 1}
    assert hats == pytest.approx(Traits(z).chosen("hat", "none").double().numpy())
    for generator, text, word in (
        (teacher, "smile", "not taught ToyHeads"),
        (Taught(), "grin", "no trait"),
        (Taught(), "hat", "hat=none"),
        (Taught(), "smile=yes", "leave out"),
    ):
        with pytest.raises(UsageError, match=word):
            trait_values(generator, range(2), text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "seed,value\n3,0.5\n7,-1e2\n"),
        ("a.csv", "3,0.5\n\n7,-100\n"),
        ("a.json", '{"3": 0.5, "7": -100}'),
        ("a.json", "[[3, 0.5], [7, -100]]"),
    ],
)
def test_tables_of_ones_own(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    seeds, values = read_table(path)
    assert seeds == [3, 7]
    assert values.tolist() == [0.5, -100]


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("a.csv", "3,0.5,8\n", "no table"),
        ("a.csv", "3,much\n", "no table"),
        ("a.csv", "3,1\n3,2\n", "one twice"),
        ("a.csv", "3,nan\n", "not finite"),
        ("a.csv", "-3,1\n4,2\n-5,2\n", "impossible seeds"),
        ("a.json", "{", "no table"),
        ("a.json", "[3, 4]", "no table"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, name, text, word):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=word):
        read_table(path)
