"""Our models beside KCF, MIL, CSRT, NanoTrackV2 and a box that never moves, on the same frames.

    python scripts/compare_peers.py --data DIR --peers DIR \
        --output runs/peers [--model M[,KEY=VALUE]...]... [--recorded NAME=DIR]...

The peers run through OpenCV 4 (contrib) in an environment of their own, made once in the user's cache folder:
this project does not depend on OpenCV. Their result files have the layout of `siamjax evaluate`, and the same
code scores them. A finished run is not repeated; remove OUTPUT/NAME to run a peer again. Prints two Markdown
tables and leaves report.html and report.json in OUTPUT. The second has bootstrap intervals over the sequences, and
those of the paired difference to the first `--model`. Without `--model` only the peers are run. A model may have
settings of its tracker behind it, as in `fear_xs,resampling=reference`; `--recorded` scores boxes that another program
left in DIR/SEQUENCE.txt, `x,y,w,h` a line.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

NAMES = ("still", "KCF", "MIL", "CSRT", "NanoTrackV2")
PACKAGES = ("opencv-contrib-python-headless>=4.10,<5", "numpy>=2", "pillow>=11")
WORKER = "--worker"


def main() -> None:
    arguments = parse()
    from siamjax.data import read_folder
    from siamjax.errors import SiamjaxError
    from siamjax.evaluation import OnePass, runner
    from siamjax.outputs import check_folder

    try:
        protocol, sequences = OnePass().under(arguments.convention), read_folder(arguments.data)
        units = protocol.prepare(sequences)
        runner.check_sequences(sequences)
        check_folder(arguments.output)
        run_peers(arguments, sequences)
        models = run_models(arguments, sequences)
        names = [*NAMES, *models, *store_recorded(arguments, sequences)]
        scores = [protocol.score(arguments.output / name, units) for name in names]
        report = protocol.report(scores, units, data_folder=arguments.data, output=arguments.output)
        page = report.write(arguments.output)
    except SiamjaxError as error:
        sys.exit(f"error: {error}")
    print(report.tables[0].to_markdown())
    first = models[0] if models else NAMES[-1]
    print(f"\n{interval_table(scores, protocol.convention, first)}")
    say(f"convention {report.rule}\nreport: {page}")


def parse() -> argparse.Namespace:
    from siamjax.ops.conventions import CONVENTIONS

    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--data", type=Path, required=True, help="folder of sequences")
    parser.add_argument("--peers", type=Path, required=True, help="folder of nanotrackv2_*.onnx")
    parser.add_argument("--output", type=Path, required=True, help="folder for results and reports")
    parser.add_argument("--model", action="append", default=[], help="a model of ours; may be repeated")
    parser.add_argument("--recorded", action="append", default=[], help="NAME=DIR of boxes; may be repeated")
    parser.add_argument("--convention", default="visible", choices=tuple(CONVENTIONS))
    return parser.parse_args()


def run_peers(arguments: argparse.Namespace, sequences: list) -> None:
    """Tracks what has no result yet, in the peers' own environment."""
    from siamjax.errors import SourceError
    from siamjax.evaluation import Inputs, claim, has_run, run_stem

    for part in ("backbone", "head"):
        file = arguments.peers / f"nanotrackv2_{part}.onnx"
        if not file.is_file():
            raise SourceError("there is no such file", str(file), "give the folder that holds it as --peers")
    python = environment()
    opencv = subprocess.run(
        [python, "-c", "import cv2; print(cv2.__version__)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    say(f"peers of OpenCV {opencv}")
    inputs = Inputs(masks=False)
    for name in NAMES:
        record = {"tracker": name, "opencv": opencv, "data": str(arguments.data.resolve())}
        claim(arguments.output / name, record)
        inputs.check(arguments.output / name, sequences)
        if all(has_run(arguments.output / name, sequence.name) for sequence in sequences):
            say(f"{name} is there already")
            continue
        # MIL draws at random: a process a tracker and one order of sequences, as OpenCV starts, repeat it.
        jobs = [
            {
                "sequence": run_stem(sequence.name),
                "frames": [str(file) for file in sequence.frames],
                "box": sequence.boxes[0].tolist(),
            }
            for sequence in sorted(sequences, key=lambda sequence: sequence.name)
        ]
        inputs.note(arguments.output / name, sequences)
        raw = str(arguments.output / name / "raw")
        task = {"tracker": name, "peers": str(arguments.peers), "raw": raw, "jobs": jobs}
        subprocess.run([python, __file__, WORKER], input=json.dumps(task), text=True, check=True)


def run_models(arguments: argparse.Namespace, sequences: list) -> list[str]:
    """Tracks with our models, in this environment; returns their names in the output folder."""
    if not arguments.model:
        return []
    import siamjax
    from siamjax.evaluation import OnePass, runner
    from siamjax.settings import replace_by_path
    from siamjax.trackers import track_frames

    loaded = []
    for text in arguments.model:
        model, *settings = text.split(",")
        one = siamjax.load(model)
        config = one.tracker.config
        for setting in settings:
            config = replace_by_path(config, *setting.partition("=")[::2])
        tracker = dataclasses.replace(one.tracker, config=config)
        loaded.append(dataclasses.replace(one, tracker=tracker, name=" ".join([one.name, *settings])))
    entries = runner.contenders(loaded, track_frames)
    for entry in entries:
        runner.run(entry, OnePass(), OnePass().prepare(sequences), arguments.output, data_folder=arguments.data,
                   progress=say)
    return [entry.name for entry in entries]


def store_recorded(arguments: argparse.Namespace, sequences: list) -> list[str]:
    """Puts boxes that other programs found beside ours; returns their names in the output folder."""
    from siamjax.errors import ConfigError, SourceError
    from siamjax.evaluation import Inputs, claim, run_stem
    from siamjax.outputs import safe_name

    names = []
    for text in arguments.recorded:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise ConfigError(f"'{text}' names no record", "--recorded", "write NAME=DIR")
        own, inputs = arguments.output / safe_name(name, "--recorded"), Inputs(masks=False)
        files = {sequence.name: Path(folder) / f"{run_stem(sequence.name)}.txt" for sequence in sequences}
        for file in files.values():
            if not file.is_file():
                raise SourceError("there is no such file", str(file), "give a folder with boxes of every sequence")
        claim(own, {"tracker": name, "recorded": str(Path(folder).resolve()),
                    "data": str(arguments.data.resolve())})
        inputs.check(own, sequences)
        inputs.note(own, sequences)
        for sequence_name, file in files.items():
            write(own / "raw" / f"{run_stem(sequence_name)}.txt", file.read_text(encoding="utf-8").splitlines())
        names.append(name)
    return names


def interval_table(scores: list, convention, first: str) -> str:
    """AUC and precision with their intervals, and the AUC less that of the tracker `first`; the best first."""
    from siamjax.evaluation import Column, Table, interval_of, ranked

    against = next(score for score in scores if score.name == first)
    rows = []
    for score in ranked(scores):
        auc, precision = (interval_of(score, name, convention) for name in ("auc", "precision"))
        gap = interval_of(score, "auc", convention, against=against)
        rows.append([score.name, str(auc), str(precision), "-" if score is against else
                     f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"])
    heads = map(Column, ("AUC", "precision 20 px", f"AUC less that of {first}"))
    return Table([Column("tracker", kind="name"), *heads], rows).to_markdown()


def environment() -> str:
    """The Python of an environment with OpenCV in the user's cache folder, made where it is not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "siamjax" / "peers"
    python = cache / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = cache / "ready"  # written last: a half-made environment is made again
    if not ready.is_file() or ready.read_text() != " ".join(PACKAGES):
        say(f"making an environment with OpenCV in {cache}")
        venv.create(cache, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        ready.write_text(" ".join(PACKAGES))
    return str(python)


def work() -> None:
    """Runs inside the peers' environment: one tracker's jobs come in as JSON, result files go out."""
    import cv2
    import numpy as np
    from PIL import Image

    task = json.loads(sys.stdin.read())
    cv2.setNumThreads(1)  # a speed that says little of the machine's count of cores
    raw = Path(task["raw"])
    for number, job in enumerate(task["jobs"], 1):
        tracker = make(cv2, task["tracker"], Path(task["peers"]))
        boxes, seconds = [job["box"]], [0.0]
        for index, file in enumerate(job["frames"]):
            # Pillow decodes, as it does for our own trackers: decoders differ by a grey level here and there.
            frame = np.ascontiguousarray(np.asarray(Image.open(file).convert("RGB"))[:, :, ::-1])
            start = time.perf_counter()
            if index == 0:
                if tracker is not None:
                    tracker.init(frame, whole(job["box"]))
                seconds[0] = time.perf_counter() - start
                continue
            box = boxes[-1]
            if tracker is not None:
                found, answer = tracker.update(frame)
                box = [float(value) for value in answer] if found else box  # lost: the last box is held
            seconds.append(time.perf_counter() - start)
            boxes.append(box)
        name = job["sequence"]
        if tracker is not None:  # a box that never moves has no speed
            write(raw / f"{name}_time.txt", [f"{value:.8f}" for value in seconds])
        write(raw / f"{name}.txt", [",".join(f"{value:.4f}" for value in box) for box in boxes])
        spent = sum(seconds[1:])
        rate = f", {(len(boxes) - 1) / spent:.1f} frames/s" if tracker is not None and spent else ""
        say(f"{task['tracker']}: {number}/{len(task['jobs'])} {name}{rate}")


def make(cv2, name: str, peers: Path):
    """A new tracker with its default settings; None for the box that never moves."""
    if name == "NanoTrackV2":
        params = cv2.TrackerNano_Params()
        params.backbone = str(peers / "nanotrackv2_backbone.onnx")
        params.neckhead = str(peers / "nanotrackv2_head.onnx")
        return cv2.TrackerNano_create(params)
    return None if name == "still" else getattr(cv2, f"Tracker{name}_create")()


def whole(box: list[float]) -> tuple[int, ...]:
    """A box in whole pixels: OpenCV's trackers take no others."""
    return tuple(max(1, round(value)) if i > 1 else round(value) for i, value in enumerate(box))


def write(path: Path, lines: list[str]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text("".join(f"{line}\n" for line in lines))
    partial.replace(path)


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    work() if WORKER in sys.argv else main()
