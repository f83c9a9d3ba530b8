import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import ConfigError
from siamjax.ops import losses
from siamjax.training.objectives import LogisticObjective
from siamjax.types import TrainPair


def pair(exemplar_centre=(63.5, 63.5), search_centre=(119.5, 119.5), similar=True):
    def box(centre):
        return jnp.array([[centre[0] - 10, centre[1] - 15, 20, 30]], jnp.float32)

    return TrainPair(jnp.zeros((1, 127, 127, 3)), jnp.zeros((1, 239, 239, 3)), box(exemplar_centre),
                     box(search_centre), jnp.array([similar]), jnp.zeros(1, jnp.int32),
                     jax.random.split(jax.random.key(0), 1))


def peak_at(x, y):
    return jnp.zeros((1, 15, 15)).at[0, 7 + y, 7 + x].set(9.0)


@pytest.mark.parametrize(("exemplar", "search", "peak"), [
    ((63.5, 63.5), (119.5, 119.5), (0, 0)), ((63.5, 63.5), (135.5, 111.5), (2, -1)),
    ((71.5, 55.5), (119.5, 119.5), (-1, 1)), ((71.5, 63.5), (127.5, 119.5), (0, 0))])
def test_boxes_say_where_the_peak_belongs(exemplar, search, peak):
    """A target moved in the search moves the peak with it; one moved in the exemplar, against it."""
    _, metrics = LogisticObjective(centre="box")(peak_at(*peak), pair(exemplar, search))
    assert float(metrics["centre_error"]) == 0
    labels_there = LogisticObjective(centre="box", positive_radius=1)(peak_at(*peak), pair(exemplar, search))
    assert float(labels_there[1]["positive"]) == 9


def test_error_of_the_peak_is_in_search_pixels():
    _, metrics = LogisticObjective(centre="box")(peak_at(3, 4), pair())
    assert float(metrics["centre_error"]) == 40


def test_reference_takes_the_middle_whatever_the_boxes_say():
    shifted = pair(search_centre=(123.5, 119.5))
    one, other = (LogisticObjective(centre="crop")(peak_at(0, 0), p)[0] for p in (shifted, pair()))
    assert float(one) == float(other)


def test_negative_pair_has_no_positive_cell():
    response = jnp.linspace(-1, 1, 225).reshape(1, 15, 15)
    loss, metrics = LogisticObjective()(response, pair(similar=False))
    np.testing.assert_allclose(loss, losses.logistic(response, jnp.zeros_like(response)).mean(), rtol=1e-6)
    assert float(metrics["positive"]) == 0
    assert float(metrics["centre_error"]) == 0


def test_another_loss_can_be_given():
    response = jnp.linspace(-1, 1, 225).reshape(1, 15, 15)
    focal = LogisticObjective(loss=losses.focal)(response, pair())[0]
    assert float(focal) != float(LogisticObjective()(response, pair())[0])


def test_settings_out_of_range_are_errors():
    with pytest.raises(ConfigError, match="centre"):
        LogisticObjective(centre="middle")
    with pytest.raises(ConfigError, match="stride"):
        LogisticObjective(stride=0)
