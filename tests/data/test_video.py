import io
import warnings

import av
import numpy as np
import pytest
from PIL import Image

from siamjax.data.video import open_source
from siamjax.errors import SourceError

HEIGHT, WIDTH = 48, 64


def picture(number: int) -> np.ndarray:
    """A frame whose brightness tells its number even after lossy coding, brighter at the left."""
    image = np.full((HEIGHT, WIDTH, 3), 3 * number + 20, np.uint8)
    image[:, : WIDTH // 4] = 255
    return image


def number_of(frame: np.ndarray) -> int:
    return round((float(frame[-8:, -8:].mean()) - 20) / 3)


def write_video(path, count=30, options=None, codec="libx264"):
    header_first = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=header_first) as container:
        stream = container.add_stream(codec, rate=25, options=options or {"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
        container.mux(stream.encode())
    return path


def write_images(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(picture(number)).save(folder / name)
    return folder


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_video_gives_every_frame_in_order(tmp_path, suffix):
    with open_source(write_video(tmp_path / f"clip{suffix}")) as source:
        assert source.size == (HEIGHT, WIDTH)
        assert source.fps == 25
        assert source.count in (30, None)
        frames = list(source)
    assert [number_of(frame) for frame in frames] == list(range(30))
    assert all(frame.shape == (HEIGHT, WIDTH, 3) and frame.dtype == np.uint8 for frame in frames)
    np.testing.assert_array_equal(source.first, frames[0])
    assert source.unreadable == []
    assert source.truncated is None


def test_damaged_packet_is_one_unreadable_frame(tmp_path):
    path = write_video(tmp_path / "clip.mp4", options={"g": "1", "crf": "10"})
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][12]
        start, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    data[start : start + size] = b"\xff" * size
    path.write_bytes(data)
    source = open_source(path)
    frames = list(source)
    assert [n for n, frame in enumerate(frames) if frame is None] == [12]
    assert source.unreadable == [12]
    assert [number_of(f) for f in frames if f is not None] == [n for n in range(30) if n != 12]


def test_truncated_video_ends_with_a_warning(tmp_path):
    path = write_video(tmp_path / "clip.mp4", count=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    source = open_source(path)
    with pytest.warns(RuntimeWarning, match="of 60 frames"):
        frames = list(source)
    assert 5 < len(frames) < 60
    assert frames[-1] is not None
    assert "frames were read" in source.truncated


def test_truncated_matroska_is_told_by_its_length(tmp_path):
    path = write_video(tmp_path / "clip.mkv", count=59, options={"g": "1", "crf": "10"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.warns(RuntimeWarning, match="cut off"):
        list(open_source(path))


def test_folder_is_read_in_natural_order_and_bad_images_are_numbered(tmp_path):
    names = [f"f{n}.png" for n in range(12)]
    folder = write_images(tmp_path / "clip", names)
    (folder / "f3.png").write_bytes((folder / "f3.png").read_bytes()[:60])
    (folder / "notes.txt").write_text("not a frame")
    source = open_source(folder)
    frames = list(source)
    assert (source.count, source.fps, source.unreadable) == (12, None, [3])
    assert [number_of(f) for f in frames if f is not None] == [n for n in range(12) if n != 3]


def test_sequence_folder_glob_image_and_arrays(tmp_path):
    write_images(tmp_path / "NAME" / "img", ["1.png", "2.png", "10.png"])
    for source in (tmp_path / "NAME", str(tmp_path / "NAME" / "img" / "*.png")):
        assert [number_of(f) for f in open_source(source)] == [0, 1, 2]
    assert len(list(open_source(tmp_path / "NAME" / "img" / "2.png"))) == 1
    source = open_source(iter([picture(0)[..., 0], None, picture(2)]))
    assert [None if f is None else number_of(f) for f in source] == [0, None, 2]
    assert open_source(np.stack([picture(0)] * 4)).count == 4


def test_frames_may_change_their_size():
    source = open_source([np.zeros((8, 9), np.uint8), np.zeros((5, 6), np.uint8)])
    assert [frame.shape for frame in source] == [(8, 9, 3), (5, 6, 3)]


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to stand upright: the left edge becomes the top
    Image.fromarray(picture(0)).save(tmp_path / "photo.jpg", exif=exif, quality=95)
    source = open_source(tmp_path / "photo.jpg")
    assert source.size == (WIDTH, HEIGHT)
    assert source.first[:8].mean() > 200 > source.first[-8:].mean()


def test_16_bit_png_and_palette(tmp_path):
    Image.fromarray(picture(3)[..., 0].astype(np.uint16) * 257).save(tmp_path / "0.png")
    Image.fromarray(picture(4)).quantize(8).save(tmp_path / "1.png")
    assert [number_of(f) for f in open_source(tmp_path)] == [3, 4]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda d: d / "missing.mp4", "no such file"),
        (lambda d: d, "no images"),
        (lambda d: _bytes(d / "empty.mp4", b""), "empty"),
        (lambda d: _bytes(d / "text.mp4", b"hello " * 100), "not a video"),
        (lambda d: _bytes(d / "bad.jpg", b"\xff\xd8\xff"), "not an image"),
        (lambda d: str(d / "*.png"), "no such file"),
        (lambda d: [], "no frame"),
        (lambda d: [None], "first frame"),
        (lambda d: [np.zeros((4, 4), np.float32)], "float32"),
        (lambda d: 97, "no camera 97"),
        (lambda d: "97", "no camera 97"),
        (lambda d: 3.5, "not a source"),
        (lambda d: _audio(d / "sound.wav"), "no video stream"),
    ],
)
def test_bad_sources_are_refused_at_once(tmp_path, make, says):
    with pytest.raises(SourceError, match=says):
        open_source(make(tmp_path))


def test_closing_ends_the_source_and_nothing_warns(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_source(write_video(tmp_path / "clip.mp4")) as source:
            next(source)
            next(source)
        assert list(source) == []


def _bytes(path, data):
    path.write_bytes(data)
    return path


def _audio(path):
    data = io.BytesIO()
    with av.open(data, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return _bytes(path, data.getvalue())
