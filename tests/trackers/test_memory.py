"""A long video tracks in constant memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json
import jax, numpy as np
import siamjax
from siamjax.data.sample import sample_clip
from siamjax.data.video import open_source
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.siamfc import SiamFC
from siamjax.trackers.loop import track_frames
from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker

FRAMES = 20_000
clip, boxes = sample_clip()
peaks = {}

def peak():
    # Not getrusage: its peak is handed down from the process that started this one.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

def looped():
    number = 0
    while True:
        with open_source(clip) as frames:  # opened, decoded and closed anew each time round
            for image in frames:
                if number in (2_000, FRAMES - 1):
                    peaks[number] = peak()
                number += 1
                yield image
                if number == FRAMES:
                    return

net = SiamFC(AlexNet((Stage(2, 11, 16, norm=False, relu=False),), lowering="lax"))
tracker = SiamFCTracker(net, SiamFCConfig(num_scales=1, upsampling=4))
params = net.init(jax.random.key(0), np.zeros((1, 127, 127, 3), np.float32), np.zeros((1, 255, 255, 3), np.float32))
result = track_frames(tracker, params, looped(), boxes[0])[0]
assert len(result.boxes) == FRAMES
print(json.dumps(peaks))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_twenty_thousand_frames_take_the_memory_of_two_thousand():
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=1500, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    early, late = json.loads(run.stdout.splitlines()[-1]).values()
    print(f"peak resident memory {early / 1024:.0f} MB at frame 2,000 and {late / 1024:.0f} MB at frame 20,000")
    assert late <= 1.05 * early
