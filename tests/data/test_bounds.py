"""Small files that unfold to gigabytes are refused in bounded memory, and damaged ones by our own errors only."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import warnings

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from siamjax.data.images import image_size, read_image
from siamjax.data.video import open_source
from siamjax.errors import SiamjaxError

MOST = 1 << 20  # KB of memory
PEAK = """
import sys, warnings
from pathlib import Path
from siamjax.data.images import image_size
from siamjax.data.video import open_source
from siamjax.errors import SourceError
warnings.simplefilter("ignore")
for path in sys.argv[1:]:
    try:
        open_source(path)
    except SourceError as error:
        print(error)
    try:
        image_size(path)
    except SourceError:
        pass
# Not getrusage's maximum, which a process inherits from the one that started it.
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


def in_a_film(path, picture):
    """One packet of a film that is a picture file of any size; FFmpeg looks into it to learn about the stream."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "rgb24"
        [packet] = stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24"))
        for number in range(2):
            one = av.Packet(picture.read_bytes())
            one.stream, one.time_base = stream, packet.time_base
            one.pts = one.dts = number
            container.mux(one)
    return path


def test_bombs_are_refused_in_little_memory(tmp_path):
    Image.new("RGB", (9000, 9000)).save(tmp_path / "colour.png", compress_level=1)
    Image.new("L", (9000, 9000)).save(tmp_path / "grey.gif")
    Image.new("I;16", (13000, 13000)).save(tmp_path / "deep.tif", compression="packbits")
    in_a_film(tmp_path / "film.mov", tmp_path / "colour.png")
    (tmp_path / "raw.y4m").write_bytes(b"YUV4MPEG2 W16000 H16000 F25:1 Ip A1:1 C420\nFRAME\n" + bytes(1000))
    (tmp_path / "wide.ppm").write_bytes(b"P6\n60000 60000\n255\n" + bytes(1000))
    files = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run([sys.executable, "-c", PEAK, *files], capture_output=True, text=True, check=True)
    *refused, peak = done.stdout.splitlines()
    assert int(peak) < MOST
    assert done.stderr == ""
    assert len(refused) == len(files)
    for line in refused:
        assert "too large" in line, line


def samples(folder):
    """One small file of each kind, by name."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 24, 3), np.uint8))
    several = {"save_all": True, "append_images": [picture, picture]}
    deep = Image.fromarray(np.arange(480, dtype=np.uint16).reshape(20, 24))
    for kind, options in [("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("BMP", {}), ("PPM", {}), ("TIFF", {}),
                          ("GIF", several), ("TIFF", several), ("PNG", several), ("WEBP", several)]:
        picture.save(folder / f"{kind}-{len(options)}", kind, **options)
    deep.save(folder / "deep-png", "PNG")
    deep.save(folder / "deep-tiff", "TIFF", compression="tiff_lzw")
    codecs = {"mp4": "libx264", "mkv": "libx264", "avi": "mpeg4", "ts": "libx264", "mov": "mjpeg"}
    for suffix, codec in codecs.items():
        with av.open(str(folder / f"clip.{suffix}"), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = 32, 24
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for number in range(4):
                frame = np.full((24, 32, 3), 40 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return samples(tmp_path_factory.mktemp("whole"))


CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8)


def damaged(data, changes, share, near_start):
    """The file with some bytes changed, most of them in its header where asked for, and its end cut off."""
    new = bytearray(data)
    span = min(len(new), 120) if near_start else len(new)
    for place, value in changes:
        new[int(place * span)] = value
    return bytes(new[: max(1, int(share * len(new)))])


def read_all(path):
    """Everything that reads frames; only our own errors may come out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for read in (lambda: list(open_source(path)), lambda: read_image(path), lambda: image_size(path)):
            with contextlib.suppress(SiamjaxError):
                read()


def fuzzed(whole, folder, number, changes, share, near_start):
    name = sorted(whole)[number % len(whole)]
    path = folder / f"case-{name}"
    path.write_bytes(damaged(whole[name], changes, share, near_start))
    read_all(path)


CASES = given(st.integers(0, 1000), CHANGES, st.sampled_from([1.0, 1.0, 0.99, 0.7, 0.3]), st.booleans())


@CASES
@settings(max_examples=150)
def test_damaged_files_raise_nothing_but_our_errors(whole, tmp_path_factory, number, changes, share, near_start):
    fuzzed(whole, tmp_path_factory.getbasetemp(), number, changes, share, near_start)


@pytest.mark.slow
@CASES
@settings(max_examples=20_000)
def test_many_damaged_files_raise_nothing_but_our_errors(whole, tmp_path_factory, number, changes, share, near_start):
    fuzzed(whole, tmp_path_factory.getbasetemp(), number, changes, share, near_start)
