"""A net, a tracker, a reader and a protocol of a user's own, in one file outside of the package, by every command."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from siamjax.cli.main import run

FILE = '''
from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn, struct

from siamjax.data import AugmentConfig, DataConfig, Sequence
from siamjax.evaluation import Protocol, TrackerScore
from siamjax.evaluation.files import results
from siamjax.fields import RIDES, Share, check
from siamjax.ops import boxes, crops
from siamjax.trackers import Output, as_frame, riding
from siamjax.training import Experiment, LogisticObjective, OptimConfig


class Net(nn.Module):
    """Mean colours, compared."""

    @nn.compact
    def __call__(self, z, x, *, train=False):
        scale = self.param("scale", nn.initializers.constant(1e-4), ())
        mean = z.mean((1, 2), keepdims=True)
        return -scale * jnp.abs(nn.avg_pool(x, (32, 32), (16, 16)) - mean).mean(-1)


@dataclasses.dataclass(frozen=True)
class Config:
    rate: Annotated[Share, RIDES] = 0.5
    exemplar_size: int = 32
    search_size: int = 96
    channel_order: str = "rgb"

    def __post_init__(self):
        check(self)

    def build(self, net):
        return Tracker(net, self)


@struct.dataclass
class State:
    z: Any
    box: Any
    settings: Any


@dataclasses.dataclass(frozen=True)
class Tracker:
    net: nn.Module
    config: Config

    def crop(self, frame, box, size):
        centre, sides = boxes.centre_and_size(box, half_pixel=True)
        side = 2 * jnp.max(sides) * size / self.config.exemplar_size
        cut = crops.crop(frame, centre, side, size, jnp.zeros(3), rule="siamfc", resampling="float")
        return cut[None], side / size

    def init(self, params, frame, box):
        frame, box = as_frame(frame), jnp.asarray(box, jnp.float32)
        return State(self.crop(frame, box, self.config.exemplar_size)[0], box, riding.numbers(self.config))

    def step(self, params, state, frame):
        frame = as_frame(frame)
        x, scale = self.crop(frame, state.box, self.config.search_size)
        response = self.net.apply(params, state.z, x)[0]
        row, column = jnp.unravel_index(jnp.argmax(response), response.shape)
        shift = (jnp.stack([column, row]) - (response.shape[0] - 1) / 2) * 16 * scale * state.settings.rate
        moved = state.box.at[:2].add(jnp.where(frame.valid, shift, 0))
        return state.replace(box=moved), Output(moved, jnp.float32(1), jnp.array(False), frame.valid)


def reader(folder):
    """Videos `NAME.d/*.png` with `NAME.boxes`."""
    found = []
    for path in sorted(folder.glob("*.boxes")):
        frames = tuple(sorted(path.with_suffix(".d").glob("*.png")))
        found.append(Sequence(path.stem, path.stem, frames, np.loadtxt(path, np.float32, ndmin=2), (96, 128)))
    return found


class Last(Protocol):
    name = "last"
    rule = "Pixels that the last box is off."

    def score(self, folder, units):
        rows = {}
        for one in (one for unit in units for one in unit.objects):
            last = results.read_run(folder, one.name, one.boxes).boxes[-1]
            rows[one.name] = {"off": -float(np.abs(last[:2] - one.boxes[-1, :2]).max())}
        overall = {"off": float(np.mean([row["off"] for row in rows.values()]))}
        return TrackerScore(folder.name, results.read_record(folder), overall, rows)


protocol = Last()
config = Experiment(
    name="own", net=Net(), objective=LogisticObjective(), tracker=Config(), batch_size=4, epochs=1, steps_per_epoch=3,
    data=DataConfig(patch_size=127, exemplar_size=32, max_fraction=0.9), optim=OptimConfig(peak_lr=1e-9, final_lr=1e-9),
    augment=AugmentConfig(exemplar_size=32, search_size=96), log_every=1)
'''


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The file and the data, and what training, tracking, evaluating and tuning gave."""
    root = tmp_path_factory.mktemp("own")
    file, data = root / "own.py", root / "data"
    file.write_text(FILE)
    random = np.random.default_rng(0)
    for name in ("one", "two"):
        (data / f"{name}.d").mkdir(parents=True)
        rows = []
        for number in range(6):
            image = random.integers(0, 60, (96, 128, 3), np.uint8)
            x, y = 30 + 3 * number, 30 + 2 * number
            image[y:y + 24, x:x + 24] = (220, 160, 90)
            Image.fromarray(image).save(data / f"{name}.d" / f"{number}.png")
            rows.append(f"{x} {y} 24 24")
        (data / f"{name}.boxes").write_text("\n".join(rows) + "\n")
    (data / "validation.txt").write_text("two\n")
    mine = ["--experiment", str(file)]
    reads = ["--data", str(data), "--reader", str(file)]
    model = ["--model", str(root / "trained")]
    done = {
        "train": run(["train", str(file), *reads, "--output", str(root / "trained")]),
        "track": run(["track", str(data / "one.d"), "--box", "30,30,24,24", *mine, *model, "--output",
                      str(root / "tracked")]),
        "evaluate": run(["evaluate", *reads, *mine, *model, "--protocol", str(file), "--output", str(root / "scored")]),
        "tune": run(["tune", *reads, *mine, *model, "--grid", "rate=0,0.5,1", "--output", str(root / "tuned")])}
    return root, done


@pytest.mark.parametrize("command", ["train", "track", "evaluate", "tune"])
def test_every_command_takes_them(own, command):
    assert own[1][command] == 0


def test_what_they_give_is_what_they_were_written_for(own):
    root, _ = own
    rows = (root / "tracked/tracks.csv").read_text().splitlines()
    assert len(rows) == 7
    assert float(rows[-1].split(",")[2]) > 36  # it followed the object, which went from 30 to 45
    report = json.loads((root / "scored/report.json").read_text())
    assert report["protocol"] == "last"
    assert -12 < report["trackers"][0]["figures"]["off"] <= 0  # 15 for a tracker that stands still
    trials = json.loads((root / "tuned/tune.json").read_text())["trials"]
    assert [trial["settings"].get("rate") for trial in trials] == [None, 0, 0.5, 1]
    assert trials[1]["auc"] < trials[2]["auc"]


def test_without_the_experiment_a_file_says_what_is_missing(own, tmp_path, capsys):
    root, _ = own
    assert run(["track", str(root / "data/one.d"), "--box", "30,30,24,24", "--model", str(root / "trained"),
                "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "unknown kind" in said
    assert "--experiment" in said
    assert not (tmp_path / "out").exists()


WRONG = {
    "reader that raises": ("reader", "def reader(folder):\n    return 1 / 0", r"ZeroDivisionError.*wrong\.py, line 2"),
    "reader without a list": ("reader", "def reader(folder): pass", "TypeError"),
    "reader of other things": ("reader", "def reader(folder): return [1, 2]", "2 objects that are no tracks"),
    "reader of nothing": ("reader", "def reader(folder): return []", "found no tracks"),
    "reader with a box too few": (
        "reader", "import numpy as np\nfrom siamjax.data import Sequence\ndef reader(folder):\n"
        "    return [Sequence('a', 'a', (folder,) * 3, np.ones((2, 4), np.float32), (9, 9))]", "3 frames and boxes of"),
    "no reader": ("reader", "reader = 3", r"def reader\(\.\.\.\)"),
    "protocol without a score": (
        "protocol", "from siamjax.evaluation import Protocol\nclass P(Protocol):\n"
        "    name = rule = 'p'\nprotocol = P()", "score"),
    "protocol without a name": (
        "protocol", "from siamjax.evaluation import Protocol\nclass P(Protocol):\n"
        "    def score(self, folder, units): pass\nprotocol = P()", "P has no name"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_parts_that_are_none_are_one_line_and_leave_nothing(tmp_path, capsys, kind):
    option, text, says = WRONG[kind]
    (tmp_path / "wrong.py").write_text(text)
    (tmp_path / "data").mkdir()
    assert run(["evaluate", "--data", str(tmp_path / "data"), f"--{option}", str(tmp_path / "wrong.py"),
                "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(f"error: .*{says}.*\n", said), said
    assert not (tmp_path / "out").exists()
