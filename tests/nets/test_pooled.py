import jax
import jax.numpy as jnp
import numpy as np

from siamjax.nets.pooled import PooledHead, pool


def test_margin_leaves_rims_out_where_there_is_room():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(pool(x, 1), [[7.5]])
    np.testing.assert_allclose(pool(x.at[:, 0].set(99.0), 1), [[7.5]])
    small = jnp.arange(4.0).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(pool((x, small), 1), [[7.5, 1.5]])


def test_the_mean_is_taken_off_before_the_length():
    x = jnp.array([3.0, 5.0]).reshape(1, 1, 1, 2)
    head = PooledHead()
    params = head.init(jax.random.key(0), x)
    assert jax.tree.map(jnp.shape, params) == {"params": {"mean": (2,)}}
    np.testing.assert_allclose(head.apply({"params": {"mean": jnp.array([0.0, 1.0])}}, x), [[0.6, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(PooledHead(centred=False).apply({}, x), [[-np.sqrt(0.5), np.sqrt(0.5)]], rtol=1e-6)
