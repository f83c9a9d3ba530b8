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
                                 {"quality": 5}, {"keep_rgb": True}, {"restart_marker_blocks": 3}], ids=str)
def test_pixels_are_pillows_to_the_bit(mode, how):
    data = encoded(mode, **how)
    pixels = jpeg.decoded(Image.open(io.BytesIO(data)))
    assert pixels is not None
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("data", [encoded("CMYK"), encoded()[:-400], encoded().replace(b"\xff\xda", b"\xff\xd9", 1)],
                         ids=["four inks", "cut off", "ends before its pixels"])
def test_pillow_has_the_last_word_about_the_rest(data):
    image = Image.open(io.BytesIO(data))
    assert jpeg.decoded(image) is None
    if image.mode == "CMYK":
        assert image.convert("RGB").size == (55, 91)  # it can still be asked


def test_a_file_that_is_cut_off_is_refused_as_before(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded()[:-400])
    with pytest.raises(SourceError, match="truncated"):
        read_image(tmp_path / "a.jpg")
