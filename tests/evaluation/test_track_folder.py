"""Where answers go: no two sources share a folder, whatever they are called."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import OutputError
from siamjax.evaluation.files import track_folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def answered(source: str, folder: Path) -> Path:
    """What a run of `track` leaves."""
    folder.mkdir(exist_ok=True)
    with track_folder.noted(folder, source):
        (folder / "new").write_text("frame\n")
        (folder / "new").replace(folder / "tracks.csv")
    return folder


@pytest.mark.parametrize(("source", "name"), [
    ("A/img", "track-A"), ("A/img/", "track-A"), ("A", "track-A"), ("A/img/*.jpg", "track-A"), ("A/frames", "track-A"),
    ("A/rgb/images", "track-A"), ("clips/walk.mp4", "track-walk"), ("0", "track-0"), (".", "track-here"),
    ("rtsp://user:word@host/live/door.sdp?x=1", "track-door"), ("http://camera.local", "track-camera.local"),
    ("..", None), ("video.of.a.cat.mp4", "track-video.of.a.cat")])
def test_a_folder_is_named_by_what_it_shows(here, source, name):
    (here / "A/img").mkdir(parents=True)
    assert track_folder.default_folder(source) == Path(name or f"track-{here.parent.name}")


@pytest.mark.parametrize(("first", "second"), [
    ("A/img", "B/img"), ("A/clip.mp4", "B/clip.mp4"), ("A/clip.mp4", "A/clip.avi"), ("A/*.png", "A/clip"),
    ("rtsp://one/live", "rtsp://two/live"), ("0", "cameras/0")])
def test_two_sources_never_get_one_folder(here, first, second):
    folders = {answered(source, track_folder.default_folder(source)) for source in (first, second)}
    assert len(folders) == 2
    again = {track_folder.default_folder(source) for source in (first, second)}
    assert again == folders  # the same source goes where it went


def test_one_source_written_in_two_ways_is_one(here):
    (here / "A/img").mkdir(parents=True)
    folder = answered("A", track_folder.default_folder("A"))
    for source in ("A/img", "./A", str(here / "A/img/"), "A/../A"):
        assert track_folder.default_folder(source) == folder


def test_a_run_that_leaves_no_table_leaves_no_note(tmp_path):
    with pytest.raises(ValueError, match="stop"), track_folder.noted(tmp_path, "A"):
        raise ValueError("stop")
    assert not list(tmp_path.iterdir())


def test_no_password_is_written_down(tmp_path):
    answered("rtsp://user:secret@host/live", tmp_path / "out")
    assert (tmp_path / "out" / track_folder.NOTE).read_text() == "rtsp://host/live\n"


@given(st.text(max_size=40) | st.text(string.ascii_letters + "./\\*?[]: \0\n", max_size=40))
def test_whatever_the_source_the_folder_is_here(source):
    try:
        folder = track_folder.default_folder(source)
    except OutputError:
        return
    assert folder.name == str(folder)
    assert folder.name not in ("", ".", "..")
