"""Figures of trackers known by hand, and the reports made of them."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import os
import re
import shutil
import subprocess
from importlib import resources

import numpy as np
import pytest

from siamjax.errors import DataError
from siamjax.evaluation import runner
from siamjax.evaluation.files import results
from siamjax.evaluation.protocols.base import ranked
from siamjax.evaluation.protocols.one_pass import OnePass, summary
from siamjax.evaluation.reports import plots
from siamjax.evaluation.reports.table import Column, Table
from siamjax.ops import metrics

VOID = {"meta", "img", "path", "polyline"}


class Checker(html.parser.HTMLParser):
    """Collects tags and attributes and holds that every tag that opens is closed."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.seen if name == tag]


def units(sequences):
    return OnePass().prepare(sequences)


def write_reports(output, scores, sequences, data_folder, convention=metrics.VISIBLE):
    OnePass(convention).report(scores, units(sequences), data_folder=data_folder, output=output).write(output)


@pytest.fixture
def scored(perfect, still, drifting, fake_track, sequences, data_folder, tmp_path):
    """Scores `[perfect, still, drifting]` from files, under any convention."""
    entries = runner.contenders([still, drifting, perfect], fake_track)
    for entry in entries:
        runner.run(entry, OnePass(), units(sequences), tmp_path / "out", data_folder=data_folder,
                   progress=lambda line: None)

    def score(convention=metrics.VISIBLE):
        return [OnePass(convention).score(tmp_path / "out" / e.name, units(sequences)) for e in entries]

    return score


@pytest.fixture
def written(scored, sequences, data_folder, tmp_path):
    output = tmp_path / "out"
    write_reports(output, scored(), sequences, data_folder)
    return output


def test_scores_are_those_by_hand(scored):
    best, *_, worst = ranked(scored())
    assert (best.name, worst.name) == ("perfect", "drifting")
    assert best.figures.auc == pytest.approx(20 / 21)
    assert best.figures.precision == 1
    assert [row.score.frames for row in best.sequences] == [8, 9, 5]
    still = next(tracker for tracker in scored() if tracker.name == "still")
    # Centre errors: 4 .. 32 px by 4, all under 10 px, 2 .. 10 px.
    assert [row.figures.precision for row in still.sequences] == [pytest.approx(5 / 8), 1, 1]
    assert still.figures.precision == pytest.approx((5 / 8 + 2) / 3)
    overlap = np.mean([(16 - s) / (16 + s) for s in (2, 4, 6, 8, 10)])
    assert still.sequences[2].figures.mean_overlap == pytest.approx(overlap)


def test_conventions_reach_the_scores(scored):
    otb = next(tracker for tracker in scored(metrics.OTB) if tracker.name == "perfect")
    assert [row.score.frames for row in otb.sequences] == [9, 12, 6]
    assert otb.sequences[1].figures.precision == pytest.approx(10 / 12)  # two absent frames are misses
    clipped = next(tracker for tracker in scored(metrics.GOT10K) if tracker.name == "perfect")
    assert clipped.figures.mean_overlap == 1


def test_speed_and_worst_frame(scored):
    perfect, still = scored()[2], scored()[0]
    assert perfect.frames_per_second == pytest.approx(100)
    assert still.sequences[0].worst_frame == 4  # 16 px off: the first without any overlap
    assert still.sequences[2].worst_frame == 5
    assert perfect.sequences[0].worst_frame == 1


def test_results_that_are_missing_are_an_error(scored, sequences, tmp_path):
    scored()
    (tmp_path / "out/still/raw/gone.txt").unlink()
    with pytest.raises(DataError, match="no such result"):
        scored()


def test_the_json_report_has_every_figure(written, scored):
    report = json.loads((written / "report.json").read_text(), parse_constant=pytest.fail)
    assert [tracker["name"] for tracker in report["trackers"]] == ["perfect", "still", "drifting"]
    assert report["data"] | {"folder": ""} == {"name": "data", "folder": "", "sequences": 3, "frames": 27}
    assert report["convention"]["name"] == "visible"
    assert report["seed"] is None
    assert {"siamjax", "jax", "numpy"} <= report["versions"].keys()
    perfect = report["trackers"][0]
    assert perfect["figures"]["auc"] == pytest.approx(20 / 21)
    assert len(perfect["curves"]["success"]) == len(report["thresholds"]["success"]) == 21
    assert [row["name"] for row in perfect["sequences"]] == ["fast", "gone", "slow"]
    assert perfect["sequences"][1]["frames_counted"] == 9
    assert perfect["run"]["model"] == "perfect"


def test_figures_that_do_not_exist_are_null(scored, sequences, data_folder, tmp_path):
    tracker = scored()[0]
    without = dataclasses.replace(
        tracker, sequences=tuple(dataclasses.replace(row, seconds=None) for row in tracker.sequences)
    )
    write_reports(tmp_path, [without], sequences, data_folder)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["trackers"][0]["frames_per_second"] is None
    assert "-" in str(summary([without])).splitlines()[-1].split()


def test_the_page_needs_nothing_from_outside(written):
    text = (written / "report.html").read_text()
    checker = Checker(text)
    assert checker.all("meta")[1]["content"].startswith("default-src 'none'")
    assert not checker.all("script")
    assert not checker.all("link")
    pictures = checker.all("img")
    assert len(pictures) == 9  # three trackers on three sequences
    assert all(picture["src"].startswith("data:image/jpeg;base64,") for picture in pictures)
    assert all(picture["alt"] for picture in pictures)
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text


def test_the_page_can_be_read_aloud(written):
    checker = Checker((written / "report.html").read_text())
    assert checker.all("html")[0]["lang"] == "en"
    assert len(checker.all("caption")) == len(checker.all("table")) == 3
    assert all("scope" in head for head in checker.all("th"))
    drawings = [svg for svg in checker.all("svg") if svg.get("aria-hidden") != "true"]
    assert len(drawings) == 3 + 3  # plots and overlaps over time
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in drawings)
    for word in ("perfect", "drifting", "fast", "0.952", "visible"):
        assert word in checker.text


def test_one_tracker_alone_shows_all_figures(scored, sequences, data_folder, tmp_path):
    write_reports(tmp_path / "out", scored()[2:], sequences, data_folder)
    checker = Checker((tmp_path / "out/report.html").read_text())
    assert len(checker.all("table")) == 2
    assert not [cell for cell in checker.all("td") if "best" in cell.get("class", "")]


@pytest.mark.parametrize("name", metrics.CONVENTIONS)
def test_page_and_json_name_the_convention_and_its_rule(scored, sequences, data_folder, tmp_path, name):
    convention = metrics.CONVENTIONS[name]
    write_reports(tmp_path, scored(convention), sequences, data_folder, convention)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["convention"]["name"], report["convention"]["rule"]) == (name, convention.rule)
    text = Checker((tmp_path / "report.html").read_text()).text
    assert convention.rule in text
    assert f"Convention{name}" in text
    assert ("mean of the curve in the legend" in text) == (convention.normalised_score == "mean")


def test_a_share_above_one_stays_in_its_picture():
    drawn = plots.line_plot("t", "d", "x", "y", [plots.Curve(0, np.arange(3), np.array([0.5, 1.0, 1.4]))])
    heights = [float(point.split(",")[1]) for point in re.search(r'polyline .*points="([^"]*)"', drawn)[1].split()]
    assert heights[1] == heights[2] == plots.TOP < heights[0]
    assert "--share:100.0%" in Table([Column("x", bar=True)], [[1.4]]).to_html()


def test_names_cannot_break_the_page(scored, sequences, data_folder, tmp_path):
    name = '<script>alert("x")</script>&'
    trackers = [dataclasses.replace(tracker, name=name) for tracker in scored()[:2]]
    write_reports(tmp_path, trackers, sequences, data_folder)
    checker = Checker((tmp_path / "report.html").read_text())
    assert not checker.all("script")
    assert name in checker.text


def test_a_frame_that_cannot_be_read_is_said(scored, sequences, data_folder, tmp_path):
    trackers = scored()[:1]
    sequences[0].frames[4].unlink()
    write_reports(tmp_path, trackers, sequences, data_folder)
    checker = Checker((tmp_path / "report.html").read_text())
    assert "cannot be read" in checker.text
    assert len(checker.all("img")) == 2


def test_the_table_is_ranked_and_can_be_markdown(scored):
    lines = str(summary(scored())).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["perfect", "still", "drifting"]
    assert lines[2].split() == ["perfect", "0.952", "1.000", "1.000", "100.0"]
    markdown = summary(scored()).to_markdown().splitlines()
    assert all(line.startswith("| ") and line.endswith(" |") and line.count("|") == 6 for line in markdown)


def test_overlaps_over_time_have_gaps_and_keep_their_lowest():
    values = np.array([1, 0.5, np.nan, np.nan, 0.25])
    drawn = Checker(plots.sparkline([values], [0], "overlaps")).all("polyline")
    assert len(drawn) == 2
    long = np.ones(5000)
    long[1234] = 0.0
    [line] = Checker(plots.sparkline([long], [0], "overlaps")).all("polyline")
    heights = [float(point.split(",")[1]) for point in line["points"].split()]
    assert len(heights) == 200
    assert max(heights) == 37.0  # the bottom
    assert not Checker(plots.sparkline([np.full(4, np.nan)], [0], "overlaps")).all("polyline")


def test_curves_are_drawn_where_their_values_are():
    x = np.linspace(0, 1, 3)
    text = plots.line_plot("t", "d", "x", "y", [plots.Curve(9, x, np.array([1, 0.5, 0]))])
    [line] = Checker(text).all("polyline")
    assert line["points"] == "44.0,12.0 194.0,117.0 344.0,222.0"
    assert line["class"] == "line c1"
    assert line["stroke-dasharray"] == plots.DASHES[1]


def test_every_class_of_the_page_has_a_style(written):
    style = (resources.files("siamjax") / "assets/report.css").read_text()
    used = {
        name
        for _, attributes in Checker((written / "report.html").read_text()).seen
        for name in attributes.get("class", "").split()
    }
    assert used
    assert {name for name in used if f".{name}" not in style} == set()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on PATH")
def test_a_browser_shows_the_page_without_error_or_request(written, tmp_path):
    console, requests = browse(written / "report.html", tmp_path)
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert console == []
    assert requests == []
    # The same look at a page that does both, or it would prove nothing.
    bad = tmp_path / "bad.html"
    bad.write_text('<img src="http://host.invalid/x.png"><script>console.error("oh")</script>')
    console, requests = browse(bad, tmp_path)
    assert "oh" in console[0]
    assert requests == ["http://host.invalid/x.png"]


def browse(file, folder) -> tuple[list[str], list[str]]:
    """Opens a page in a headless browser that can reach no host: console lines, addresses it asked for."""
    log = folder / "net.json"
    flags = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --disable-features=NetworkTimeServiceQuerying "
        "--enable-logging=stderr --v=0 --hide-scrollbars"
    )
    command = ["chromium", *flags.split(), "--host-resolver-rules=MAP * ~NOTFOUND", f"--log-net-log={log}",
               f"--user-data-dir={folder / 'profile'}", f"--screenshot={folder / 'page.png'}"]  # fmt: skip
    done = subprocess.run([*command, file.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in done.stderr.splitlines() if ":CONSOLE:" in line]
    started = (event.get("params", {}) for event in json.loads(log.read_text())["events"])
    # What the browser asks for by itself has "not an origin" there; a page from a file has "null".
    by_page = [start for start in started if start.get("initiator", "not an origin") != "not an origin"]
    return console, [start["url"] for start in by_page if not start["url"].startswith(("file:", "data:"))]


def test_the_reference_run_gives_the_recorded_figure_from_its_files(shared, tmp_path):
    """The whole way from result files to the overall figure, on the reference tracker's boxes."""
    from siamjax.data.readers.folder import read_folder

    (tmp_path / "siamfc_2016/raw").mkdir(parents=True)
    for file in (shared / "golden/real_runs/siamfc_2016").glob("*.txt"):
        shutil.copy(file, tmp_path / "siamfc_2016/raw")
    sequences = read_folder(shared / "sequences")
    score = OnePass().score(tmp_path / "siamfc_2016", units(sequences))
    assert score.figures.auc == pytest.approx(0.702, abs=5e-4)
    assert score.figures.precision == pytest.approx(0.827, abs=5e-4)
    assert results.RECORD not in os.listdir(tmp_path / "siamfc_2016")
