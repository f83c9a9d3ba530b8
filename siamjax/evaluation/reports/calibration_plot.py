"""Reliability diagrams as a PNG: what scores claim against what came true, and how many claims there were."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from siamjax import outputs
from siamjax.evaluation.metrics.calibration import Reliability


def save_diagrams(path: Path, diagrams: Mapping[str, Reliability], *, title: str, x_label: str = "score") -> None:
    """Writes diagrams side by side, each with its expected calibration error.

    Args:
      path: PNG file to write.
      diagrams: by what they are called, e.g. before and after.
      title: of the whole.
      x_label: what claims are.
    Raises:
      OutputError: the file cannot be written.
    """
    figure = Figure(figsize=(3.4 * len(diagrams), 3.9), layout="constrained", dpi=150)
    figure.suptitle(title, fontsize=10)
    for number, (name, diagram) in enumerate(diagrams.items()):
        axes = figure.add_subplot(1, len(diagrams), number + 1)
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        axes.plot(diagram.claimed, diagram.came_true, color="#0072b2", linewidth=1.2)
        area = 12 + 240 * diagram.count / diagram.count.sum()
        axes.scatter(diagram.claimed, diagram.came_true, area, color="#0072b2", zorder=3)
        for x, y, count in zip(diagram.claimed, diagram.came_true, diagram.count):
            below = y > 0.5
            axes.annotate(str(int(count)), (float(x), float(y)), (0, -13 if below else 9), textcoords="offset points",
                          ha="center", fontsize=6, color="0.35")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.06, 1.06), xlabel=x_label,
                 ylabel="share with the target" if number == 0 else "", xticks=np.linspace(0, 1, 6))
        axes.set_title(f"{name}: error {diagram.error:.3f}", fontsize=9)
        axes.set_aspect("equal")
    outputs.check_folder(path.parent)
    with outputs.whole_file(path, "wb") as file:
        figure.savefig(file, format="png")
