"""Pictures as people have them: any orientation, depth and size, and names that say something else."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from siamjax.data import images, levels
from siamjax.data.images import image_size, read_image
from siamjax.data.sequences import Sequence
from siamjax.data.video import open_source
from siamjax.errors import SourceError
from siamjax.evaluation.protocols.base import read_frames

RAMP = np.linspace(0, 1, 64)[None].repeat(48, 0)
PHOTO = np.stack([255 * RAMP, 255 * RAMP[:, ::-1], np.full_like(RAMP, 90)], -1).astype(np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_size_and_the_pixels_are_those_of_the_upright_photo(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo"
    Image.fromarray(PHOTO).save(path, kind, exif=exif)
    pixels = read_image(path)
    assert image_size(path) == pixels.shape[:2] == ((48, 64) if orientation < 5 else (64, 48))
    upright = {1: PHOTO, 2: PHOTO[:, ::-1], 3: PHOTO[::-1, ::-1], 4: PHOTO[::-1], 5: PHOTO.swapaxes(0, 1),
               6: np.rot90(PHOTO, -1), 7: np.rot90(PHOTO, 2).swapaxes(0, 1), 8: np.rot90(PHOTO)}[orientation]
    assert np.abs(pixels.astype(int) - upright).mean() < 6
    assert pixels.flags.c_contiguous


def test_damaged_exif_does_not_hide_a_photo(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fjunk")
    assert read_image(tmp_path / "a.jpg").shape == image_size(tmp_path / "a.jpg") + (3,) == (48, 64, 3)


def grey16(path, low, high, kind="PNG", shift=0):
    values = np.roll((low + RAMP * (high - low)).round().astype(np.uint16), shift, 1)
    Image.fromarray(values).save(path, kind)
    return values


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("low", "high", "black", "white"), [
    (0, 65535, 0, 65535), (300, 40000, 0, 65535), (0, 20000, 0, 65535), (20000, 65535, 0, 65535),
    (0, 16383, 0, 16383), (0, 4095, 0, 4095), (5, 1000, 0, 1023), (0, 255, 0, 255),
    (7216, 7952, 7124, 8044), (29315, 30315, 29190, 30440), (100, 300, 75, 325), (800, 800, 0, 1023),
])
def test_the_levels_of_a_sequence_are_those_of_its_camera(tmp_path, kind, low, high, black, white):
    for number in range(3):
        grey16(tmp_path / f"{number}.{kind.lower()}", low, high, kind, shift=number)
    values = [images.read_values(file) for file in sorted(tmp_path.iterdir())]
    found = levels.levels_of(values)
    assert found == pytest.approx((black, white), abs=30 if black else 0)
    if found == (0, 65535):
        frames = list(open_source(tmp_path))
    else:
        with pytest.warns(RuntimeWarning, match=f"{found[0]} is shown as black") as said:
            frames = list(open_source(tmp_path))
        assert len(said) == 1
    for frame, value in zip(frames, values, strict=True):
        wanted = ((value.astype(float) - found[0]) / (found[1] - found[0])).clip(0, 1) * 255
        assert np.abs(frame[..., 0] - wanted).max() <= 0.5


def test_all_frames_share_their_levels_wherever_they_are_read(tmp_path):
    rising = [(7000 + 40 * number, 7300 + 40 * number) for number in range(12)]
    for number, (low, high) in enumerate(rising):
        grey16(tmp_path / f"{number:02d}.png", low, high)
    files = sorted(tmp_path.iterdir())
    sequence = Sequence("a", "a", tuple(files), np.zeros((12, 4), np.float32), read_image(files[0]).shape[:2])
    with pytest.warns(RuntimeWarning, match="16-bit") as said:
        tracked = list(open_source(tmp_path))
    assert len(said) == 1
    with pytest.warns(RuntimeWarning, match="16-bit") as said:
        evaluated = list(read_frames(sequence))
    assert len(said) == 1
    alone = read_image(files[5], among=files)
    assert np.mean(tracked[0]) < np.mean(tracked[5]) < np.mean(tracked[11])
    np.testing.assert_array_equal(tracked, evaluated)
    np.testing.assert_array_equal(tracked[5], alone)
    globbed = list(open_source(str(tmp_path / "*.png")))
    np.testing.assert_array_equal(tracked, globbed)


def test_levels_follow_the_files_and_not_their_names(tmp_path):
    for low, high in [(0, 4095), (0, 65535)]:
        for number in range(2):
            grey16(tmp_path / f"{number}.png", low, high)
        files = sorted(tmp_path.iterdir())
        assert read_image(files[0], among=files).max() == 255


def test_dead_pixels_of_a_thermal_camera_are_no_part_of_the_picture():
    values = np.random.default_rng(0).integers(7200, 7900, (240, 320)).astype(np.uint16)
    values[3, 4], values[100, 7] = 0, 16383
    black, white = levels.levels_of([values])
    assert 7000 < black < 7200
    assert 7900 < white < 8100


def png(path, width, height, depth, colour, rows):
    """A PNG of rows of bytes, of any depth and colour type."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9))
                     + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4), (4, 2)])
@pytest.mark.parametrize("white", [4095, 65535])
def test_colours_of_16_bits_are_read_whole(tmp_path, colour, channels, white):
    values = np.random.default_rng(0).integers(0, white + 1, (48, 64, channels)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    pixels = read_image(png(tmp_path / "a.png", 64, 48, 16, colour, rows))
    wanted = values[..., :3] if channels > 2 else values[..., :1].repeat(3, 2)
    assert np.abs(pixels - wanted * (255 / white)).max() <= 0.5


def test_big_endian_16_bit_arrays_are_images():
    values = (RAMP * 65535).astype(">u2")
    assert next(open_source([values])).max() == 255


def test_arrays_of_12_bits_are_visible():
    with pytest.warns(RuntimeWarning, match="4095"):
        assert next(open_source([(RAMP * 4000).astype(np.uint16)] * 3)).max() > 240


@pytest.mark.parametrize("name", ["photo.png", "photo.mp4", "photo.txt", "photo", "photo.gif", "0", "photo.jpg"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "PPM", "GIF"])
def test_what_a_file_holds_decides_and_not_its_name(tmp_path, kind, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PHOTO).save(name, kind)
    with open_source(name) as source:
        assert source.size == (48, 64)
        assert np.abs(source.first.astype(int) - PHOTO).mean() < 12  # GIF has 256 colours
        assert len(list(source)) == 1


@pytest.mark.parametrize(("make", "reason"), [
    (lambda p: Image.fromarray(RAMP.astype(np.float32)).save(p, "TIFF"), "floating-point"),
    (lambda p: Image.fromarray((RAMP * 1e6).astype(np.int32)).save(p, "TIFF"), "not 16-bit"),
    (lambda p: p.write_bytes(b"GIF89a"), "damaged"),
    (lambda p: p.write_bytes(b"no picture at all"), "not an image"),
])
@pytest.mark.parametrize("several", [False, True])
def test_the_reason_of_a_bad_first_frame_is_told(tmp_path, make, reason, several):
    make(tmp_path / "a.tif")
    if several:
        Image.fromarray(PHOTO).save(tmp_path / "b.tif")
    with pytest.raises(SourceError, match=reason):
        open_source(tmp_path if several else tmp_path / "a.tif")
    with pytest.raises(SourceError, match=reason):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("side", [9000, 13000, 20000])
@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "BMP"])
def test_a_picture_of_absurd_size_is_refused_with_its_size_and_what_to_do(tmp_path, kind, side):
    path = header_only(tmp_path / "bomb.png", kind, side)
    for read in (read_image, open_source, lambda path: read_image(path, max_pixels=1000)):
        with pytest.raises(SourceError, match=r"too large: .*(\d{4,5}x\d{4,5} px|\d{8,} pixels).*scale it down"):
            read(path)


def header_only(path, kind, side):
    if kind == "PNG":
        return png(path, side, side, 8, 0, b"")
    small = io.BytesIO()
    Image.fromarray(PHOTO).save(small, kind)
    data = bytearray(small.getvalue())
    if kind == "GIF":
        data[6:10] = struct.pack("<HH", side, side)
    elif kind == "BMP":
        data[18:26] = struct.pack("<II", side, side)
    else:
        (ifd,) = struct.unpack("<I", data[4:8])
        for entry in range(ifd + 2, ifd + 2 + 12 * struct.unpack("<H", data[ifd : ifd + 2])[0], 12):
            tag, kind_of_value = struct.unpack("<HH", data[entry : entry + 4])
            if tag in (256, 257):
                data[entry + 8 : entry + 12] = struct.pack("<I" if kind_of_value == 4 else "<HH", side,
                                                           *[0] * (kind_of_value != 4))
    path.write_bytes(data)
    return path


def test_a_user_may_allow_more_or_less(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    assert open_source(tmp_path / "a.png", max_pixels=48 * 64).size == (48, 64)
    with pytest.raises(SourceError, match="64x48 px"):
        open_source(tmp_path / "a.png", max_pixels=48 * 64 - 1)
