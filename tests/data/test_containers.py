"""Video files as people have them: turned, covered, trimmed, cut, at odd rates, pointing elsewhere."""

from __future__ import annotations

import contextlib
import http.server
import io
import threading
import warnings

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from siamjax.data.video import open_source
from siamjax.errors import SourceError

HEIGHT, WIDTH = 48, 64
UNIT = 1 << 16


def marked(number=0) -> np.ndarray:
    """A frame whose left edge is red and whose top edge is green: no turn and no mirror leaves it as it is."""
    frame = np.full((HEIGHT, WIDTH, 3), 40 + 4 * number, np.uint8)
    frame[:, :16] = 200, 0, 0
    frame[:12] = 0, 200, 0
    return frame


def film(path, count=20, rate=25, size=(HEIGHT, WIDTH), options=None, make=marked):
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "5", "g": "5"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        for number in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(make(number), format="rgb24")))
        container.mux(stream.encode())
    return path


def patched(path, box, offset, values, kind=">i4"):
    """Overwrites numbers of an mp4 box, `offset` bytes after its name."""
    data = bytearray(path.read_bytes())
    at = data.index(box) + 4 + offset
    new = np.array(values, kind).tobytes()
    data[at : at + len(new)] = new
    path.write_bytes(data)
    return path


def with_matrix(path, a, b, c, d):
    return patched(film(path, 3), b"tkhd", 40, [a, b, 0, c, d, 0])  # of version 0 of the box


# The seen picture of a stored one, by the matrix's (a, b, c, d): (x, y) is seen at (a x + c y, b x + d y).
MATRICES = {
    (1, 0, 0, 1): lambda p: p,
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (-1, 0, 0, -1): lambda p: np.rot90(p, 2),
    (0, 1, -1, 0): lambda p: np.rot90(p, -1),
    (0, -1, 1, 0): lambda p: np.rot90(p, 1),
    (0, 1, 1, 0): lambda p: p.swapaxes(0, 1),
    (0, -1, -1, 0): lambda p: np.rot90(p, 2).swapaxes(0, 1),
}


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("scale", [UNIT, 3 * UNIT // 2])
def test_every_quarter_turn_and_mirror_is_seen_as_players_show_it(tmp_path, matrix, scale):
    path = with_matrix(tmp_path / "clip.mp4", *(scale * entry for entry in matrix))
    with open_source(path) as source:
        wanted = MATRICES[matrix](marked())
        assert source.size == wanted.shape[:2]
        assert np.abs(source.first.astype(int) - wanted).mean() < 6


@pytest.mark.parametrize("degrees", [45, 20, -70])
def test_a_picture_at_an_angle_is_left_as_it_is_stored_with_a_word(tmp_path, degrees):
    cos, sin = (int(UNIT * f(np.deg2rad(degrees))) for f in (np.cos, np.sin))
    path = with_matrix(tmp_path / "clip.mp4", cos, sin, -sin, cos)
    with pytest.warns(RuntimeWarning, match="display matrix") as said:
        frames = list(open_source(path))
    assert len(said) == 1
    assert np.abs(frames[0].astype(int) - marked()).mean() < 6


def test_a_matrix_of_nought_or_a_hair_off_is_none(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for matrix in [(0, 0, 0, 0), (UNIT, 300, -300, UNIT)]:
            source = open_source(with_matrix(tmp_path / "clip.mp4", *matrix))
            assert np.abs(source.first.astype(int) - marked()).mean() < 6


# Which of the streams is the film: (codec, pictures, size, disposition) of each, and the number of the right one.
COVER = ("png", 1, (120, 120), Disposition(0))
STREAMS = {
    "a picture first": ([COVER, ("libx264", 20, (48, 64), Disposition.default)], 1),
    "a picture that claims to be the default": (
        [("png", 1, (120, 120), Disposition.default), ("libx264", 20, (48, 64), Disposition(0))], 1),
    "a picture of three frames": (
        [("png", 3, (120, 120), Disposition.default), ("libx264", 20, (48, 64), Disposition(0))], 1),
    "a JPEG cover in front": ([("mjpeg", 1, (64, 64), Disposition(0)), ("libx264", 20, (48, 64), Disposition(0))], 1),
    "the default of two": ([("libx264", 20, (96, 96), Disposition(0)), ("libx264", 20, (48, 64), Disposition.default)],
                           1),
    "the larger of two alike": ([("libx264", 20, (32, 32), Disposition.default),
                                 ("libx264", 20, (48, 64), Disposition.default)], 1),
    "the first of two alike": ([("libx264", 20, (48, 64), Disposition.default),
                                ("libx264", 20, (48, 64), Disposition.default)], 0),
    "a picture last": ([("libx264", 20, (48, 64), Disposition(0)), COVER], 0),
}


def streams(path, kinds):
    with av.open(str(path), "w") as container:
        made = []
        for codec, _, (height, width), disposition in kinds:
            codec = "mjpeg" if codec == "png" and path.suffix == ".mkv" else codec  # PyAV writes no PNG there
            stream = container.add_stream(codec, rate=25)
            stream.height, stream.width = height, width
            stream.pix_fmt = {"png": "rgb24", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
            stream.disposition = disposition.value
            made.append(stream)
        for number in range(max(count for _, count, _, _ in kinds)):
            for index, (stream, (_, count, size, _)) in enumerate(zip(made, kinds)):
                if number < count:
                    frame = np.full((*size, 3), 60 + 80 * index, np.uint8)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        for stream in made:
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_the_film_is_chosen_and_no_cover(tmp_path, name, suffix):
    kinds, right = STREAMS[name]
    with open_source(streams(tmp_path / f"clip{suffix}", kinds)) as source:
        assert source.size == kinds[right][2]
        frames = list(source)
    assert len(frames) == kinds[right][1]
    assert abs(float(frames[3].mean()) - (60 + 80 * right)) < 8


def test_a_song_with_a_cover_is_no_video(tmp_path):
    picture = io.BytesIO()
    Image.fromarray(marked()).save(picture, "PNG")
    body = b"\0image/png\0\x03\0" + picture.getvalue()
    tag = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = bytes(len(tag) >> shift & 0x7F for shift in (21, 14, 7, 0))
    silence = (b"\xff\xfb\x90\xc0" + bytes(413)) * 20
    (tmp_path / "song.mp3").write_bytes(b"ID3\x03\0\0" + size + tag + silence)
    with pytest.raises(SourceError, match="a cover or preview picture and no video"):
        open_source(tmp_path / "song.mp3")


def trimmed(path, start, length, count=40):
    """A film of 40 frames of which an edit list shows `length` from `start` on."""
    film(path, count, options={"use_editlist": "1", "movflags": "faststart"})
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        tick = round(1 / 25 / stream.time_base)
        first = min(packet.dts for packet in container.demux(stream) if packet.dts is not None)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    entry = np.frombuffer(bytes(data[at : at + 8]), ">i4")
    shown = round(length * 40)  # ms, the movie's clock; a frame lasts 40
    data[at : at + 8] = np.array([shown, entry[1] + start * tick], ">i4").tobytes()
    assert first <= 0
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("start", "length"), [(0, 20), (0, 39), (10, 20), (7, 33), (20, 5)])
def test_an_edit_list_shows_a_part_and_is_no_cut(tmp_path, start, length):
    path = trimmed(tmp_path / "clip.mp4", start, length)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = open_source(path)
        frames = list(source)
    assert abs(len(frames) - length) <= 1
    assert abs(source.count - length) <= 1
    assert source.truncated is None
    assert abs(float(frames[0][-8:, -8:].mean()) - (40 + 4 * start)) < 6


@pytest.mark.parametrize(("start", "length"), [(0, 40), (0, 30), (10, 30)])
def test_a_file_that_is_cut_off_says_so_trimmed_or_not(tmp_path, start, length):
    path = trimmed(tmp_path / "clip.mp4", start, length)
    with av.open(str(path)) as container:
        places = sorted(packet.pos for packet in container.demux(video=0) if packet.pos)
    path.write_bytes(path.read_bytes()[: places[len(places) * 6 // 10]])
    with pytest.warns(RuntimeWarning, match="cut off"):
        list(open_source(path))


@pytest.mark.parametrize("rate", [14336, 90000, 1000, 600])
def test_a_rate_that_cannot_be_is_not_believed_and_said_once(tmp_path, rate):
    path = film(tmp_path / "clip.mp4", 10, rate)
    with pytest.warns(RuntimeWarning, match=f"{rate} frames a second") as said:
        source = open_source(path)
    assert len(list(source)) == 10
    assert source.fps is None
    assert len(said) == 1


@pytest.mark.parametrize("rate", [1, 24, 120, 240])
def test_an_unusual_rate_is_believed(tmp_path, rate):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_source(film(tmp_path / "clip.mp4", 10, rate)).fps == pytest.approx(rate)


@pytest.mark.parametrize("name", ["a:b.mp4", "http:x.mp4", "file:x.mp4", "concat:a.mp4", "pipe:0", "0001", "-x.mp4",
                                  "a%03d.mp4", "subfile,,start,0,end,9,,:a.mp4", "x|y.mp4", "ä ö.mp4", "data:x,y"])
def test_a_name_is_a_name_and_no_protocol(tmp_path, name, monkeypatch):
    film(tmp_path / "plain.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_source(name))) == 20
    assert len(list(open_source(tmp_path / name))) == 20


def test_a_name_in_another_encoding(tmp_path):
    import os

    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    film(tmp_path / "plain.mp4").rename(path)
    assert len(list(open_source(path))) == 20


LISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "list.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
                "<AdaptationSet><Representation id='1'><BaseURL>{target}</BaseURL></Representation></AdaptationSet>"
                "</Period></MPD>",
    "list.sdp": "v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "story.txt": "a plain text\n" * 40,
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("target", ["secret.ts", "http://127.0.0.1:{port}/secret.ts", "concat:secret.ts|secret.ts"])
def test_a_file_that_names_others_is_refused_and_asks_for_none(tmp_path, name, target):
    film(tmp_path / "secret.ts")
    with listening() as (port, asked):
        (tmp_path / name).write_text(LISTS[name].replace("{target}", target.replace("{port}", str(port))))
        with pytest.raises(SourceError, match=r"playlist|not a video"):
            open_source(tmp_path / name)
    assert asked == []


@contextlib.contextmanager
def listening():
    """A web server here, and what it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("address", ["rtsp://camera.local/live", "http://example.org/a.mp4", "udp://239.0.0.1:1234"])
def test_an_address_is_one_right_line(address):
    with pytest.raises(SourceError, match=rf"addresses are not read \({address}\): save a piece as a file"):
        open_source(address)


@pytest.mark.parametrize("name", ["0001", "00", "20260301", "100", "1.0", "-1", "²"])
def test_digits_that_are_no_camera_number_are_a_missing_file(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="no such file"):
        open_source(name)


def test_a_film_of_10_bits_keeps_its_brightness(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p10le"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(marked(20), format="rgb24")))
        container.mux(stream.encode())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.abs(open_source(path).first.astype(int) - marked(20)).mean() < 4


@pytest.mark.parametrize(("low", "high"), [(0, 4095), (7200, 7900), (29000, 30500)])
def test_a_thermal_film_of_16_bits_is_visible(tmp_path, low, high):
    path = tmp_path / "clip.mkv"
    ramp = np.linspace(low, high, WIDTH).round().astype(np.uint16)[None].repeat(HEIGHT, 0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "gray16le"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(ramp, format="gray16le")))
        container.mux(stream.encode())
    with pytest.warns(RuntimeWarning, match="16-bit values") as said:
        frames = list(open_source(path))
    assert len(said) == 1
    assert frames[2].max() - frames[2].min() > 180
    np.testing.assert_array_equal(frames[0], frames[2])


def test_tags_in_another_encoding_are_no_fault_of_the_film(tmp_path):
    path = film(tmp_path / "clip.mkv")
    data = path.read_bytes()
    at = data.index(b"Lavf")
    path.write_bytes(data[:at] + b"\xe9\xe8\xe0\xff" + data[at + 4 :])
    assert len(list(open_source(path))) == 20


def test_a_film_in_an_unknown_code_is_refused(tmp_path):
    path = film(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(SourceError, match="code that FFmpeg does not read"):
        open_source(path)
