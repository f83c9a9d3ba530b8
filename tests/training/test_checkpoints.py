"""Checkpoints whose files were damaged on the disk, and disks that are full."""

import os
import random
import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import OutputError, SourceError, WeightsError
from siamjax.training import checkpoints as module
from siamjax.training import optim
from siamjax.training.checkpoints import Checkpoints, check_all, digest
from siamjax.training.state import new_state


def make_state(step, fill=None):
    rng = np.random.default_rng(step)
    params = {"conv": {"kernel": rng.normal(size=(40, 50)).astype(np.float32), "bias": np.zeros(50, np.float32)},
              "bias": np.float32(step), "half": jnp.ones(3, jnp.bfloat16)}
    if fill is not None:
        params = jax.tree.map(lambda leaf: np.full_like(leaf, fill), params)
    config = optim.OptimConfig()
    tx = optim.make_optimiser(config, optim.make_schedule(config, 2, 10), config.phases(10)[0])
    state = new_state({"params": params, "batch_stats": {"norm": {"mean": np.ones(5, np.float32)}}}, tx,
                      jax.random.key(1), ema=True)
    return state.replace(step=jnp.int32(step))


def plain(state):
    return jax.device_get(state.replace(key=jax.random.key_data(state.key)))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """An output folder with checkpoints of steps 5 and 10."""
    folder = tmp_path_factory.mktemp("saved")
    store = Checkpoints(folder, keep=2)
    for step in (5, 10):
        store.save(make_state(step))
    store.close()
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def restore(folder):
    store = Checkpoints(folder, keep=2)
    try:
        return store.restore(make_state(0, fill=0))
    finally:
        store.close()


def test_what_was_saved_comes_back_and_is_sound(saved):
    state, known = restore(saved)
    assert known
    chex.assert_trees_all_equal(plain(state), plain(make_state(10)))
    assert list(check_all(saved)) == [(5, "", True), (10, "", True)]


def overwrite(path):
    content = bytearray(path.read_bytes())
    for place in random.Random(len(content)).sample(range(len(content)), min(20, len(content))):
        content[place] ^= 0x5A
    path.write_bytes(content)


DAMAGES = {"overwritten": overwrite, "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
           "emptied": lambda path: os.truncate(path, 0), "gone": lambda path: path.unlink(),
           "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
           "longer": lambda path: path.write_bytes(path.read_bytes() * 2)}


@pytest.mark.parametrize("damage", [name if name in ("overwritten", "cut", "gone") else
                                    pytest.param(name, marks=pytest.mark.slow) for name in DAMAGES])
def test_no_damage_to_any_file_gives_another_state_without_a_word(saved, tmp_path, damage):
    files = sorted(path.relative_to(saved) for path in (saved / "checkpoints" / "10").rglob("*") if path.is_file())
    assert len(files) > 6
    refused = 0
    for number, file in enumerate(files):
        folder = shutil.copytree(saved, tmp_path / str(number))
        DAMAGES[damage](folder / file)
        checked = list(check_all(folder))
        assert checked[0] == (5, "", True)
        try:
            state, known = restore(folder)
            said = ""
        except WeightsError as error:
            said = str(error)
        if said:
            refused += 1
            assert "checkpoint 10 is damaged" in said
            assert f"delete {folder / 'checkpoints' / '10'} to go on from checkpoint 5" in said
            assert "\n" not in said
            assert checked[1].problem, file
        else:
            chex.assert_trees_all_equal(plain(state), plain(make_state(10)))
            assert known or "digest" in str(file), file
    assert refused > 0


def test_random_bytes_in_the_largest_file_are_noticed_and_the_one_before_goes_on(copy):
    latest = copy / "checkpoints" / "10"
    overwrite(max((path for path in latest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size))
    with pytest.raises(WeightsError, match="checkpoint 10 is damaged"):
        restore(copy)
    shutil.rmtree(latest)
    state, _ = restore(copy)
    chex.assert_trees_all_equal(plain(state), plain(make_state(5)))


def test_only_checkpoint_damaged_says_that_the_start_is_left(copy):
    shutil.rmtree(copy / "checkpoints" / "5")
    overwrite(copy / "checkpoints" / "10" / "digest" / "metadata")
    with pytest.raises(WeightsError, match="to go on from the start"):
        restore(copy)


def test_other_values_that_read_well_are_noticed(saved, tmp_path):
    """As after a bit that flips in a block that is not compressed: Orbax itself sees nothing."""
    other = Checkpoints(tmp_path / "other", keep=2)
    other.save(make_state(10, fill=1))
    other.close()
    folder = shutil.copytree(saved, tmp_path / "copy")
    shutil.rmtree(folder / "checkpoints" / "10" / "state")
    shutil.copytree(tmp_path / "other" / "checkpoints" / "10" / "state", folder / "checkpoints" / "10" / "state")
    with pytest.raises(WeightsError, match="its values are not those that were saved"):
        restore(folder)


def test_a_checkpoint_of_an_older_version_has_no_digest_and_still_restores(copy):
    shutil.rmtree(copy / "checkpoints" / "10" / "digest")
    state, known = restore(copy)
    assert not known
    chex.assert_trees_all_equal(plain(state), plain(make_state(10)))
    assert list(check_all(copy))[1] == (10, "", False)


def test_a_state_of_another_form_is_one_error(saved):
    store = Checkpoints(saved, keep=2)
    like = make_state(0)
    with pytest.raises(WeightsError, match="checkpoint 10"):
        store.restore(like.replace(params={"other": like.params["bias"]}))
    store.close()


def test_nothing_to_check(tmp_path):
    with pytest.raises(SourceError, match="no checkpoints"):
        list(check_all(tmp_path))


@pytest.mark.parametrize("change", [
    lambda tree: {**tree, "a": tree["a"] + 1}, lambda tree: {**tree, "a": tree["a"].astype(np.float64)},
    lambda tree: {**tree, "a": tree["a"].reshape(3, 2)}, lambda tree: {"b": tree["a"]},
    lambda tree: {**tree, "c": np.zeros(0)}, lambda tree: {**tree, "a": np.negative(tree["a"])}])
def test_digest_is_of_names_types_shapes_and_values(change):
    tree = {"a": np.zeros((2, 3), np.float32)}
    assert digest(tree) == digest({"a": np.zeros((2, 3), np.float32)})
    assert digest(change(tree)) != digest(tree)


def test_a_disk_that_is_full_is_one_error_and_the_last_checkpoint_stays(small_disk, caplog, capfd):
    store = Checkpoints(small_disk / "out", keep=1)
    store.save(make_state(5))
    store.wait()
    filled = small_disk / "filler"
    filled.write_bytes(bytes(shutil.disk_usage(small_disk).free))
    with pytest.raises(OutputError, match=r"checkpoint 10 cannot be written: No space left on device .* step 5"):  # noqa: PT012
        store.save(make_state(10))
        store.wait()
    store.close()
    assert capfd.readouterr().err == ""
    assert not caplog.records
    assert [path.name for path in (small_disk / "out" / "checkpoints").iterdir()] == ["5"]
    filled.unlink()
    state, known = restore(small_disk / "out")
    assert known
    chex.assert_trees_all_equal(plain(state), plain(make_state(5)))


def test_a_failed_write_is_said_at_the_next_look(tmp_path, monkeypatch):
    """Without a small disk: what Orbax raises from its own thread, whatever it is, becomes one line."""
    store = Checkpoints(tmp_path, keep=2)
    store.save(make_state(5))
    store.wait()

    def fail():
        raise ValueError("RESOURCE_EXHAUSTED: Failed writing: \"x\": No space left on device [os_error_code='28']\n a")

    monkeypatch.setattr(store._manager, "check_for_errors", fail)
    with pytest.raises(OutputError, match=r"cannot be written: No space left on device \(.*goes on from step 5"):
        store.check()
    monkeypatch.undo()
    store.close()
    assert module.saved_steps(tmp_path / "checkpoints") == [5]
