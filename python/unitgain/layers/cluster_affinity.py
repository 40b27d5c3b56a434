"""ClusterAffinity: what samples are to cluster centres, within a model."""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from unitgain import initializers
from unitgain.cluster import KMeans
from unitgain.cluster.affinity import checked_affinity, checked_bandwidth
from unitgain.cluster.samples import Seed, checked_count
from unitgain.graph.native import NativeGraph
from unitgain.initializers import Constant
from unitgain.layers.base import Layer, SampleShape, Variable
from unitgain.layers.preprocessing import batches_of_numbers

__all__ = ["ClusterAffinity"]

# The native node's form, and the activation behind it.
_NODES = {
    "distance": ("distance", None),
    "rbf": ("exponent", "exponential"),
    "soft": ("exponent", "softmax"),
    "one_hot": ("one_hot", None),
}


class ClusterAffinity(Layer):
    """Affinities of each sample to ``n_clusters`` centres, along the last axis.

    ``adapt`` takes centres and bandwidth from data, by :class:`unitgain.cluster.KMeans`; they are
    weights, so that a saved model holds them. Training leaves them as they are, unless the layer is
    ``trainable``: then it moves the centres. The bandwidth is never trained. The layer's arithmetic
    is native, and so is its gradient; ``one_hot`` has none.

    Args:
        n_clusters: how many centres.
        affinity: of the distance d from a centre and the bandwidth h, ``"rbf"``:
            ``exp(-d**2 / (2 h**2))``; ``"soft"``: these over their sum; ``"distance"``: d;
            ``"one_hot"``: 1 for the nearest centre and 0 for the others.
        bandwidth: h; ``"auto"``: ``adapt`` takes the root mean square of the samples' distances
            from their own centres, and before it is 1.
        centers_initializer: makes the centres that there are without ``adapt``.
        name: what the layer is called.
        trainable: whether training may change the centres.

    Raises:
        ValueError: if an argument is out of its range, or there is no such affinity.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> layer = ug.layers.ClusterAffinity(2, "one_hot")
    >>> layer.adapt(np.array([[0.0], [0.1], [7.0], [7.1]]), random_state=0)
    >>> model = ug.Sequential([ug.layers.Input((1,)), layer])
    >>> model(np.array([[0.2], [6.0]])).sum(axis=1)
    array([1., 1.], dtype=float32)
    """

    def __init__(
        self,
        n_clusters: SupportsIndex,
        affinity: str = "rbf",
        bandwidth: float | str = "auto",
        centers_initializer: initializers.InitializerLike = "random_normal",
        name: str | None = None,
        trainable: bool = False,
        **keywords: Any,
    ) -> None:
        super().__init__(name, trainable, **keywords)
        self.n_clusters = checked_count(n_clusters, "n_clusters")
        self.affinity = checked_affinity(affinity)
        width = checked_bandwidth(bandwidth)
        self.bandwidth = "auto" if width is None else width
        self.centers_initializer = initializers.get(centers_initializer)
        self._centers: Variable
        self._width: Variable

    @property
    def centers(self) -> NDArray[Any]:
        """The centres, (n_clusters, features)."""
        return self._centers.numpy()

    @property
    def is_adaptable(self) -> bool:
        """Whether :meth:`adapt` may be called: always."""
        return True

    def compute_output_shape(self, input_shape: SampleShape) -> SampleShape:
        """Return the input's shape with ``n_clusters`` in place of the features."""
        return (*input_shape[:-1], self.n_clusters)

    def build(self, input_shape: SampleShape) -> None:
        """Make the centres and the bandwidth."""
        self._centers = self.add_weight(
            (self.n_clusters, input_shape[-1]), self.centers_initializer, name="centers"
        )
        width = 1.0 if isinstance(self.bandwidth, str) else self.bandwidth
        self._width = self.add_weight((1,), Constant(width), trainable=False, name="bandwidth")

    def ensure_built(self, input_shape: SampleShape, dtype: str) -> None:
        """Build the layer, or make its weights another dtype's: adapt may come before the model."""
        if self.built and self.dtype != dtype:
            values = self.get_weights()
            self.weights.clear()
            self.dtype = dtype
            self.build(input_shape)
            self.set_weights(values)
        super().ensure_built(input_shape, dtype)

    def adapt(self, data: Any, random_state: Seed = None, **keywords: Any) -> None:
        """Take centres, and the bandwidth if it is ``"auto"``, from data.

        Args:
            data: samples, ``(samples, *input_shape)``, or an iterable of batches of them, without
                targets. All are held in memory.
            random_state: an integer that always gives the same centres from the same data.
            keywords: further arguments of :class:`unitgain.cluster.KMeans`.

        Raises:
            ValueError: if there are fewer samples than clusters, or targets beside them.
            TypeError: if there is anything but numbers.
        """
        batches = list(batches_of_numbers(data))
        if not batches:
            raise ValueError("data has no samples")
        shape = batches[0].shape[1:] or (1,)
        samples = np.concatenate([batch.reshape(-1, shape[-1]) for batch in batches])
        if not self.built:
            self.ensure_built(shape, self.dtype)
        model = KMeans(self.n_clusters, random_state=random_state, **keywords)
        model.fit(samples.astype(self.dtype, copy=False))
        self._centers.assign(model.cluster_centers_)
        if isinstance(self.bandwidth, str):
            self._width.assign(np.array([model.bandwidth_]))

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add the distances' node, and what makes an affinity of them."""
        form, activation = _NODES[self.affinity]
        made = graph.cluster_distance(
            node, self._centers.parameter, self._width.parameter, form, self.trainable
        )
        if activation == "softmax":
            made = graph.softmax(made)
        elif activation is not None:
            made = graph.activation(made, activation)
        return int(made)
