"""Videos that are whole, or not there."""

from __future__ import annotations

import resource
import signal

import av
import numpy as np
import pytest

from siamjax.errors import ConfigError, OutputError
from siamjax.evaluation.files.video_writer import VideoWriter

GREY = np.full((240, 320, 3), 100, np.uint8)


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return frames, stream.codec_context.name, stream.pix_fmt, float(stream.average_rate)


def test_a_video_holds_what_was_written(tmp_path):
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 29.97) as writer:
        for value in (50, 100, 150, 200):
            writer.write(np.full((48, 64, 3), value, np.uint8))
        assert not path.exists()
    frames, codec, pixels, rate = decoded(path)
    assert (codec, pixels, rate) == ("h264", "yuv420p", pytest.approx(29.97, abs=1e-3))
    np.testing.assert_allclose([frame.mean() for frame in frames], [50, 100, 150, 200], atol=4)
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]


def test_odd_sizes_gain_a_row_and_other_sizes_are_scaled(tmp_path):
    with VideoWriter(tmp_path / "out.mp4") as writer:
        writer.write(np.full((47, 65, 3), 90, np.uint8))
        writer.write(np.full((94, 130, 3), 160, np.uint8))
        writer.write(np.full((10, 10, 3), 30, np.uint8))
    frames, *_ = decoded(tmp_path / "out.mp4")
    assert [frame.shape for frame in frames] == [(48, 66, 3)] * 3
    np.testing.assert_allclose([frame.mean() for frame in frames], [90, 160, 30], atol=4)


def write_then_raise(path, error):
    with VideoWriter(path) as writer:
        writer.write(GREY)
        writer.write(GREY)
        raise error


def test_an_error_leaves_nothing_and_an_earlier_video_as_it_was(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"earlier")
    with pytest.raises(RuntimeError):
        write_then_raise(path, RuntimeError)
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]
    assert path.read_bytes() == b"earlier"


def test_ctrl_c_keeps_what_was_done(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_then_raise(tmp_path / "out.mp4", KeyboardInterrupt)
    assert len(decoded(tmp_path / "out.mp4")[0]) == 2


def test_without_a_frame_there_is_no_file(tmp_path):
    with VideoWriter(tmp_path / "out.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            write_many(tmp_path / "out.mp4", noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def write_many(path, pixels):
    with VideoWriter(path) as writer:
        for shift in range(20):
            writer.write(np.roll(pixels, shift, axis=1))


def test_a_colon_in_the_folder_is_part_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("run:1", "http:", "pipe:0"):
        (tmp_path / folder).mkdir()
        with VideoWriter(f"{folder}/out.mp4") as writer:
            writer.write(GREY)
        assert [file.name for file in (tmp_path / folder).iterdir()] == ["out.mp4"]
        assert len(decoded(tmp_path / folder / "out.mp4")[0]) == 1


@pytest.mark.parametrize("fps", [0.001, 0.1, 1 / 60, 999.5, 1000])
def test_unusual_rates_can_be_written(tmp_path, fps):
    with VideoWriter(tmp_path / "out.mp4", fps) as writer:
        for _ in range(3):
            writer.write(GREY)
    assert len(decoded(tmp_path / "out.mp4")[0]) == 3


def test_a_video_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose another folder"):
        VideoWriter(tmp_path / "file/a.mp4").__enter__()
    with pytest.raises(ConfigError, match=r"end in \.mp4"):
        VideoWriter(tmp_path / "out.avi")
    for fps in (0, -1, 1e-9, float("nan"), float("inf"), 5000):
        with pytest.raises(ConfigError, match="frames a second"):
            VideoWriter(tmp_path / "out.mp4", fps)
