"""Pictures and videos: pixels, grids, files that are complete or absent, H.264 that plays."""

import errno
import os
import stat
import subprocess
import tracemalloc
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from nerfgan_cli.encoder import even_sides, video_writer
from nerfgan_cli.errors import InputError, NerfganError, UsageError, WeightsError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import Rendering
from nerfgan_cli.media import (
    GAP,
    captioned_grid,
    depth_to_image,
    enlarge,
    pictures_of,
    tile,
    to_pixels,
    write_png,
)


def picture(height, width, value=None):
    rows, columns = np.mgrid[:height, :width]
    shades = np.stack([rows * 255 // height, columns * 255 // width, rows * 0 + 128], axis=-1)
    return (shades if value is None else np.full_like(shades, value)).astype(np.uint8)


def test_pixels_are_those_of_the_release():
    image = torch.tensor([-9, -1, -1 / 255, 0, 0.5, 1, 9]).reshape(1, 1, 1, 7).expand(1, 3, 1, 7)
    assert to_pixels(image)[0, 0, :, 1].tolist() == [0, 0, 127, 128, 191, 255, 255]


def test_depth_is_bright_where_near_and_stretched_per_picture():
    near_left = torch.tensor([[2.0, 2.5], [2.5, 3.0]]).reshape(1, 1, 2, 2)
    image = depth_to_image(torch.cat([near_left, near_left * 3 + 7]))
    assert image.shape == (2, 3, 2, 2)
    expected = torch.tensor([[1.0, 0], [0, -1]])
    torch.testing.assert_close(image, expected.expand(2, 3, 2, 2))
    assert depth_to_image(torch.ones(1, 1, 2, 2)).isfinite().all()


def test_what_is_shown():
    image, raw = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 2, 2)
    rendering = Rendering(image, raw, torch.zeros(1, 32, 2, 2), None)
    assert pictures_of(rendering, "image").shape == (1, 4, 4, 3)
    assert (pictures_of(rendering, "raw") == 255).all()
    with pytest.raises(UsageError, match="no depth"):
        pictures_of(rendering, "depth")


def test_tiles_keep_their_pixels_and_order():
    cells = [picture(4, 6, value) for value in range(5)]
    sheet = tile(cells, columns=3)
    assert sheet.shape == (2 * 4, 3 * 6, 3)
    assert (sheet[:4, 6:12] == 1).all()
    assert (sheet[4:, 6:12] == 4).all()
    assert (sheet[4:, 12:] == 255).all()  # the place of a sixth


@pytest.mark.parametrize("side", [32, 64, 256])
def test_captions_stand_above_unchanged_pictures(side):
    cells = [picture(side, side), picture(side, side, 9)]
    sheet = captioned_grid(cells, ["seed 3  yaw -30", "seed 12345  yaw +30  pitch -20"], columns=2)
    strip = sheet.shape[0] - side
    assert 8 < strip < 40
    cell = (sheet.shape[1] - 2) // 2
    assert cell >= side
    for left, expected in zip((0, cell + 2), cells, strict=True):
        inset = left + (cell - side) // 2
        assert (sheet[strip:, inset : inset + side] == expected).all()
        assert (sheet[:strip, left : left + cell] < 128).any(), "a caption was not drawn"
        assert (sheet[0, left : left + cell] == 255).all(), "a caption is cut off at its top"


def test_sheets_take_pictures_as_they_come():
    """Each is put into its place before the next one is asked for."""

    def pictures():
        canvas = np.zeros((40, 40, 3), np.uint8)
        for value in range(6):
            canvas[:] = value
            yield canvas

    sheet = captioned_grid(pictures(), ["a"] * 6, columns=3)
    assert sheet[35, [20, 62, 104]].tolist() == [[value] * 3 for value in (0, 1, 2)]
    assert sheet[-5, [20, 62, 104]].tolist() == [[value] * 3 for value in (3, 4, 5)]


def test_rows_have_headings_above_their_captions():
    cells = [np.full((30, 40, 3), shade, np.uint8) for shade in (10, 20, 30, 40)]
    plain = captioned_grid(cells, ["a"] * 4, columns=2)
    headings = ["Ann, smile", "a name that is far wider than two small pictures beside each other"]
    sheet = captioned_grid(cells, ["a"] * 4, columns=2, headings=headings)
    height = (len(sheet) + GAP) // 2
    assert height > (len(plain) + GAP) // 2 + 8
    for row, shades in enumerate([(10, 20), (30, 40)]):
        part = sheet[row * height :][:height]
        pictures = part[height - GAP - 30 : height - GAP]
        assert [shade for shade in shades if (pictures == shade).any()] == list(shades)
        heading = part[: height - (len(plain) + GAP) // 2]
        assert (heading < 128).any(), "it has no heading"
        assert (heading[:, [0, -1]] == 255).all(), "it is cut"


def test_enlarging_keeps_proportions():
    assert enlarge(picture(10, 20), 30).shape == (30, 60, 3)
    assert enlarge(picture(10, 20), 10).shape == (10, 20, 3)


def test_png_holds_the_pixels_and_may_be_read_by_others(tmp_path):
    path = tmp_path / "new" / "folder" / "a.png"
    write_png(picture(5, 7), path)
    assert (np.asarray(Image.open(path)) == picture(5, 7)).all()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(errno.ENOSPC, "full")])
def test_a_file_is_complete_or_untouched(tmp_path, failure):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises((KeyboardInterrupt, OSError)), replacing(path) as unfinished:  # noqa: PT012
        unfinished.write_text("ne")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["file/a.png", "folder", "/proc/a.png", "/dev/full"])
def test_places_that_cannot_be_written(tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="choose"), replacing(tmp_path / place):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def read_video(path):
    reader = imageio_ffmpeg.read_frames(str(path))
    facts = next(reader)
    width, height = facts["size"]
    return facts, [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]


def test_video_plays_everywhere(tmp_path):
    path = tmp_path / "a.mp4"
    frames = [np.roll(picture(62, 80), 4 * index, axis=1) for index in range(20)]
    with video_writer(path, fps=25) as write:
        for frame in frames:
            write(frame)
    facts, decoded = read_video(path)
    assert (facts["codec"], facts["fps"], facts["size"]) == ("h264", 25, (80, 62))
    assert facts["pix_fmt"].startswith("yuv420p")
    assert "bt709" in facts["pix_fmt"]
    assert len(decoded) == len(frames)
    error = np.abs(np.stack(decoded).astype(int) - np.stack(frames)).mean()
    assert error < 4, "colours or order of the frames are off"
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat"), "the index is not at the front"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("size", [(31, 64), (64, 31), (1, 1), (33, 35)])
def test_odd_sides_become_even(tmp_path, size):
    frame = even_sides(picture(*size))
    assert frame.shape[:2] == tuple(side + side % 2 for side in size)
    assert (frame[: size[0], : size[1]] == picture(*size)).all()
    path = tmp_path / "odd.mp4"
    with video_writer(path, fps=30) as write:
        write(picture(*size))
    assert read_video(path)[0]["size"] == frame.shape[1::-1]


def test_memory_does_not_grow_with_the_length_of_a_video(tmp_path):
    frame = picture(256, 256)

    def peak(count):
        tracemalloc.start()
        with video_writer(tmp_path / "a.mp4", fps=30) as write:
            for _ in range(count):
                write(frame)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(100) < peak(10) + frame.nbytes


def fake_ffmpeg(folder: Path, body: str) -> Path:
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("exit 1", "code 1"),
        ("exit 0", "code 0"),  # and no video
        ("cat > /dev/null; echo boom >&2; exit 3", r"code 3 \(boom\)"),
        ("echo 'av_write: No space left on device' >&2; exit 1", "disk is full"),
        ("echo \"Unknown encoder 'libx264'\" >&2; exit 1", "libx264"),
        ("kill -9 $$", "code -9"),
    ],
)
@pytest.mark.parametrize("frames", [1, 50])
def test_a_failing_encoder_leaves_nothing(tmp_path, monkeypatch, body, said, frames):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(fake_ffmpeg(tmp_path, body)))
    path = tmp_path / "out" / "a.mp4"
    path.parent.mkdir()
    path.write_text("old")
    with pytest.raises(NerfganError, match=said), video_writer(path, 30) as write:  # noqa: PT012
        for _ in range(frames):
            write(picture(128, 128))
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_no_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="IMAGEIO_FFMPEG_EXE"), video_writer(tmp_path / "a", 30):
        pytest.fail("it was not told before the work")
    assert not any(tmp_path.iterdir())


def test_a_file_that_is_no_program(tmp_path, monkeypatch):
    program = fake_ffmpeg(tmp_path, "")
    program.write_bytes(b"\x7fELF, or so it says")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    with (
        pytest.raises(InputError, match="cannot run ffmpeg"),
        video_writer(tmp_path / "a", 30) as w,
    ):
        w(picture(8, 8))
    assert list(tmp_path.iterdir()) == [program]


def test_an_interrupted_video_ends_its_encoder(tmp_path, monkeypatch):
    body = f"echo $$ > {tmp_path}/pid; exec sleep 600"
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(fake_ffmpeg(tmp_path, body)))
    path = tmp_path / "out" / "a.mp4"
    with pytest.raises(KeyboardInterrupt), video_writer(path, 30) as write:  # noqa: PT012
        write(picture(8, 8))
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
            pass
        raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert not any(path.parent.iterdir())


def test_an_encoder_that_starts_while_we_are_interrupted(tmp_path, monkeypatch):
    """Ctrl-C may arrive when the process runs and we do not know it yet."""
    out, started = tmp_path / "out", []
    body = 'for last; do true; done; sleep 0.3; echo late > "$last"; echo late > "$last"'
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(fake_ffmpeg(tmp_path, body)))
    popen = subprocess.Popen

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(KeyboardInterrupt), video_writer(out / "a.mp4", 30) as write:
        write(picture(8, 8))
    started[0].communicate()
    assert not any(out.iterdir())


def test_captions_are_never_cut() -> None:
    """On small pictures the cells grow: ink stays clear of both edges of the strip."""
    picture = np.full((16, 16, 3), 128, np.uint8)
    sheet = captioned_grid([picture], ["seed 123456789  yaw -20  pitch +10.25"], columns=1)
    assert sheet.shape[1] > 100
    assert (sheet[:, 0] == 255).all()
    assert (sheet[:, -1] == 255).all()
    assert (sheet[-16:] == 128).sum() == picture.size


def test_values_that_are_not_finite_are_refused() -> None:
    image = torch.zeros(1, 3, 4, 4)
    image[0, 1, 2, 3] = torch.nan
    with pytest.raises(WeightsError, match="fp32"):
        to_pixels(image)
