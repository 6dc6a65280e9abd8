"""Mixtures: what an empty and a full range give, and whose codes a student's layers have."""

from dataclasses import replace
from itertools import chain

import pytest
import torch
from distill_case import TEACHER

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.editing.mixing import blend, layers_of
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import PredictorConfig, student_config
from nerfgan_cli.nn.mapping import exchange_layers, truncate
from nerfgan_cli.nn.renderer_mapping import CODE_OUTPUTS

CAMERA = PRESETS["ffhq"].at([-0.3, 0.4])
GENERATORS = ["teacher", *CODE_OUTPUTS]


def build(name):
    torch.manual_seed(3)
    if name == "teacher":
        return EG3D(TEACHER).eval().requires_grad_(False)
    config = replace(
        student_config("light", EG3D(TEACHER)),
        predictor=PredictorConfig("stylegan2", channel_base=128, channel_max=8),
        code_output=name,
        mapping_lr_multiplier=1.0,
    )
    return Student(config).eval().requires_grad_(False)


def two(generator):
    """Two subjects, no row of whose codes is like another."""
    return torch.randn(2, 1, generator.num_ws, generator.w_dim).unbind(0)


@pytest.mark.parametrize("name", GENERATORS)
def test_an_empty_range_is_the_one_and_a_full_range_the_other(name):
    generator = build(name)
    a, b = two(generator)
    alone = [generator.synthesis(ws, CAMERA).image for ws in (a, b)]
    empty, full = (
        generator.draw(generator.mix(a, b, layers), CAMERA).image
        for layers in ([], range(generator.mixing_layers))
    )
    assert torch.equal(empty, alone[0])
    assert torch.equal(full, alone[1])
    some = generator.draw(generator.mix(a, b, range(1, 3)), CAMERA).image
    assert all((some - image).abs().max() > 1e-3 for image in alone)


@pytest.mark.parametrize("name", CODE_OUTPUTS)
def test_a_student_exchanges_the_codes_of_its_own_layers(name):
    """Each made of its own w at the camera."""
    generator = build(name)
    a, b = two(generator)
    mixed = []
    generator.predictor.register_forward_pre_hook(lambda _, inputs: mixed.append(inputs[0]))
    generator.draw(generator.mix(a, b, [1, 3]), CAMERA)
    for row in range(generator.mixing_layers):
        whose = b if row in (1, 3) else a
        expected = generator.renderer_mapping(whose.expand(2, -1, -1), CAMERA)[:, row]
        torch.testing.assert_close(mixed[0][:, row], expected)


def test_the_last_layer_takes_the_super_resolution_with_it():
    generator = build("shared")
    a, b = two(generator)
    last = generator.mixing_layers - 1
    own = generator.draw(generator.mix(a, b, [last]), CAMERA)
    assert generator._codes(generator.mix(a, b, [last]), CAMERA)[0].eq(b).all()
    assert generator._codes(generator.mix(a, b, [last - 1]), CAMERA)[0].eq(a).all()
    assert own.image.isfinite().all()


def test_the_teacher_exchanges_rows():
    generator = build("teacher")
    a, b = two(generator)
    found = generator.mix(a, b, [0, 2])
    assert torch.equal(found.ws, exchange_layers(a, b, [0, 2]))
    assert torch.equal(found.ws[:, [0, 2]], b[:, [0, 2]])
    assert torch.equal(found.ws[:, 1], a[:, 1])
    torch.testing.assert_close(found.planes, generator.prepare(found.ws).planes)


def test_rows_matter_but_where_the_first_makes_all_codes():
    for name in GENERATORS:
        generator = build(name)
        a, b = two(generator)
        outer = generator.synthesis(exchange_layers(a, b, range(1, generator.num_ws)), CAMERA)
        same = (outer.features - generator.synthesis(a, CAMERA).features).abs().max() < 1e-6
        assert bool(same) is not generator.rows_differ, name


def test_parts_of_a_generator():
    """Those of a 256² backbone are the ones of the reference; others are cut alike."""
    assert [layers_of(part, 14) for part in ("coarse", "middle", "fine")] == [
        range(4),
        range(4, 8),
        range(8, 14),
    ]
    for count in (4, 10, 16):
        parts = [list(layers_of(part, count)) for part in ("coarse", "middle", "fine")]
        assert list(chain(*parts)) == list(range(count))
        assert all(parts)


def test_weighted_sums_are_about_the_average():
    one, other, average = torch.randn(3, 1, 5, 8)
    torch.testing.assert_close(blend([one], [1.0], average), one)
    torch.testing.assert_close(blend([one], [0.5], average), truncate(one, average[0], 0.5))
    torch.testing.assert_close(blend([one, other], [0.5, 0.5], average), (one + other) / 2)
    torch.testing.assert_close(blend([one, other], [1.0, -1.0], other), one)


def test_an_offset_has_its_weight_in_a_sum():
    """Rows beyond ws, which only some have: of the others, and of the average, they are 0."""
    plain, average, special = torch.randn(1, 5, 8), torch.randn(1, 5, 8), torch.randn(1, 9, 8)
    found = blend([special, plain], [0.3, 0.7], average)
    torch.testing.assert_close(found[:, 5:], 0.3 * special[:, 5:])
    torch.testing.assert_close(found[:, :5], blend([special[:, :5], plain], [0.3, 0.7], average))
