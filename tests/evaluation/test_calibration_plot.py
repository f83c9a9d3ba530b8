from __future__ import annotations

import numpy as np
from PIL import Image

from siamjax.evaluation.metrics.calibration import reliability
from siamjax.evaluation.reports.calibration_plot import save_diagrams


def test_diagrams_stand_side_by_side_in_one_picture(tmp_path):
    claims = np.linspace(0.01, 0.99, 50)
    diagram = reliability(claims, claims > 0.5)
    save_diagrams(tmp_path / "one.png", {"before": diagram}, title="one")
    save_diagrams(tmp_path / "new" / "two.png", {"before": diagram, "after": diagram}, title="two")
    one, two = (np.asarray(Image.open(path)) for path in (tmp_path / "one.png", tmp_path / "new" / "two.png"))
    assert two.shape[1] == 2 * one.shape[1]
    assert one[..., :3].std() > 5  # something is drawn
