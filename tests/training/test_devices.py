"""What holds between one device and four: each step, in float32; and many steps, in float64.

Over many steps in float32 they part: where rounding decides whether a ReLU is at zero, the gradient takes another way.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import chex
import jax
import pytest

STEPS = 40
CARRIED = ("step", "params", "batch_stats", "opt_state", "ema")

IN_FLOAT64 = """
import sys
import jax
import jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
jnp.float32 = jnp.float64  # of all that flax and siamjax write out; before they are imported
sys.path.insert(0, sys.argv[1])
from siamjax.precision import Precision
Precision.dtype = property(lambda self: jnp.dtype("float64"))
import test_step as steps

step, state = steps.setup(ema=0.9)
assert {leaf.dtype.name for leaf in jax.tree.leaves(state.params)} == {"float64"}
four, one = steps.spread(state, 4), steps.spread(state, 1)
on_four, on_one = steps.mapped(step, 4), steps.mapped(step, 1)  # vmap gives the numbers of pmap, see test_step.py
for number in range(int(sys.argv[2])):
    batch = steps.batch_of(number)
    one, _ = on_one(one, batch)
    four, _ = on_four(four, batch)
change = max(jax.tree.leaves(jax.tree.map(lambda a, b: float(abs(a - b[0]).max()), state.params, one.params)))
apart = max(jax.tree.leaves(jax.tree.map(
    lambda a, b: float((abs(a[0] - b[0]) / (1e-3 + abs(a[0]))).max()), one.params, four.params)))
print(change, apart)
"""


@pytest.fixture(scope="module")
def steps():
    """The net and the batches of test_step.py."""
    spec = importlib.util.spec_from_file_location("steps", Path(__file__).with_name("test_step.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_in_float64_one_device_and_four_agree_after_many_steps():
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}  # optimised: these loops are many
    run = subprocess.run([sys.executable, "-c", IN_FLOAT64, str(Path(__file__).parent), str(STEPS)], text=True,
                         env=environment, capture_output=True, timeout=600)
    assert run.returncode == 0, run.stderr[-3000:]
    change, apart = map(float, run.stdout.split())
    assert change > 1e-3  # it has learned something to differ in
    assert apart < 1e-9


@pytest.mark.parametrize("count", [8, pytest.param(STEPS, marks=pytest.mark.slow)])
def test_in_float32_every_step_of_four_devices_is_that_of_one(steps, count):
    """From the same state each time, so that nothing adds up."""
    step, state = steps.setup(ema=0.9)
    on_one, on_four = steps.mapped(step, 1), steps.mapped(step, 4)
    for number in range(count):
        batch = steps.batch_of(number)
        # A key of its own for each, or JAX takes the second for a reuse.
        one, _ = on_one(steps.spread(state.replace(key=jax.random.key(2)), 1), batch)
        four, _ = on_four(steps.spread(state.replace(key=jax.random.key(2)), 4), batch)
        one, four = ({name: jax.tree.map(lambda leaf: leaf[0], getattr(each, name)) for name in CARRIED}
                     for each in (one, four))
        chex.assert_trees_all_close(one, four, rtol=1e-4, atol=1e-5)
        state = state.replace(**one)
