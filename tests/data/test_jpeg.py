import io

import numpy as np
import pytest
from PIL import Image

from siamjax.data import jpeg
from siamjax.data.images import read_image
from siamjax.errors import SourceError

PIXELS = np.random.default_rng(0).integers(0, 256, (13, 11, 3), dtype=np.uint8).repeat(7, 0).repeat(5, 1)


def encoded(mode="RGB", **how) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, "JPEG", **how)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("how", [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"progressive": True},
                                 {"quality": 5}, {"restart_marker_blocks": 3}], ids=str)
def test_pixels_are_pillows_to_the_bit(mode, how):
    data = encoded(mode, **how)
    pixels = jpeg.decoded(data, max_pixels=91 * 55)
    assert pixels is not None
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(data))))


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(exif=exif)


@pytest.mark.parametrize("data", [encoded("CMYK"), turned(), encoded(keep_rgb=True), encoded()[:-400], b"\xff\xd8\xff",
                                  encoded().replace(b"\xff\xda", b"\xff\xd9", 1), b"GIF89a"],
                         ids=["four inks", "EXIF", "RGB", "cut off", "ends at once", "has no pixels", "no JPEG"])
def test_the_rest_is_left_to_pillow(data):
    assert jpeg.decoded(data, max_pixels=91 * 55) is None


def test_too_large_a_picture_is_left_to_pillow():
    assert jpeg.decoded(encoded(), max_pixels=91 * 55 - 1) is None


def test_a_file_that_is_cut_off_is_refused_as_before(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded()[:-400])
    with pytest.raises(SourceError, match="truncated"):
        read_image(tmp_path / "a.jpg")
