"""What is exported is read again by the readers of those forms, box by box."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run
from siamjax.data.readers import Choice, open_data
from siamjax.errors import DataError
from siamjax.evaluation.exporting import export

LAYOUTS = {"cvat": ("cvat", "{o}/clip/images"), "mot": ("mot", "{o}/clip/img1"), "csv": ("csv", "{o}/clip"),
           "coco": ("cocovideo", "{o}/clip")}


@pytest.fixture
def tracked(tmp_path):
    images = tmp_path / "video"
    images.mkdir()
    for number in range(4):
        Image.new("RGB", (160, 120), (9, 99, 60 * number)).save(images / f"{number:06d}.png")
    folder = tmp_path / "clip"
    folder.mkdir()
    rows = [f"{frame},{target},{10.5 + frame},{20 + target},30.25,40,0.9,{int(frame == 2 and target == 1)},1"
            for frame in range(4) for target in range(2)]
    (folder / "tracks.csv").write_text("frame,target,x,y,w,h,score,lost,valid\n" + "\n".join(rows) + "\n")
    (folder / "source.txt").write_text(f"{images}\n")
    return folder


@pytest.mark.parametrize("form", LAYOUTS)
def test_tracks_that_are_exported_are_read_again(form, tracked, tmp_path):
    output = tmp_path / "out"
    files = export(tracked, output, form)
    assert all(path.is_file() for path in files)
    layout, images = LAYOUTS[form]
    shutil.copytree(tmp_path / "video", images.format(o=output))
    found = open_data(output, Choice(layout))
    assert len(found) == 2
    for target, track in enumerate(found):
        wanted = np.array([[10.5 + frame, 20 + target, 30.25, 40] for frame in range(4)])
        if target == 1:
            wanted[2] = np.nan
        np.testing.assert_allclose(track.boxes, wanted, atol=1e-3)
    again = export(output, tmp_path / "again", form, reader=Choice(layout))
    assert [path.name for path in again] == [path.name for path in files]


@pytest.mark.parametrize(("harm", "said"), [
    ("tracks.csv", "the table is not as siamjax track writes it"),
    ("source.txt", "nothing says which video the tracks are of")])
def test_a_folder_that_is_damaged(harm, said, tracked, tmp_path, capsys):
    (tracked / harm).unlink()
    if harm == "tracks.csv":
        (tracked / harm).write_text("frame,target\n1,x\n")
    with pytest.raises(DataError, match=said):
        export(tracked, tmp_path / "out")
    assert run(["export", str(tracked), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
