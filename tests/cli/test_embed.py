"""`siamjax embed` and `siamjax match` from their arguments to what they write and print."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run
from siamjax.data.images import read_image
from siamjax.evaluation import crop_for
from siamjax.evaluation.embedding import embed_files
from siamjax.evaluation.files import embeddings
from siamjax.weights import embedders

OBJECTS = ("ball", "cup", "key", "pen")


@pytest.fixture
def whole(embedder_files):
    return str(embedder_files / "whole.safetensors")


@pytest.fixture
def words(embedder_files):
    return str(embedder_files / "words.safetensors")


@pytest.fixture
def gallery(photos, whole, tmp_path):
    assert run(["embed", str(photos), "--output", str(tmp_path / "photos.npz"), "--model", whole]) == 0
    return str(tmp_path / "photos.npz")


def refused(capsys, arguments, *, writes=()):
    """The one line of a command that ends in an error and has written nothing."""
    capsys.readouterr()
    assert run(list(map(str, arguments))) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1
    assert len(lines) == 1 or all("image" in line for line in lines if line not in errors)  # but for a progress bar
    assert not any(path.exists() for path in writes)
    return errors[0]


def test_every_image_gets_the_embedding_it_has_by_itself(gallery, photos, whole):
    found = embeddings.read(embeddings.Path(gallery))
    wanted = [f"{photos.as_posix()}/{name}/{number}.png" for name in OBJECTS for number in range(4)]
    assert found.files.tolist() == wanted
    assert (found.distance, found.model, found.side) == ("euclidean", whole, "first")
    loaded = embedders.load(whole)
    for row in (0, 7):
        crop = crop_for(loaded, "first", read_image(embeddings.Path(found.files[row])))
        alone = loaded.embedder.embed(loaded.params, crop[None])[0]
        np.testing.assert_allclose(found.embeddings[row], alone, atol=1e-5)
    found.check_model(loaded, "x")


def test_batches_of_any_fill_have_one_program(photos, whole, monkeypatch):
    files = sorted(photos.rglob("*.png"))
    loaded = embedders.load(whole)
    at_once = embed_files(loaded, files, "first")[0]
    monkeypatch.setattr("siamjax.evaluation.embedding.BATCH", 6)
    seen = []
    in_three, kept = embed_files(loaded, files, "first", seen=lambda: seen.append(1))
    np.testing.assert_allclose(in_three, at_once, atol=1e-6)
    assert (kept, len(seen)) == (files, 16)


def test_the_nearest_are_other_photos_of_the_object(gallery, photos, whole, capsys):
    capsys.readouterr()
    assert run(["match", str(photos / "key/1.png"), gallery, "--model", whole, "--nearest", "4"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0] == "threshold 0.0125 (euclidean)"
    assert len(lines) == 5
    assert re.fullmatch(r" +0\.0000  same object +\S+/key/1\.png", lines[1])
    assert all("/key/" in line and "same object" in line for line in lines[1:])


def test_two_images_get_a_distance_a_threshold_and_a_verdict(photos, whole, capsys):
    for other, verdict in (("cup/2.png", "same object"), ("pen/2.png", "another object")):
        assert run(["match", str(photos / "cup/0.png"), str(photos / other), "--model", whole]) == 0
        shown = re.fullmatch(r"distance   (\S+) \(euclidean\)\nthreshold  0\.0125\nverdict    (.*)\n",
                             capsys.readouterr().out)
        assert shown
        assert (float(shown[1]) <= 0.0125, shown[2]) == (verdict == "same object", verdict)


def test_a_box_is_cut_out_of_its_image(photos, whole, tmp_path, capsys):
    scene = np.full((160, 200, 3), 90, np.uint8)
    pixels = read_image(photos / "ball/0.png")
    scene[40:40 + len(pixels), 60:60 + pixels.shape[1]] = pixels
    Image.fromarray(scene).save(tmp_path / "scene.png")
    box = f"60,40,{pixels.shape[1]},{len(pixels)}"
    pair = ["match", str(tmp_path / "scene.png"), str(tmp_path / "scene.png"), "--model", whole]
    assert run([*pair, "--box-a", box, "--box-b", box]) == 0
    assert "distance   0.0000" in capsys.readouterr().out
    assert run([*pair, "--box-a", box]) == 0
    assert "distance   0.0000" not in capsys.readouterr().out


def test_words_are_the_second_side_of_a_net_of_words(photos, words, tmp_path, capsys):
    cup, npz = str(photos / "cup/0.png"), str(tmp_path / "p.npz")
    assert run(["match", cup, "red", "--model", words]) == 0
    shown = capsys.readouterr().out
    assert "verdict    none: 'words' has no threshold yet" in shown
    assert run(["embed", str(photos), "--output", npz, "--model", words]) == 0
    capsys.readouterr()
    assert run(["match", "red", npz, "--model", words, "--nearest", "16"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.endswith("cup/0.png"))
    assert row.split()[0] == re.search(r"distance   (\S+)", shown)[1]  # type: ignore[index]


def test_an_unreadable_image_is_named_or_left_out(photos, whole, tmp_path, capsys):
    (photos / "cup/1.png").write_bytes(b"no image")
    output = tmp_path / "p.npz"
    arguments = ["embed", str(photos), "--output", str(output), "--model", whole]
    said = refused(capsys, arguments, writes=[output])
    assert "cup/1.png" in said
    assert said.endswith("--skip-unreadable")
    assert run([*arguments, "--skip-unreadable"]) == 0
    shown = capsys.readouterr()
    assert "15 images, 4 numbers each; 1 of 16 could not be read and were left out" in shown.out
    assert re.search(r"warning: left out \S+cup/1\.png: the image cannot be read", shown.err)
    assert len(embeddings.read(output).files) == 15
    for path in photos.rglob("*.png"):
        path.write_bytes(b"no image")
    output.unlink()
    assert "none of 16 images can be read" in refused(capsys, [*arguments, "--skip-unreadable"], writes=[output])


def test_what_cannot_be_embedded_is_refused(photos, words, whole, tmp_path, capsys):
    output = tmp_path / "p.npz"
    (tmp_path / "empty").mkdir()
    for source, options, says in (
            (tmp_path / "empty", ["--model", whole], "holds no images"),
            (tmp_path / "missing", ["--model", whole], "no such file or folder"),
            (photos, ["--model", words, "--side", "second"], "takes words"),
            (photos, ["--model", "siamrpn_r50"], "no weights in the package"),
            (photos, ["--model", tmp_path / "x.safetensors"], "no model or file")):
        assert says in refused(capsys, ["embed", source, "--output", output, *options], writes=[output])
    assert "let it end in .npz" in refused(capsys, ["embed", photos, "--output", tmp_path / "x.txt"])


def test_what_cannot_be_matched_is_refused(photos, words, whole, gallery, tmp_path, capsys):
    cup = photos / "cup/0.png"
    (tmp_path / "text.npz").write_text("no npz")
    np.savez(tmp_path / "other.npz", boxes=np.zeros(3))
    for b, options, says in (
            (gallery, ["--model", words], f"these embeddings, of 4 numbers, are of the model '{whole}'"),
            (tmp_path / "text.npz", ["--model", whole], "no embeddings in it"),
            (tmp_path / "other.npz", ["--model", whole], "no embeddings in it"),
            (tmp_path / "missing.npz", ["--model", whole], "no such file"),
            (gallery, ["--model", whole, "--nearest", "0"], "ask for 1 or more"),
            (gallery, ["--model", whole, "--box-b", "1,2,3,4"], "an npz has no box"),
            ("yellow", ["--model", words], "unknown word 'yellow'"),
            ("red", ["--model", words, "--box-b", "1,2,3,4"], "words have no box"),
            (cup, ["--model", whole, "--box-b", "1,2,3"], "'1,2,3' is not a box (--box-b)"),
            (cup, ["--model", whole, "--box-b", "900,2,3,4"], "outside the"),
            (tmp_path / "missing.png", ["--model", whole], "no such file")):
        assert says in refused(capsys, ["match", cup, b, *options])


def test_an_npz_whose_parts_do_not_fit_is_refused(gallery, tmp_path, photos, whole, capsys):
    with np.load(gallery) as arrays:
        held = dict(arrays)
    for name, change, says in (("embeddings", held["embeddings"][:3], "do not fit together"),
                               ("embeddings", held["embeddings"] * np.nan, "not finite, such as NaN"),
                               ("files", np.arange(16), "do not fit together"),
                               ("side", np.array([1, 2]), "do not fit together")):
        np.savez(tmp_path / "odd.npz", **(held | {name: change}))
        said = refused(capsys, ["match", photos / "cup/0.png", tmp_path / "odd.npz", "--model", whole])
        assert says in said
