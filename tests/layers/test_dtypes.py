"""The dtype of layers, losses and metrics, and the process's defaults."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import layers
from unitgain.dtype_policies import DTypePolicy

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _defaults_stay():
    before = ug.config.floatx(), ug.get_float32_matmul_precision()
    yield
    ug.config.set_floatx(before[0])
    ug.set_float32_matmul_precision(before[1])


@pytest.mark.parametrize("dtype", ["float64", np.float64, DTypePolicy("float64")])
def test_a_layers_dtype_makes_the_network_where_nothing_else_does(dtype):
    model = ug.Sequential([layers.Dense(3), layers.Dense(2, dtype=dtype)])
    assert model(RNG.random((4, 5), np.float32)).dtype == np.float64
    assert [w.dtype for w in model.weights] == [np.float64] * 4


def test_a_first_layers_dtype_goes_with_its_input_shape():
    model = ug.Sequential([layers.Dense(3, input_shape=(4,), dtype="float64")])
    assert model.dtype == "float64"
    assert model.layers[0].dtype_policy == DTypePolicy("float64")


def test_a_subclassed_model_takes_its_layers_dtype():
    class Net(ug.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [layers.Dense(3), {"head": layers.Dense(1, dtype="float64")}]

        def call(self, inputs):
            return self.blocks[1]["head"](self.blocks[0](inputs))

    model = Net()
    model.compile("sgd", "mse")
    model.fit(np.zeros((4, 2), np.float32), np.zeros((4, 1)), verbose=0)
    assert model.dtype == "float64"


def test_a_layer_alone_casts_to_the_dtype_that_it_was_made_with():
    x = RNG.random((2, 3))
    assert layers.Dense(4, dtype="float32")(x).dtype == np.float32
    assert layers.Dense(4, dtype="float64")(x.astype(np.float32)).dtype == np.float64
    assert layers.Dense(4)(x).dtype == np.float64


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Dense(3, dtype="float64")(layers.Input((3,))), "made with dtype float64"),
        (lambda: layers.Dense(3, dtype="mixed_bfloat16"), "set_dtype_policy"),
        (lambda: layers.Dense(3, dtype="mixed_float16"), "there is no dtype policy"),
        (lambda: layers.Dense(3, dtype="float16"), "float32 or float64"),
        (lambda: layers.Dense(3, dtype="int32"), "expected one of float32"),
        (lambda: layers.Dropout(0.5, dtype=complex), "expected one of float32"),
        (lambda: ug.losses.MeanSquaredError(dtype="bfloat16"), "mean_squared_error"),
        (lambda: ug.metrics.Precision(dtype="int32"), "precision"),
        (lambda: ug.config.set_floatx("float16"), "value is 'float16'"),
        (lambda: layers.Hashing(3, dtype="float32")([["a"]]), "integer dtype"),
    ],
)
def test_a_dtype_that_there_is_not_is_an_error(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_loss_of_another_dtype_than_the_network_is_an_error():
    model = ug.Sequential([layers.Input((3,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="float64, but the network has float32"):
        model.compile("sgd", ug.losses.MeanSquaredError(dtype="float64"))


def test_layers_with_a_dtype_are_copied_with_it():
    layer = layers.Dense(3, dtype="float64")
    assert layer.get_config()["dtype"] == "float64"
    assert layers.Dense.from_config(layer.get_config()).dtype_policy.name == "float64"
    assert "dtype" not in layers.Dense(3).get_config()
    hashing = layers.Hashing(3, dtype="int32")
    copy = layers.Hashing.from_config(hashing.get_config())
    assert copy([["a"], ["b"]]).dtype == np.int32


@pytest.mark.parametrize(
    ("layer", "data"),
    [
        (layers.Hashing(3, output_mode="one_hot", dtype="int32"), [["a"], ["b"]]),
        (layers.CategoryEncoding(4, "one_hot", dtype="int32"), [[1], [3]]),
        (layers.Discretization([0.5, 1.5], dtype="int32"), [[1.0], [0.2]]),
        (layers.IntegerLookup(vocabulary=[4, 7], dtype="int32"), [[7], [4]]),
    ],
)
def test_layers_of_data_make_the_integers_that_are_asked_for(layer, data):
    assert layer(np.array(data)).dtype == np.int32


def test_the_policy_of_the_process_is_the_precision_of_its_products():
    ug.config.set_dtype_policy("mixed_bfloat16")
    assert ug.get_float32_matmul_precision() == "medium"
    layer = layers.Dense(3, dtype="mixed_bfloat16")
    assert (layer.compute_dtype, layer.variable_dtype) == ("bfloat16", "float32")
    assert layers.Dense(3).dtype_policy.name == "mixed_bfloat16"
    ug.config.set_dtype_policy("float32")
    assert ug.get_float32_matmul_precision() == "highest"


def test_the_default_dtype_is_that_of_what_is_made_without_one():
    ug.config.set_floatx("float64")
    assert layers.Input((3,)).dtype == "float64"
    assert layers.Input((3,), "int32").dtype == "float64"
    assert ug.random.normal((2,)).dtype == np.float64
    assert ug.initializers.Zeros()((2,)).dtype == np.float64
    model = ug.Sequential([layers.Dense(2)])
    model.build((None, 3))
    assert model.weights[0].dtype == np.float64
    assert ug.losses.MeanSquaredError(reduction=None)([[1.0]], [[3]]).dtype == np.float64


def test_the_policy_may_be_set_until_the_layer_is_built():
    layer = layers.Dense(2)
    layer.dtype_policy = "float64"
    assert layer(np.ones((1, 2), np.float32)).dtype == np.float64
    with pytest.raises(ValueError, match="float64 weights, which stay"):
        layer.dtype_policy = "float32"


def test_losses_take_integers_and_their_own_dtype():
    t, y = np.array([[0.0, 2.0]]), np.array([[1, 4]])
    assert ug.losses.MeanSquaredError()(t, y) == 2.5
    rows = ug.losses.MeanSquaredError(reduction=None)
    assert rows(t, y).dtype == np.float32
    rows = ug.losses.MeanSquaredError(reduction=None, dtype="float32")
    assert rows(t, y.astype(np.float64)).dtype == np.float32


def test_configurations_of_policies_are_read():
    from unitgain import dtype_policies

    policy = DTypePolicy("float64")
    config = dtype_policies.serialize(policy)
    assert dtype_policies.get(config) == policy
    assert layers.Dense(2, dtype=config).dtype == "float64"
    with pytest.raises(ValueError, match="class is 'Other'"):
        dtype_policies.deserialize({"class_name": "Other", "config": {}})
