"""unitgain's compiled core. The public API is the package around it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array: TypeAlias = NDArray[Any]  # float32 or float64, where nothing else is said

__version__: str

# runtime
def active_variant() -> str: ...
def variants() -> list[tuple[str, str]]: ...
def set_reproducible(on: bool) -> None: ...
def is_reproducible() -> bool: ...
def set_num_threads(threads: int) -> None: ...
def num_threads() -> int: ...
def set_thread_override(threads: int) -> int: ...
def set_threading_layer(name: str) -> None: ...
def threading_layer() -> str: ...
def threading_layers() -> list[str]: ...
def set_float32_matmul_precision(precision: str) -> None: ...
def float32_matmul_precision() -> str: ...
def set_precision_override(precision: str | None) -> str | None: ...
def cache_memory() -> int: ...
def cache_limit() -> int: ...
def set_cache_limit(limit: int) -> None: ...
def clear_cache() -> None: ...
def peak_rates(threads: int) -> dict[str, float]: ...
def read_rate(bytes: int, threads: int) -> float: ...
def empty(shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]: ...

# random
def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]: ...
def fill_uniform(array: _Array, key: int, stream: int, low: float, high: float) -> None: ...
def fill_normal(array: _Array, key: int, stream: int, mean: float, deviation: float) -> None: ...
def fill_truncated_normal(
    array: _Array, key: int, stream: int, mean: float, deviation: float
) -> None: ...
def permutation(n: int, key: int, stream: int) -> NDArray[np.int64]: ...
def noise(name: str, parameters: Sequence[float], x: _Array, key: int, stream: int) -> _Array: ...
def noise_gradient(
    name: str, parameters: Sequence[float], x: _Array, upstream: _Array, key: int, stream: int
) -> _Array: ...

# operations
def matmul(
    a: ArrayLike | PackedMatrix,
    b: ArrayLike | PackedMatrix,
    /,
    out: _Array | None = None,
    *,
    bias: ArrayLike | None = None,
    activation: str | None = None,
    precision: str | None = None,
) -> Any: ...  # an array, or a scalar for two vectors
def quantize_columns(kernel: _Array, name: str) -> tuple[_Array, _Array]: ...

class PackedMatrix:
    def __init__(self, weights: ArrayLike, precision: str | None = None) -> None: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def precision(self) -> str: ...
    @property
    def nbytes(self) -> int: ...
    def unpack(self) -> _Array: ...
    def __rmatmul__(self, x: ArrayLike) -> Any: ...

# activations
def activation_table() -> dict[str, tuple[str, dict[str, float]]]: ...
def check_activation(name: str, parameters: Mapping[str, float] = ...) -> None: ...
def activation(
    name: str, x: object, out: _Array | None = None, parameters: Mapping[str, float] = ...
) -> _Array: ...
def activation_gradient(
    name: str,
    x: object,
    upstream: object,
    out: _Array | None = None,
    parameters: Mapping[str, float] = ...,
) -> _Array: ...
def prelu(x: _Array, alpha: _Array, out: _Array) -> None: ...
def prelu_gradient(
    x: _Array, alpha: _Array, upstream: _Array, gradient: _Array, alpha_gradient: _Array
) -> None: ...
def along_axis(name: str, x: object, axis: int, out: _Array | None = None) -> _Array: ...
def gradient_along_axis(name: str, x: object, upstream: object, axis: int) -> _Array: ...

# networks
def class_labels(
    y: NDArray[Any], classes: int, ignored: int | None = None
) -> NDArray[np.int32] | None: ...

class Expression:
    def __init__(self, program: str) -> None: ...
    def run(self, inputs: Sequence[_Array], batch: int, is_double: bool) -> list[_Array]: ...

class OutputLoss:
    def __init__(
        self,
        loss: LossSpec | None,
        metrics: Sequence[MetricSpec] = ...,
        weight: float = 1.0,
        compute: Callable[[Any, Any, bool, Any], tuple[Any, Any]]
        | tuple[Expression, Expression]
        | None = None,
        joins_rows: bool = False,
    ) -> None: ...

class Totals:
    def __init__(self) -> None: ...
    @property
    def samples(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def weight(self) -> float: ...
    @property
    def batches(self) -> int: ...
    @property
    def diverged(self) -> bool: ...
    @property
    def metrics(self) -> list[NDArray[np.float64]]: ...
    @property
    def outputs(self) -> list[Totals]: ...
    @property
    def penalty(self) -> float: ...

class TrainingRun: ...

def train_together(runs: Sequence[TrainingRun]) -> list[list[Totals]]: ...
def column_totals(
    sums: Sequence[NDArray[np.float64]], rows: Sequence[int], tolerance: float
) -> NDArray[np.float64]: ...  # ColumnTotals of unitgain/signals.hpp, a row each

loss_names: tuple[str, ...]  # of unitgain/rows/loss.hpp

class LossSpec:
    def __init__(
        self,
        name: str,
        *,
        reduction: str = "mean",
        ignore_class: int | None = None,
        **parameters: float,  # of unitgain/rows/loss.hpp
    ) -> None: ...
    @property
    def takes_labels(self) -> bool: ...
    @property
    def takes_signs(self) -> bool: ...

metric_names: tuple[str, ...]  # of unitgain/rows/metric.hpp

class MetricSpec:
    def __init__(
        self,
        kind: str,
        takes_labels: bool = False,
        weighted: bool = False,
        loss: LossSpec | None = None,
        threshold: float = 0.5,
        k: int = 0,
        thresholds: Sequence[float] = ...,
        class_id: int | None = None,
        by_column: bool = False,
        from_logits: bool = False,
        clips: bool = False,
        column_weights: Sequence[float] = ...,
        update: Callable[..., Sequence[float] | None] | Expression | None = None,
        reset: Callable[[], None] | None = None,
        sums: int = 0,
    ) -> None: ...
    def sums(self, cols: int) -> int: ...
    def check(self, cols: int) -> None: ...

def add_metric(
    spec: MetricSpec,
    sums: NDArray[np.float64],
    y_true: _Array,
    y_pred: _Array,
    weights: NDArray[np.float64] | None,
) -> None: ...

class Mixing:
    none: ClassVar[Mixing]
    blend: ClassVar[Mixing]
    features: ClassVar[Mixing]
    box: ClassVar[Mixing]

class MixSpec:
    def __init__(
        self,
        kind: Mixing = ...,
        alpha: float = 1.0,
        key: int = 0,
        height: int = 0,
        width: int = 0,
    ) -> None: ...

def loss(
    spec: LossSpec,
    y_true: object,
    y_pred: object,
    sample_weight: NDArray[np.float64] | None,
    with_gradient: bool,
    out: _Array | None = None,
) -> tuple[Any, Any]: ...  # the value, a float or an array; the gradient, or None

class Clipping:
    none: ClassVar[Clipping]
    value: ClassVar[Clipping]
    norm: ClassVar[Clipping]
    global_norm: ClassVar[Clipping]

class PenaltySpec:
    def __init__(
        self,
        l1: float = 0.0,
        l2: float = 0.0,
        orthogonal: float = 0.0,
        columns: bool = False,
        custom: Callable[[], tuple[float, _Array]] | tuple[Expression, _Array] | None = None,
    ) -> None: ...

class ConstraintKind:
    none: ClassVar[ConstraintKind]
    non_negative: ClassVar[ConstraintKind]
    norm: ClassVar[ConstraintKind]
    custom: ClassVar[ConstraintKind]

class ConstraintSpec:
    def __init__(
        self,
        kind: ConstraintKind = ...,
        axes: Sequence[int] = ...,
        least: float = 0.0,
        most: float = ...,
        rate: float = 1.0,
        custom: Callable[[], None] | None = None,
    ) -> None: ...

class UpdateOptions:
    def __init__(
        self,
        decay: bool = True,
        orthogonalize: bool = True,
        rate: float = 1.0,
        penalty: PenaltySpec = ...,
        constraint: ConstraintSpec = ...,
    ) -> None: ...

class ScheduleKind:
    none: ClassVar[ScheduleKind]
    exponential: ClassVar[ScheduleKind]
    inverse_time: ClassVar[ScheduleKind]
    piecewise: ClassVar[ScheduleKind]
    polynomial: ClassVar[ScheduleKind]
    cosine: ClassVar[ScheduleKind]
    restarts: ClassVar[ScheduleKind]
    phases: ClassVar[ScheduleKind]
    custom: ClassVar[ScheduleKind]

class ScheduleSpec:
    def __init__(
        self, kind: ScheduleKind = ..., initial: float = 0.0, steps: float = 1.0
    ) -> None: ...
    factor: float
    staircase: bool
    end: float
    power: float
    cycle: bool
    warmup_steps: float
    warmup_target: float
    times_steps: float
    times_rate: float
    boundaries: list[float]
    values: list[float]
    momenta: list[float]
    linear: bool
    function: Callable[[int], float] | None
    def check(self) -> None: ...
    def rate(self, step: int) -> float: ...
    def momentum(self, step: int) -> float: ...

optimizer_names: tuple[str, ...]  # of unitgain/rows/optimizer.hpp

class OptimizerSpec:
    # The parameters are those of unitgain/rows/optimizer.hpp.
    def __init__(self, kind: str, learning_rate: float, **parameters: float) -> None: ...
    schedule: ScheduleSpec
    clipping: Clipping
    clip: float
    weight_decay: float
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int
    accumulation_steps: int
    loss_scale: float
    scale_growth_steps: int

# Called with the batches done and the sums so far; what it raises ends the pass.
_Progress: TypeAlias = Callable[[Totals], object]

class _Parameter:
    def __init__(self, name: str, shape: Sequence[int]) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def array(self) -> _Array: ...

class _Graph:
    training: bool | None
    def __init__(self) -> None: ...
    @property
    def kinds(self) -> list[str]: ...
    @staticmethod
    def from_description(
        description: Mapping[str, Any], parameters: Mapping[str, _Parameter]
    ) -> _Graph: ...
    def add_node(
        self, description: Mapping[str, Any], parameters: Mapping[str, _Parameter]
    ) -> int: ...
    def input(self, rows: int, cols: int) -> int: ...
    def dense(
        self, x: int, kernel: _Parameter, bias: _Parameter | None, trainable: bool
    ) -> int: ...
    def batch_norm(
        self,
        inputs: Sequence[int],
        gamma: _Parameter | None,
        beta: _Parameter | None,
        moving_mean: _Parameter,
        moving_variance: _Parameter,
        moving_deviation: _Parameter | None = None,
        renorm_mean: _Parameter | None = None,
        renorm_deviation: _Parameter | None = None,
        *,
        momentum: float,
        epsilon: float,
        synchronized: int = ...,
        renorm: Sequence[float] = ...,
        trainable: bool,
    ) -> int: ...
    def activation(self, x: int, name: str, parameters: Sequence[float] = ...) -> int: ...
    def prelu(self, x: int, alpha: _Parameter, rows: int, cols: int, trainable: bool) -> int: ...
    def cluster_distance(
        self, x: int, centers: _Parameter, bandwidth: _Parameter, form: str, trainable: bool
    ) -> int: ...
    def softmax(self, x: int) -> int: ...
    def layer_norm(
        self,
        x: int,
        gamma: _Parameter | None,
        beta: _Parameter | None,
        epsilon: float,
        trainable: bool,
    ) -> int: ...
    def transpose(self, x: int, rows: int) -> int: ...
    def noise(
        self,
        x: int,
        name: str,
        parameters: Sequence[float],
        key: int,
        sizes: Sequence[int] = ...,
        shared_axes: Sequence[int] = ...,
    ) -> int: ...
    def differs(self, x: int, value: float) -> int: ...
    def keep_where(self, inputs: Sequence[int], fill: float) -> int: ...
    def activity(self, x: int, l1: float, l2: float) -> int: ...
    def log_softmax(self, x: int) -> int: ...
    def reshape(self, x: int, rows: int, cols: int) -> int: ...
    def rms_norm(
        self, x: int, scale: _Parameter | None, epsilon: float, trainable: bool
    ) -> int: ...
    def unit_norm(self, x: int, epsilon: float) -> int: ...
    def glu(self, x: int) -> int: ...
    def embedding(self, x: int, embeddings: _Parameter, trainable: bool) -> int: ...
    def add(self, inputs: Sequence[int]) -> int: ...
    def multiply(self, inputs: Sequence[int]) -> int: ...
    def maximum(self, inputs: Sequence[int]) -> int: ...
    def minimum(self, inputs: Sequence[int]) -> int: ...
    def dot(self, inputs: Sequence[int]) -> int: ...
    def concatenate(self, inputs: Sequence[int]) -> int: ...
    def custom(
        self,
        inputs: Sequence[int],
        rows: int,
        cols: int,
        parameters: Sequence[_Parameter],
        forward: Callable[[list[_Array], bool], _Array],
        backward: Callable[
            [_Array, list[_Array], _Array], tuple[list[_Array | None], list[_Array | None]]
        ],
        trainable: bool,
    ) -> int: ...
    def expression(
        self,
        inputs: Sequence[int],
        rows: int,
        cols: int,
        parameters: Sequence[_Parameter],
        infer: tuple[Expression, Expression | None, Expression | None, bool],
        train: tuple[Expression, Expression | None, Expression | None, bool],
        trainable: bool,
    ) -> int: ...

# One array, or one for each input or output.
_Arrays: TypeAlias = _Array | Iterable[_Array | None]

class Still:
    def __init__(self, arrays: Sequence[_Array] | None = None) -> None: ...
    def hold(self, longest_wait: float | None = None) -> None: ...
    def release(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *error: object) -> None: ...

# number, rows, whether saturation was counted, sums of values and gradients, histogram
_NodeSignal = tuple[
    int,
    int,
    bool,
    NDArray[np.float64],
    NDArray[np.float64] | None,
    NDArray[np.float64] | None,
]
# the loss, the nodes, and the norms of each parameter's gradient, values and update
_Signals = tuple[float, list[_NodeSignal], NDArray[np.float64]]

class _Network:
    def __init__(self, graph: _Graph, outputs: int | Sequence[int]) -> None: ...
    def caller(self) -> Callable[[Any], _Array | None] | None: ...
    def forward(self, x: _Arrays) -> Any: ...
    def frozen(self, precision: str | None = None) -> _Network: ...
    def input_gradients(
        self, x: _Arrays, upstream: Sequence[_Array | None], batch_size: int
    ) -> list[_Array]: ...
    def jacobian(self, x: _Arrays, output: int, batch_size: int) -> list[_Array]: ...
    def predict(
        self,
        x: _Arrays,
        batch_size: int,
        progress: _Progress | None = None,
        every_batch: bool = False,
        out: _Array | None = None,
    ) -> Any: ...
    def spread(self, x: _Arrays, passes: int, batch_size: int) -> tuple[Any, Any]: ...
    def compile(
        self,
        optimizer: OptimizerSpec,
        losses: Sequence[OutputLoss],
        options: Sequence[UpdateOptions] = ...,
    ) -> None: ...
    def set_options(self, options: Sequence[UpdateOptions]) -> None: ...
    def memory(self, batch: int, training: bool) -> int: ...
    def finalize(self) -> None: ...
    def train(
        self,
        x: _Arrays,
        y: _Arrays,
        order: NDArray[np.int64] | None,
        batch_size: int,
        progress: _Progress | None = None,
        mix: MixSpec = ...,
        weights: _Arrays | None = None,
        every_batch: bool = False,
        stops_at_nan: bool = False,
        before: Totals = ...,
        share: tuple[int, int] = ...,
    ) -> Totals: ...
    def training_run(
        self,
        x: _Arrays,
        y: _Arrays,
        order: NDArray[np.int64] | None,
        batch_size: int,
        mix: MixSpec = ...,
        weights: _Arrays | None = None,
        stops_at_nan: bool = False,
        epochs: int = 1,
        shuffles: Sequence[tuple[int, int]] = (),
    ) -> TrainingRun: ...
    def evaluate(
        self,
        x: _Arrays,
        y: _Arrays,
        batch_size: int,
        progress: _Progress | None = None,
        weights: _Arrays | None = None,
        every_batch: bool = False,
        before: Totals = ...,
    ) -> Totals: ...
    def gradients(
        self, x: _Arrays, y: _Arrays, weights: _Arrays | None = None
    ) -> tuple[Totals, list[_Array]]: ...
    def signals(
        self, x: _Arrays, y: _Arrays, weights: _Arrays | None = None
    ) -> tuple[_Signals, list[_Array]]: ...
    def monitor(self, every: int, tell: Callable[[_Signals, int], object] | None) -> None: ...
    def continue_training(self, whole: _Network) -> None: ...
    def distribute(self, communicator: _Communicator | None, blocks: int) -> None: ...
    def assign(self, parameters: Sequence[_Parameter], arrays: Sequence[_Array]) -> None: ...
    @property
    def trainable(self) -> list[_Parameter]: ...
    @property
    def parameters(self) -> list[_Parameter]: ...
    def describe(
        self, named: Mapping[str, _Parameter | None]
    ) -> tuple[dict[str, Any], dict[str, _Parameter]] | None: ...
    step: int
    learning_rate: float
    @property
    def iterations(self) -> int: ...

class _Optimizer:
    def __init__(
        self,
        spec: OptimizerSpec,
        arrays: Sequence[_Array],
        options: Sequence[UpdateOptions] = ...,
    ) -> None: ...
    def apply(self, gradients: Sequence[_Array | None], threads: int = 0) -> int: ...
    def finalize(self, array: int) -> None: ...
    def state(self) -> list[list[tuple[str, _Array]]]: ...
    learning_rate: float
    loss_scale: float
    scaled_steps: int
    iterations: int

class _Exchange(Protocol):
    def Test(self) -> bool: ...  # noqa: N802
    def Wait(self) -> object: ...  # noqa: N802

class _Communicator(Protocol):
    rank: int
    size: int
    def broadcast(self, data: memoryview, root: int) -> None: ...
    def start_all_to_all(
        self,
        sent: memoryview,
        sent_bytes: Sequence[int],
        received: memoryview,
        received_bytes: Sequence[int],
    ) -> _Exchange: ...
    def start_all_gather(self, data: memoryview, sizes: Sequence[int]) -> _Exchange: ...

class _NetworkTypes(Protocol):
    """A submodule: the classes for networks of one dtype."""

    Parameter: type[_Parameter]
    Graph: type[_Graph]
    Network: type[_Network]
    Optimizer: type[_Optimizer]
    def optimizer_of(self, network: _Network) -> _Optimizer: ...
    def mix(self, x: _Array, y: _Array, mix: MixSpec, step: int) -> tuple[_Array, _Array]: ...

float32: _NetworkTypes
float64: _NetworkTypes

# linear algebra
def svd(a: _Array, full_matrices: bool, compute_uv: bool) -> Any: ...  # (u, s, vt), or s alone
def pinv(a: _Array, rcond: NDArray[np.float64], by_svd: bool) -> _Array: ...

class QrMode:
    reduced: ClassVar[QrMode]
    complete: ClassVar[QrMode]
    r: ClassVar[QrMode]
    raw: ClassVar[QrMode]

def qr(a: _Array, mode: QrMode) -> Any: ...  # (q, r), r alone, or (h, tau)
def cholesky(a: _Array, upper: bool) -> _Array: ...
def lstsq(
    a: _Array, b: _Array, rcond: float
) -> tuple[_Array, _Array, NDArray[np.int64], _Array]: ...  # x, residuals, ranks, s

# single operations, for tests
class _Ops(Protocol):
    def column_sums(self, x: _Array, *, threads: int = 1) -> _Array: ...
    def cross_entropy(
        self,
        rows: _Array,
        labels: NDArray[np.int32],
        scale: float,
        *,
        threads: int = 1,
        from_logits: bool = True,
        with_gradient: bool = True,
    ) -> tuple[NDArray[np.float64], NDArray[np.int32], _Array | None]: ...
    def softmax(
        self,
        x: _Array,
        axis: int,
        *,
        logarithm: bool = False,
        upstream: _Array | None = None,
        threads: int = 1,
    ) -> _Array: ...
    def batch_norm_train(
        self,
        x: _Array,
        gamma: _Array | None,
        beta: _Array | None,
        epsilon: float,
        momentum: float,
        moving_mean: _Array,
        moving_variance: _Array,
        *,
        threads: int = 1,
    ) -> tuple[_Array, _Array, _Array, _Array]: ...
    def batch_norm_infer(
        self,
        x: _Array,
        gamma: _Array | None,
        beta: _Array | None,
        epsilon: float,
        moving_mean: _Array,
        moving_variance: _Array,
        *,
        threads: int = 1,
    ) -> _Array: ...
    def batch_norm_gradient(
        self,
        x: _Array,
        upstream: _Array,
        gamma: _Array | None,
        mean: _Array,
        residual: _Array,
        inverse_deviation: _Array,
        *,
        with_gradient: bool = True,
        threads: int = 1,
    ) -> tuple[_Array | None, _Array, _Array]: ...
    def layer_norm(
        self,
        x: _Array,
        upstream: _Array,
        gamma: _Array | None,
        beta: _Array | None,
        epsilon: float,
        *,
        threads: int = 1,
    ) -> tuple[_Array, _Array, _Array, _Array]: ...
    def transpose(
        self, x: _Array, outer: int, rows: int, cols: int, *, threads: int = 1
    ) -> _Array: ...

ops: _Ops

# clustering; samples have contiguous rows, and all arrays are of one dtype
def find_non_finite(x: _Array) -> tuple[int, int] | None: ...
def kmeans_lloyd(
    x: _Array,
    weights: _Array | None,
    centers: _Array,
    labels: NDArray[np.int32],
    most_iterations: int,
    tolerance: float,
    is_last: bool,
) -> tuple[int, bool, bool]: ...  # iterations, whether stable, whether within the tolerance
def kmeans_assign(
    x: _Array, weights: _Array | None, centers: _Array, squares: bool, sums: bool
) -> tuple[NDArray[np.int32], _Array, NDArray[np.float64], NDArray[np.float64]]: ...
def kmeans_inertia(
    x: _Array, weights: _Array | None, centers: _Array, labels: NDArray[np.int32]
) -> float: ...
def kmeans_seed(
    x: _Array, weights: _Array | None, clusters: int, trials: int, key: int, stream: int
) -> tuple[_Array, NDArray[np.int64]]: ...
def cluster_affinities(x: _Array, centers: _Array, affinity: str, bandwidth: float) -> _Array: ...
def silhouettes(x: _Array, starts: NDArray[np.int64]) -> _Array: ...

# calibration; arrays of one value a row, or of logits with one column a class
def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int32]) -> float: ...
def fit_vector_scaling(
    logits: NDArray[np.float64], labels: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...  # scale and offset
def fit_sigmoid(z: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]: ...
def fit_isotonic(
    z: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...  # points and values
