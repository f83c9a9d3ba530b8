"""`siamjax track`, `convert`, `models`: what they write, and every wrong input: one line, exit 2, nothing left."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import av
import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run
from siamjax.evaluation.files.video_writer import VideoWriter
from siamjax.weights import zoo

FRAMES = 12


def scene(number: int, size=(96, 128)) -> np.ndarray:
    rng = np.random.default_rng(5)
    image = np.full((*size, 3), 100, np.uint8)
    texture = rng.integers(0, 256, (4, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    image[30:62, 40 + number:72 + number] = texture
    return image


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with VideoWriter(path, 25) as writer:
        for number in range(FRAMES):
            writer.write(scene(number))
    return str(path)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "walk"
    (root / "img").mkdir(parents=True)
    for number in range(4):
        Image.fromarray(scene(number)).save(root / "img" / f"{number + 1:08d}.png")
    (root / "groundtruth.txt").write_text("40,30,32,32\n" * 4)
    return root


BOX = ("--box", "40,30,32,32")


def track(*arguments, model, output, capsys):
    status = run(["track", *map(str, arguments), "--model", model, "--output", str(output)])
    return status, capsys.readouterr()


def rows(output):
    with open(output / "tracks.csv") as file:
        return list(csv.DictReader(file))


def test_a_video_and_two_targets(clip, model, tmp_path, capsys):
    output = tmp_path / "out"
    status, said = track(clip, *BOX, "--box", "20,20,30,30", model=model, output=output, capsys=capsys)
    assert status == 0, said.err
    table = rows(output)
    assert [(row["frame"], row["target"]) for row in table] == [(str(f), str(t)) for f in range(FRAMES) for t in (0, 1)]
    assert [float(table[0][k]) for k in "xywh"] == [40, 30, 32, 32]
    assert all(0 <= float(row["score"]) <= 1 and row["valid"] == "1" for row in table)
    with av.open(str(output / "video.mp4")) as video:
        frames = [f.to_ndarray(format="rgb24") for f in video.decode(video=0)]
    assert len(frames) == FRAMES
    assert frames[0].shape == (96, 128, 3)
    assert np.abs(frames[0].astype(int) - scene(0)).max() > 60  # something is drawn
    assert sorted(p.name for p in output.iterdir()) == ["source.txt", "tracks.csv", "video.mp4"]


def test_a_folder_gives_its_own_box_and_video_may_be_left_out(folder, model, tmp_path, capsys):
    output = tmp_path / "out"
    status, _ = track(folder, "--no-video", model=model, output=output, capsys=capsys)
    assert status == 0
    assert sorted(p.name for p in output.iterdir()) == ["source.txt", "tracks.csv"]
    assert float(rows(output)[0]["x"]) == 40


def test_an_unreadable_frame_is_held_and_named(folder, model, tmp_path, capsys):
    (folder / "img" / "00000003.png").write_bytes(b"\x89PNG broken")
    output = tmp_path / "out"
    status, said = track(folder, model=model, output=output, capsys=capsys)
    assert status == 0
    assert "could not be decoded, boxes held: 2" in said.out
    table = rows(output)
    assert [row["valid"] for row in table] == ["1", "1", "0", "1"]
    assert table[2]["x"] == table[1]["x"]


def test_a_truncated_video_keeps_what_was_tracked(clip, model, tmp_path, capsys):
    with VideoWriter(tmp_path / "long.mp4", 25) as writer:
        for number in range(60):
            writer.write(np.random.default_rng(number).integers(0, 256, (96, 128, 3), np.uint8))
    whole = (tmp_path / "long.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[:len(whole) * 2 // 3])
    output = tmp_path / "out"
    status, said = track(tmp_path / "cut.mp4", *BOX, model=model, output=output, capsys=capsys)
    assert status == 0, said.err
    assert "warning:" in said.err
    assert 1 < len(rows(output)) < 60


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "I;16"])
def test_grey_alpha_and_16_bit_frames(model, tmp_path, capsys, mode):
    root = tmp_path / "frames"
    root.mkdir()
    for number in range(3):
        grey = scene(number)[..., 0]
        image = (Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16"
                 else Image.fromarray(scene(number)).convert(mode))
        image.save(root / f"{number}.png")
    status, said = track(root, *BOX, model=model, output=tmp_path / "out", capsys=capsys)
    assert status == 0, said.err
    assert len(rows(tmp_path / "out")) == 3


WRONG = [
    (("nowhere.mp4", *BOX), "nowhere.mp4"),
    (("{empty}", *BOX), "no images"),
    (("{text}", *BOX), "notes.mp4"),
    (("{clip}",), "--box 120,80,60,40"),
    (("{clip}", "--box", "1,2,3"), "'1,2,3' is not a box"),
    (("{clip}", "--box", "a,b,c,d"), "is not a box"),
    (("{clip}", "--box", "10,10,0,20"), "no area"),
    (("{clip}", "--box", "10,10,-5,20"), "no area"),
    (("{clip}", "--box", "nan,10,5,20"), "not finite"),
    (("{clip}", "--box", "500,10,5,20"), "outside the 128x96 frame"),
    (("{clip}", *BOX, "--set", "tracker.speed=3"), "tracker.speed|speed"),
    (("{clip}", *BOX, "--set", "tracker.num_scales=2"), "odd number"),
    (("{clip}", *BOX, "--set", "scale_lr=2"), "tracker.KEY=VALUE"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_wrong_input_is_one_line_exit_2_and_nothing_written(arguments, said, clip, model, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.mp4").write_text("not a video")
    places = {"clip": clip, "empty": tmp_path / "empty", "text": tmp_path / "notes.mp4"}
    output = tmp_path / "out"
    status, printed = track(*(str(a).format(**places) for a in arguments), model=model, output=output, capsys=capsys)
    assert status == 2
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert any(part in printed.err for part in said.split("|"))
    assert not output.exists()


@pytest.mark.parametrize("there", [False, True])
def test_a_setting_that_the_net_refuses_leaves_no_folder_and_keeps_one_of_the_users(clip, tmp_path, capsys, there):
    output = tmp_path / "out"
    if there:
        output.mkdir()
    status, printed = track(clip, *BOX, "--set", "tracker.inner.stage=9", model="siamrpn_small_lt", output=output,
                            capsys=capsys)
    assert status == 2
    assert "there is no stage 9" in printed.err
    assert output.exists() == there


def test_models_that_are_none(clip, tmp_path, capsys):
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    for name in ("no_such_model", tmp_path / "junk.safetensors", tmp_path):
        status, printed = track(clip, *BOX, model=str(name), output=tmp_path / "out", capsys=capsys)
        assert status == 2
        assert printed.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file(clip, model, tmp_path, capsys):
    (tmp_path / "taken").write_text("x")
    status, printed = track(clip, *BOX, model=model, output=tmp_path / "taken", capsys=capsys)
    assert status == 2
    assert "cannot be written" in printed.err
    assert (tmp_path / "taken").read_text() == "x"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_leaves_no_half_a_table(clip, model, tmp_path, capsys, monkeypatch):
    import builtins

    real = builtins.open

    def full(path, *args, **kwargs):
        return real("/dev/full" if "tracks.csv" in str(path) else path, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", full)
    status, printed = track(clip, *BOX, model=model, output=tmp_path / "out", capsys=capsys)
    assert status == 2
    assert "No space left" in printed.err
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {"video.mp4"}  # whole, or not there


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_output(clip, model, tmp_path, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    status, printed = track(clip, *BOX, model=model, output=tmp_path / "locked" / "out", capsys=capsys)
    assert status == 2
    assert "cannot be written" in printed.err


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """A folder of more frames than any test waits for: one picture under many names."""
    root = tmp_path_factory.mktemp("frames")
    for number in range(40):
        Image.fromarray(scene(number)).save(root / f"{number:05d}.jpg")
    for number in range(40, 20000):
        os.link(root / f"{number % 40:05d}.jpg", root / f"{number:05d}.jpg")
    return str(root)


@pytest.fixture
def tracking(endless, model, tmp_path):
    """Starts `siamjax track` on them, gives the process when some rows are on the disk."""
    started = []

    def start(*arguments):
        output = tmp_path / "out"
        process = subprocess.Popen(
            [sys.executable, "-m", "siamjax.cli.main", "track", endless, *BOX, "--model", model, "--output",
             str(output), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and process.poll() is None:
            partial = list(output.glob(".tracks.csv.*")) if output.is_dir() else []
            if partial and partial[0].stat().st_size > 4096:
                break
            time.sleep(0.02)
        return process, output

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, *(pytest.param(number, marks=pytest.mark.slow)
                                                      for number in (signal.SIGINT, signal.SIGHUP))])
def test_a_stop_keeps_what_was_done(tracking, number):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("whoever started the tests has it ignored, as nohup does, and so do we")
    process, output = tracking()
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert err.splitlines() == ["stopped; what was done is kept"]
    table = rows(output)
    assert 1 < len(table) < 20000
    with av.open(str(output / "video.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == len(table)
    assert sorted(p.name for p in output.iterdir()) == ["source.txt", "tracks.csv", "video.mp4"]


def test_what_a_kill_leaves_goes_with_the_next_run(tracking, clip, model, capsys):
    process, output = tracking()
    process.kill()
    process.wait()
    assert {path.suffix for path in output.iterdir()} == {".partial"}
    assert track(clip, *BOX, model=model, output=output, capsys=capsys)[0] == 0
    assert sorted(p.name for p in output.iterdir()) == ["source.txt", "tracks.csv", "video.mp4"]


@pytest.mark.skipif(os.name != "posix", reason="no limits of this kind")
@pytest.mark.parametrize("limit", [9_000, pytest.param(60_000, marks=pytest.mark.slow)])
def test_a_disk_that_fills_keeps_the_table_and_says_one_line(endless, model, tmp_path, limit):
    """A limit on the size of files stands for the disk: the video meets it first."""
    program = (f"import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
               f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
               "from siamjax.cli.main import main\nmain()")
    output = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", program, "track", endless, *BOX, "--model", model, "--output",
                           str(output)], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert f"{output / 'tracks.csv'} has the frames until then" in done.stderr
    assert sorted(path.name for path in output.iterdir()) == ["source.txt", "tracks.csv"]
    assert len(rows(output)) > 1
    assert all(None not in row.values() for row in rows(output))


def test_convert_recognises_refuses_and_leaves_nothing(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    torch.save({"head.weight": torch.ones(3)}, tmp_path / "other.pth")
    (tmp_path / "bad.pth").write_bytes(b"no pickle")
    for arguments in (["other.pth", "--output", "o.safetensors"], ["bad.pth", "--output", "o.safetensors"],
                      ["none.pth", "--output", "o.safetensors"], ["other.pth", "--output", "o.pth"],
                      ["other.pth", "--model", "siamfc_alexnet", "--output", "o.safetensors"],
                      ["other.pth", "--model", "siamfcc", "--output", "o.safetensors"]):
        paths = [str(tmp_path / a) if "." in a else a for a in arguments]
        assert run(["convert", *paths]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.pth", "other.pth"]


def test_convert_writes_what_track_reads(shared, tmp_path, capsys):
    pytest.importorskip("torch")
    output = tmp_path / "siamfc.safetensors"
    checkpoint = shared / "weights" / "siamfc_alexnet_2016.pth"
    assert run(["convert", str(checkpoint), "--output", str(output), "--licence", "MIT"]) == 0
    assert "is siamfc_alexnet: 26 tensors converted" in capsys.readouterr().out
    assert run(["models", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "licence: MIT" in shown
    assert "source_sha256: " in shown


def test_models_lists_the_zoo(capsys):
    assert run(["models"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in zoo.ZOO)
    assert run(["models", "siamfc_alexnet"]) == 0
    assert run(["models", "nothing"]) == 2


def test_a_command_line_that_cannot_be_read_is_exit_2(capsys):
    assert run(["track", "--speed", "3"]) == 2
    assert run(["fly"]) == 2
    assert run(["--help"]) == 0


def test_two_folders_called_img_do_not_share_an_output_folder(folder, model, tmp_path, monkeypatch, capsys):
    for name in ("A", "B"):
        shutil.copytree(folder / "img", tmp_path / name / "img")
    shutil.copytree(folder / "img", tmp_path / "more/A/img")
    monkeypatch.chdir(tmp_path)
    made = []
    for source in ("A/img", "B/img", "more/A", "A/img"):
        assert run(["track", source, *BOX, "--model", model, "--no-video"]) == 0
        made.append(capsys.readouterr().out.split("wrote ")[1].split("/")[0])
    assert made == ["track-A", "track-B", "track-A-2", "track-A"]


def test_what_was_tracked_goes_out_to_annotators(tmp_path, monkeypatch):
    """The two commands of the guide, with a folder of one's own for the tracks."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip").mkdir()
    for frame in range(3):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)).save(f"clip/{frame}.png")
    assert run(["track", "clip", "--box", "20,20,24,20", "--output", "found"]) == 0
    assert run(["export", "found", "--output", "out", "--to", "csv"]) == 0
    [table] = (tmp_path / "out").glob("*.csv")
    assert len(table.read_text().splitlines()) >= 3
