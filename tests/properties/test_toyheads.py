"""ToyHeads: the same everywhere, exact depth, shape and landmarks, colours that do not turn."""

from base64 import b64decode

import numpy as np
import pytest
import torch
from oracles import toyheads as oracle
from torch import Tensor
from torch.utils.data import DataLoader

from nerfgan_cli.cameras import PRESETS, Camera, angles_from_pose
from nerfgan_cli.data.toyheads.dataset import (
    LIMIT,
    PITCH_SPREAD,
    VERSION,
    YAW_SPREAD,
    ToyHeads,
    cameras,
)
from nerfgan_cli.data.toyheads.field import field, inside, surface_points
from nerfgan_cli.data.toyheads.identity import LATENT_SIZE, Heads, heads_from_latent, latents
from nerfgan_cli.data.toyheads.landmarks import LANDMARKS, landmarks
from nerfgan_cli.data.toyheads.parts import NUMBER
from nerfgan_cli.data.toyheads.renderer import draw, drawn_points
from nerfgan_cli.data.toyheads.traits import COORDINATES, TRAITS, Choice, Traits

FFHQ = PRESETS["ffhq"]
COUNT = 6

# By VERSION and item of seed 5: the 16² picture in means over 4×4 pixels, rounded, [3, 4, 4].
# Whoever changes a picture raises VERSION and puts the new means here.
PICTURES = {
    3: {
        2: "o3CToGloj6BfzaSfgJJ5nrt0qb5qU4a+YaaNvnpubrzGdrPMbEmAzGOSgct5YWzK",
        4: "3am42dNjf93crcXc156x18mzvMTCa4PIxniQyMWVrMKXh42TmVtpl5labZaUcISR",
        6: "v8G8tMC1trW8pKizqZKZr+LK1NjQf5na0XmQ2NOSuNPbucnRxFt90sdge9DOgrDM",
        9: "qMLKrayqwLyqpbKup5GVqs3S29HKj6PSzIWIzMuqq87Q0NnUzHyP0s5vbc3NnJvP",
        10: "3MnC3biZisnAi4TX2n6X37F5fb53ZVickFlRssFthcSIUleXUkY6dm09NoqdY3Sc",
        17: "4NSe3OCUcbHgooDP396d6MnGs8/KiV6RyoVWtMi/XsLWzaXV1n5Af9Z8PrTUxkTH",
        18: "y9TR18zJscrKwJrJyK+Owdzi1+bdv5fO27Z6z9mzhM67xMPIu6uFuLqhabG4k2Oq",
        21: "36qX3ttyY8DeZVLTzX1twdaahtTRTD+x1Uw6ycd2ZLyts6uxr2hVp6lCMaChbFyc",
    }
}


@pytest.fixture(scope="module")
def heads() -> Heads:
    return heads_from_latent(latents(3, np.arange(COUNT)))


def turned() -> Camera:
    return FFHQ.at(yaw=[-0.5, -0.3, 0.0, 0.2, 0.4, 0.6], pitch=[0.0, 0.25, -0.2, 0.1, -0.3, 0.3])


def test_item_is_the_same_in_any_batch() -> None:
    data = ToyHeads(32, 1000, seed=5)
    alone = data[77]
    together = data.__getitems__([3, 77, 912])[1]
    assert torch.equal(alone.image, together.image)
    assert torch.equal(alone.label, together.label)
    assert torch.equal(alone.label, data.labels(np.array([77]))[0])
    assert not torch.equal(alone.image, data[78].image)
    assert not torch.equal(alone.image, ToyHeads(32, 1000, seed=6)[77].image)


def test_batch_holds_the_items_and_their_truth() -> None:
    data = ToyHeads(32, 1000, seed=5)
    batch = data.batch(np.array([3, 77]))
    assert torch.equal(batch.image[1], data[77].image)
    assert torch.equal(batch.label[1], data[77].label)
    assert torch.equal(batch.latent[1], latents(5, np.array([77]))[0])
    assert batch.landmarks.shape == (2, len(LANDMARKS), 3)
    assert batch.heads.describe(1) == heads_from_latent(batch.latent[1:]).describe(0)


def test_loader_with_workers_gives_the_items() -> None:
    data = ToyHeads(16, 6, seed=1)
    loader = DataLoader(data, batch_size=3, num_workers=1)
    images = torch.cat([item.image for item in loader])
    assert torch.equal(images, torch.stack([data[i].image for i in range(6)]))


def test_index_past_the_end_is_refused() -> None:
    with pytest.raises(IndexError, match="item 6 of 6"):
        ToyHeads(16, 6)[6]


def test_draws_are_those_of_every_machine() -> None:
    """Not promised by numpy: a release that draws other numbers would change every head."""
    z = latents(5, np.array([0, 77, 1 << 40]))
    expected = [
        [1.437773, 0.836108, 1.181872],
        [0.391222, -0.193991, -2.913232],
        [-0.602043, 0.375434, 0.446530],
    ]
    torch.testing.assert_close(z[:, :3], torch.tensor(expected), rtol=0, atol=1e-5)
    torch.testing.assert_close(z[1:, -1], torch.tensor([0.4819, -1.4423]), rtol=0, atol=1e-4)
    yaw, pitch, _ = angles_from_pose(cameras(5, np.array([0, 77, 1 << 40])).cam2world)
    torch.testing.assert_close(yaw, torch.tensor([0.3491, 0.2128, -0.4143]), rtol=0, atol=1e-4)
    torch.testing.assert_close(pitch, torch.tensor([0.0310, 0.0994, -0.0217]), rtol=0, atol=1e-4)


def test_pictures_are_those_of_the_version() -> None:
    numbers, means = zip(*PICTURES[VERSION].items(), strict=True)
    images = ToyHeads(16, 100, seed=5).batch(np.array(numbers)).image
    found = images.float().unflatten(3, (4, 4)).unflatten(2, (4, 4)).mean(dim=(3, 5)).round()
    expected = np.frombuffer(b"".join(map(b64decode, means)), np.uint8).reshape(found.shape)
    difference = (found - torch.from_numpy(expected.copy())).abs()
    assert difference.mean() < 0.05  # of 255; 0 but for rays that graze an edge
    assert difference.max() <= 5


def test_fingerprint_tells_sets_apart() -> None:
    sets = [ToyHeads(16, 6), ToyHeads(32, 6), ToyHeads(16, 7), ToyHeads(16, 6, seed=1)]
    assert len({data.fingerprint() for data in sets}) == len(sets)
    assert ToyHeads(16, 6).fingerprint() == sets[0].fingerprint()


def test_cameras_stand_as_stated() -> None:
    camera = cameras(0, np.arange(2000))
    torch.testing.assert_close(camera.position.norm(dim=1), torch.full((2000,), 2.7))
    aim = torch.tensor([0, 0, 0.2]) - camera.position
    torch.testing.assert_close(camera.forward, aim / aim.norm(dim=1, keepdim=True))
    focal = camera.intrinsics[:, (0, 1), (0, 1)]
    torch.testing.assert_close(focal, torch.full((2000, 2), 4.2647))
    torch.testing.assert_close(camera.intrinsics[:, :2, 2], torch.full((2000, 2), 0.5))
    yaw = torch.atan2(camera.position[:, 0], camera.position[:, 2])
    pitch = torch.asin(camera.position[:, 1] / 2.7)
    for angle, spread in ((yaw, 0.3), (pitch, 0.155)):
        assert 2 * spread < angle.abs().max() < 2.25 * spread + 1e-5
        assert abs(angle.mean()) < 0.1 * spread
        assert 0.9 * spread < angle.std() < spread  # the cut takes 4 %


def test_only_the_direction_of_a_latent_counts(heads: Heads) -> None:
    scaled = heads_from_latent(heads.latent * torch.tensor([0.3, 1, 2, 5, 10, 0.01])[:, None])
    torch.testing.assert_close(scaled.rows, heads.rows, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(scaled.colours, heads.colours, rtol=1e-4, atol=1e-4)


def test_each_trait_has_coordinates_of_its_own() -> None:
    assert LATENT_SIZE == 92
    z = latents(0, np.arange(1))
    before = heads_from_latent(z).describe(0)
    for name, numbers in COORDINATES.items():
        changed = z.clone()
        changed[0, numbers] = -z[0, numbers]  # the length stays
        after = heads_from_latent(changed).describe(0)
        others = {key for key in TRAITS if key != name and after[key] != pytest.approx(before[key])}
        assert not others, name
        assert isinstance(before[name], str) or after[name] != before[name]


def test_traits_change_the_picture() -> None:
    """No number of the table is idle: each changes some of a few heads."""
    z = latents(0, np.arange(12)).repeat(len(TRAITS) + 1, 1, 1)  # [trait or none, head, 92]
    for index, numbers in enumerate(COORDINATES.values()):
        z[index, :, numbers] *= -1
    images = draw(heads_from_latent(z.flatten(0, 1)), FFHQ.at(yaw=0.3), 32, 1).image
    images = images.unflatten(0, z.shape[:2])
    changed = (images[:-1] - images[-1]).abs().amax(dim=(2, 3, 4)) > 0.01
    assert dict(zip(TRAITS, changed.any(dim=1).tolist(), strict=True)) == dict.fromkeys(
        TRAITS, True
    )


def test_choices_are_as_likely_as_their_weights() -> None:
    count = 20_000
    choices = Traits(latents(3, np.arange(count))).choices
    for name, kind in TRAITS.items():
        if isinstance(kind, Choice):
            weights = torch.tensor(list(kind.weights.values()))
            expected = weights / weights.sum()
            found = choices[name].bincount(minlength=len(weights)) / count
            deviation = (expected * (1 - expected) / count).sqrt()
            assert ((found - expected).abs() < 5 * deviation).all(), name


def test_hits_are_those_of_first_principles(heads: Heads) -> None:
    camera, side = turned(), 16
    drawn = draw(heads, camera, side, 1)
    rays = oracle.camera_rays(camera, side)
    for head in range(0, COUNT, 2):
        expected = torch.stack(
            [
                oracle.first_hit(row, rays.origins[head], rays.directions[head])
                for row in heads.rows[head]
            ]
        ).amin(dim=0)
        found = drawn.depth[head].flatten()
        close = ((found - expected).abs() < 2e-5) | (found.isinf() & expected.isinf())
        assert close.float().mean() > 0.99  # the rest grazes a silhouette


def test_drawn_as_plainly(heads: Heads) -> None:
    adaptive = draw(heads, turned(), 32, 2).image
    plain = oracle.draw(heads, turned(), 32, 2)
    difference = (adaptive - plain).abs()
    assert difference.mean() < 0.003
    assert (difference.amax(dim=1) > 0.15).float().mean() < 0.002


def test_antialiasing_converges() -> None:
    few = heads_from_latent(latents(3, np.arange(3)))
    exact = oracle.draw(few, FFHQ.at(yaw=0.2), 20, 8)
    errors = [
        (draw(few, FFHQ.at(yaw=0.2), 20, samples).image - exact).square().mean().sqrt()
        for samples in (1, 2, 4)
    ]
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.7 * errors[1]


def test_depth_is_at_the_surface(heads: Heads) -> None:
    camera = turned()
    drawn = draw(heads, camera, 48, 1)
    seen = drawn.depth.flatten(1).isfinite()
    assert seen.float().mean() > 0.99
    depth = drawn.depth.nan_to_num(posinf=2.7)
    behind, before = (inside(heads, drawn_points(camera, depth + step)) for step in (1e-4, -1e-4))
    assert behind[seen].float().mean() > 0.998
    assert before[seen].float().mean() < 0.001


def test_nothing_is_occupied_before_the_depth(heads: Heads) -> None:
    camera = turned()
    depth = draw(heads, camera, 32, 1).depth.clamp_max(3.2)
    for share in torch.linspace(0, 0.999, 12).tolist():
        points = drawn_points(camera, 2.1 + share * (depth - 2.1))
        assert inside(heads, points).float().mean() < 0.0005


def test_occupancy_is_the_sign_of_the_field(heads: Heads) -> None:
    points = torch.rand(COUNT, 2000, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    found = field(heads, points)
    occupied = inside(heads, points)
    assert torch.equal(found.distance < 0, occupied)
    assert 0.2 < occupied.float().mean() < 0.8


def test_surface_points_lie_on_surfaces(heads: Heads) -> None:
    points, colour = surface_points(heads, 500, torch.Generator().manual_seed(0))
    found = field(heads, points)
    assert found.distance.abs().max() < 1e-5
    assert ((found.colour - colour).abs().amax(dim=-1) < 0.01).float().mean() > 0.995
    assert (found.part != NUMBER["backdrop"]).float().mean() > 0.5
    again = surface_points(heads, 500, torch.Generator().manual_seed(0)).points
    assert torch.equal(points, again)


def test_colours_do_not_turn_with_the_camera(heads: Heads) -> None:
    """Surface points of one view, looked up in another where they are visible."""
    first, second = FFHQ.at(yaw=-0.2), FFHQ.at(yaw=0.25, pitch=0.15)
    side = 128
    one, other = (draw(heads, camera, side, 1) for camera in (first, second))
    points = drawn_points(first.expand(COUNT), one.depth)
    pixel, distance = project(points, second.expand(COUNT), side)
    depth = other.depth.flatten(1).gather(1, pixel)
    visible = (depth - distance).abs() < 0.003
    assert visible.float().mean() > 0.3
    colours = [image.image.flatten(2).mT for image in (one, other)]
    there = colours[1].gather(1, pixel[..., None].expand(-1, -1, 3))
    difference = (colours[0] - there).abs().amax(dim=-1)[visible] / 2
    assert difference.median() < 0.01
    assert (difference < 0.08).float().mean() > 0.95  # the rest crosses a painted edge in a pixel


@pytest.mark.parametrize("yaw", [-0.3, 0.0, 0.3])
def test_landmarks_are_where_they_are_seen(heads: Heads, yaw: float) -> None:
    side, camera = 160, FFHQ.at(yaw=yaw).expand(COUNT)
    drawn = draw(heads, camera, side, 1)
    pixel, distance = project(landmarks(heads), camera, side)
    part, depth = (x.flatten(1).gather(1, pixel) for x in (drawn.part, drawn.depth))
    visible = (depth - distance).abs() < 0.004
    homes = {
        "nose_tip": ("nose",),
        "eye_l_pupil": ("eye_l", "lid_l"),  # a lid is hardly thicker than the tolerance
        "eye_r_pupil": ("eye_r", "lid_r"),
        "mouth_middle": ("jaw", "chin", "cheek_l", "cheek_r", "skull"),
        "forehead": ("skull",),
    }
    for name, slots in homes.items():
        number = LANDMARKS.index(name)
        seen = visible[:, number]
        assert seen.sum() >= 2, name
        assert set(part[seen, number].tolist()) <= {NUMBER[slot] for slot in slots}, name
    image = drawn.image.flatten(2).mT.gather(1, pixel[..., None].expand(-1, -1, 3))
    pupils = [LANDMARKS.index(f"eye_{side}_pupil") for side in "lr"]
    assert image[:, pupils][visible[:, pupils]].amax(dim=-1).median() < -0.6


def test_landmarks_are_arranged_as_a_face(heads: Heads) -> None:
    """From the viewer: left is towards −x, and each name has its place."""
    x, y, _ = (
        dict(zip(LANDMARKS, axis, strict=True)) for axis in landmarks(heads).permute(2, 1, 0)
    )
    for side, sign in (("l", -1), ("r", 1)):
        eye = [sign * x[f"eye_{side}_{name}"] for name in ("inner", "centre", "outer")]
        brow = [sign * x[f"brow_{side}_{name}"] for name in ("inner", "outer")]
        row = torch.stack([torch.zeros(COUNT), *eye, sign * x[f"ear_{side}"]])
        assert (row.diff(dim=0) > 0.01).all()
        assert (torch.stack([torch.zeros(COUNT), *brow]).diff(dim=0) > 0.01).all()
        assert (sign * x[f"eye_{side}_pupil"] - eye[1]).abs().max() < 0.02
        assert (sign * x[f"mouth_{side}"] > 0.03).all()
        for name in ("inner", "outer"):
            assert (y[f"brow_{side}_{name}"] - y[f"eye_{side}_{name}"] > 0.03).all()
    middle = ("forehead", "nose_tip", "nose_base", "mouth_middle", "chin")
    assert torch.stack([x[name] for name in middle]).abs().max() < 1e-5
    assert (torch.stack([y[name] for name in middle]).diff(dim=0) < -0.01).all()


def test_landmarks_lie_on_surfaces(heads: Heads) -> None:
    """On one at least: what covers a point moves it inside another part at most."""
    distance = field(heads, landmarks(heads)).distance
    assert distance.max() < 1e-5
    assert (distance.abs() < 1e-5).float().mean() > 0.5


def test_all_is_within_the_box_and_before_the_backdrop(heads: Heads) -> None:
    pitches = [LIMIT * PITCH_SPREAD * i / 3 for i in (-3, -2, -1, 0, 2, 3)]
    camera = FFHQ.at(yaw=LIMIT * YAW_SPREAD, pitch=pitches)
    for view in (camera, camera.mirrored(), turned()):
        drawn = draw(heads, view, 48, 1)
        seen = drawn.part >= 0
        assert seen.float().mean() > 0.998
        assert drawn.depth[seen].min() > 2.15
        assert drawn.depth[seen].max() < 3.3
        assert drawn_points(view, drawn.depth)[seen.flatten(1)].abs().max() <= 0.5 + 1e-6
    outside = torch.randn(COUNT, 4000, 3, generator=torch.Generator().manual_seed(0))
    outside = outside[outside.abs().amax(dim=-1) > 0.5][None, :2000].expand(COUNT, -1, -1)
    assert not inside(heads, outside).any()


def project(points: Tensor, camera: Camera, side: int) -> tuple[Tensor, Tensor]:
    """Pixel numbers [B, N] of points [B, N, 3], and their distances from the camera."""
    offset = points - camera.position[:, None]
    seen = offset @ camera.cam2world[:, :3, :3] @ camera.intrinsics.mT
    x, y = (seen[..., :2] / seen[..., 2:] * side).long().clamp(0, side - 1).unbind(dim=-1)
    return y * side + x, offset.norm(dim=-1)
