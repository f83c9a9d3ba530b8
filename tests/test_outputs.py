"""Names that become paths: any text is one name inside the folder, or an error."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from siamjax.data.sequences import Sequence
from siamjax.errors import OutputError, SiamjaxError
from siamjax.evaluation import Unit, VideoObjects, runner
from siamjax.evaluation.files.masks import check_names
from siamjax.outputs import LONGEST_NAME, safe_name
from siamjax.trackers.base import LoadedTracker, Result

ESCAPES = ["", ".", "..", "...", " ", ". .", "a/b", "../a", "/etc", "a\\b", "..\\a", "a\0b", "a\nb", "\x1b[2J", "nul",
           "CON", "aux.txt", "Com1", "lpt9.tar.gz", "x" * (LONGEST_NAME + 1), "é" * LONGEST_NAME, "\udce9t\udce9"]
names = st.text(max_size=260) | st.text("./\\ \0:~", max_size=6) | st.sampled_from(ESCAPES)


@pytest.mark.parametrize("name", ESCAPES)
def test_names_that_no_file_can_have_are_refused(name):
    with pytest.raises(OutputError, match=r"cannot be the name of a file: .* \(--model\): rename it"):
        safe_name(name, "--model")


@pytest.mark.parametrize("name", ["bag", "a b", "été", "日本", "Screen\u202fshot 9.41", ".hidden", "a..b", "a:b", "-x",
                                  "console", "x" * LONGEST_NAME, "car-7", "video.final"])
def test_names_that_people_give_are_kept(name, tmp_path):
    assert safe_name(name, "x") == name
    (tmp_path / f".{name}_polygon.txt.1234567.partial").touch()


@given(names)
def test_any_text_is_one_name_in_the_folder_or_an_error(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp() / "names"
    folder.mkdir(exist_ok=True)
    try:
        path = folder / f"{safe_name(name, 'x')}.txt"
    except OutputError:
        return
    assert path.resolve().parent == folder.resolve()
    path.touch()
    path.unlink()


@dataclasses.dataclass(frozen=True)
class StillTracker:
    net: str = "none"
    config: str = "none"


def answer(count: int = 2) -> Result:
    flags = np.zeros(count, bool)
    return Result(np.ones((count, 4)), np.ones(count), flags, ~flags, np.ones(count))


@pytest.mark.parametrize("place", ["model", "sequence", "group", "frame"])
@given(name=names)
def test_nothing_is_written_outside_the_output_of_an_evaluation(tmp_path_factory, place, name):
    assume(place != "frame" or "\0" not in name)  # which no file on a disk is called
    root = tmp_path_factory.mktemp("evaluation")
    picture = root / "data.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
    parts = {"model": "a", "sequence": "s", "group": "g", "frame": "f"} | {place: name}
    frames = (root / "0.png", root / "data.png") if place != "frame" else (root / "0.png", root / f"x{name}.png")
    sequence = Sequence(parts["sequence"], parts["group"], frames, np.ones((2, 4), np.float32), (8, 8))
    output = root / "deep/out"
    loaded = LoadedTracker(StillTracker(), {}, "card", parts["model"])
    try:
        [entry] = runner.contenders([loaded], lambda *_: [answer()])
        runner.check_sequences([sequence])
        entry = dataclasses.replace(entry, track=lambda frames, boxes: [answer()])
        check_names([sequence])
        runner.run(entry, VideoObjects(), [Unit((sequence,))], output, data_folder=root, progress=lambda line: None)
    except SiamjaxError:
        pass
    outside = {path for path in root.rglob("*") if output not in (path, *path.parents)}
    assert outside <= {picture, root / "deep"}
    assert not output.exists() or {path.name for path in output.iterdir()} <= {parts["model"]}


def test_two_videos_whose_masks_would_share_a_folder_are_refused():
    frames = (Path("a.png"),)
    boxes = np.ones((1, 4), np.float32)
    objects = [Sequence("v/x/1", "v/x", frames, boxes, (8, 8)), Sequence("v-x/2", "v-x", frames, boxes, (8, 8))]
    with pytest.raises(SiamjaxError, match="two videos have the result folder v-x"):
        runner.check_sequences(objects)
