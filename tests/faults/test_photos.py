"""Photographs of all sorts are read upright as RGB; what cannot be one is refused in a sentence."""

import numpy as np
import pytest
from faces_case import claiming
from PIL import Image

from nerfgan_cli.errors import InputError
from nerfgan_cli.photos import read_photo

PIXELS = np.random.RandomState(0).randint(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_as_exif_says(tmp_path, orientation):
    stored = {  # how a camera stores an upright picture, by the tag's definition
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: p.transpose(1, 0, 2)[::-1],
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: p.transpose(1, 0, 2)[:, ::-1],
    }[orientation](PIXELS)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png"), PIXELS)


def test_other_kinds_of_pixels_become_rgb(tmp_path):
    grey = PIXELS[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("grey.png", "deep.png"):
        np.testing.assert_array_equal(read_photo(tmp_path / name), np.stack([grey] * 3, axis=2))
    clear = np.dstack([PIXELS, np.full(grey.shape, 255, np.uint8)])
    clear[:5, :, 3] = 0
    Image.fromarray(clear).save(tmp_path / "alpha.png")
    seen = read_photo(tmp_path / "alpha.png")
    assert (seen[:5] == 255).all()
    np.testing.assert_array_equal(seen[5:], PIXELS[5:])
    Image.fromarray(PIXELS).convert("P").save(tmp_path / "palette.gif")
    Image.fromarray(PIXELS).convert("CMYK").save(tmp_path / "cmyk.tif")
    for name in ("palette.gif", "cmyk.tif"):
        seen = read_photo(tmp_path / name)
        assert (seen.dtype, seen.shape) == (np.uint8, PIXELS.shape)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no picture"),
        (b"plain text", "is no picture"),
        (claiming(9000, 9000), "has 9000×9000 pixels: shrink it"),
        (claiming(12000, 9000), "has 12000×9000 pixels: shrink it"),  # Pillow would warn
        (claiming(60000, 60000), "more than 178 million pixels: shrink it"),  # and refuse
        (claiming(500, 500), "damaged or cut off"),
    ],
)
def test_what_is_no_photo(tmp_path, data, message):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(InputError) as error:
        read_photo(tmp_path / "a.png")
    assert message in str(error.value)
    assert str(tmp_path / "a.png") in str(error.value)
    assert str(error.value).endswith(".")


def test_photos_of_telephones_are_known(tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(InputError, match="it is HEIC: convert it to JPEG"):
        read_photo(tmp_path / "IMG_1.HEIC")


def test_tiny_absent_and_folders(tmp_path):
    Image.new("RGB", (40, 15)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="it is 40×15: give a larger photo"):
        read_photo(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"cannot read .*no such file"):
        read_photo(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"cannot read .*is a directory"):
        read_photo(tmp_path)
