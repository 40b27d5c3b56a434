"""Modules of PyTorch become models that compute, and learn, what they do; and back."""

import numpy as np
import pytest

import unitgain as ug

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn
F = nn.functional

TOLERANCE = {torch.float32: 3e-6, torch.float64: 1e-13}


def shaken(module, seed=0):
    """Return a module with parameters and running statistics drawn, to tell all of them apart."""
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, generator=drawn, dtype=torch.float64) / 2
                tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return module


def check(module, shape, dtype=torch.float32, samples=17, ints=None, **keywords):
    """Convert a module and compare the outputs; return the model and the input."""
    module = shaken(module).to(dtype)
    model = ug.convert.from_torch(module, **keywords)
    drawn = torch.Generator().manual_seed(1)
    if ints is None:
        x = torch.randn((samples, *shape), generator=drawn, dtype=torch.float64).to(dtype)
    else:
        x = torch.randint(ints, (samples, *shape), generator=drawn)
    module.eval()
    with torch.no_grad():
        expected = module(x).numpy()
    module.train()
    found = model.predict(x.numpy())
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, TOLERANCE[dtype], TOLERANCE[dtype])
    return model, x


# ---- chains ----

ACTIVATIONS = [
    nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(), nn.LeakyReLU(0.3), nn.RReLU(), nn.ELU(), nn.ELU(0.5),
    nn.SELU(), nn.CELU(), nn.CELU(0.5), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(),
    nn.Sigmoid(), nn.Tanh(), nn.Hardsigmoid(), nn.Hardswish(), nn.Hardtanh(),
    nn.Hardtanh(-0.5, 2.0), nn.Hardtanh(0.0, 1.0), nn.LogSigmoid(), nn.Softplus(),
    nn.Softplus(2.0), nn.Softsign(), nn.Softmax(-1), nn.Softmax(1), nn.LogSoftmax(-1),
    nn.LogSoftmax(1), nn.GLU(), nn.PReLU(), nn.PReLU(8), nn.Identity(), nn.Dropout(0.3),
    nn.AlphaDropout(0.2), nn.BatchNorm1d(8), nn.BatchNorm1d(8, eps=0.1, momentum=0.5),
    nn.BatchNorm1d(8, affine=False), nn.LayerNorm(8), nn.LayerNorm(8, eps=0.1),
    nn.LayerNorm(8, elementwise_affine=False), nn.LayerNorm(8, bias=False), nn.RMSNorm(8),
    nn.RMSNorm(8, eps=0.1), nn.RMSNorm(8, elementwise_affine=False), nn.GroupNorm(2, 8),
    nn.GroupNorm(1, 8, affine=False), nn.Flatten(), nn.Unflatten(1, (2, 4)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("part", ACTIVATIONS, ids=str)
def test_a_module_computes_the_same(part, dtype):
    model, _ = check(nn.Sequential(nn.Linear(5, 8), part), (5,), dtype)
    assert isinstance(model, ug.Sequential)
    assert model.dtype == str(dtype).removeprefix("torch.")
    assert model.layers[0].name == "0"


MATRICES = [
    nn.BatchNorm1d(3), nn.LayerNorm(4), nn.LayerNorm((3, 4)), nn.RMSNorm((3, 4)),
    nn.GroupNorm(3, 3), nn.Linear(4, 2), nn.Flatten(), nn.PReLU(), nn.PReLU(3), nn.Softmax(1),
    nn.Softmax(-1), nn.LogSoftmax(2), nn.GLU(), nn.Unflatten(2, (2, 2)),
]  # fmt: skip


@pytest.mark.parametrize("part", MATRICES, ids=str)
def test_a_module_computes_the_same_on_matrices(part):
    check(part, (3, 4), input_shape=(3, 4))


def test_an_embedding_takes_whole_numbers():
    module = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, 2))
    check(module, (3,), ints=7, input_shape=(3,))
    with pytest.raises(ValueError, match="give input_shape"):
        ug.convert.from_torch(module)


def test_a_module_keeps_its_mode_and_draws_nothing():
    linear = nn.Linear(3, 3)
    module = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).eval()
    module[0].train()
    state = torch.get_rng_state()
    ug.random.seed(3)
    expected = ug.random.process_streams().position
    assert ug.convert.from_torch(linear).built
    assert ug.random.process_streams().position == expected
    model = ug.convert.from_torch(module)
    assert torch.equal(torch.get_rng_state(), state)
    assert [part.training for part in module.modules()] == [False, True, False]
    x = np.ones((200, 3), np.float32)
    assert (model(x, training=True) == 0).mean() > 0.3


# ---- graphs ----


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(6, 8), nn.ReLU())
        self.left = nn.Linear(8, 8)
        self.right = nn.Linear(8, 8, bias=False)
        self.shared = nn.Linear(8, 8)
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        stem = self.stem(x)
        left = F.gelu(self.left(stem), approximate="tanh")
        right = torch.sigmoid(self.right(stem)) * stem + stem
        left = self.shared(self.norm(left)) - self.shared(right)
        both = torch.cat([left, 1 - 2 * right / 3], dim=1)
        both = F.dropout(both, 0.25, self.training)
        return F.log_softmax(self.head(both.view(both.size(0), -1)), dim=-1)


class Shapes(nn.Module):
    def forward(self, x):
        y = x.reshape(x.shape[0], 3, 4).permute(0, 2, 1).transpose(1, 2)
        z = torch.maximum(y, -y).flatten(1).reshape(-1, 12)
        z = torch.minimum(z, z.exp() + 0.5)
        return F.leaky_relu(z, 0.2) + F.hardtanh(z).clone().contiguous() + z.softmax(-1).tanh()


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_traced_graph_computes_the_same(dtype):
    model, _ = check(Branches(), (6,), dtype)
    assert {"stem_0", "left", "shared", "norm", "head"} <= {layer.name for layer in model.layers}
    check(Shapes(), (12,), input_shape=(12,))


class Several(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(2, 4), nn.Linear(3, 4)

    def forward(self, first, second):
        total = self.a(first) + self.b(second)
        return {"sum": total, "positive": torch.relu(total)}


@pytest.mark.parametrize("given", [None, [(2,), (3,)]])
def test_several_inputs_and_outputs(given):
    module = Several()
    model = ug.convert.from_torch(module, given)
    x = [torch.randn(5, 2), torch.randn(5, 3)]
    expected = module(*x)
    found = model.predict([part.numpy() for part in x])
    for name in ("sum", "positive"):
        np.testing.assert_allclose(found[name], expected[name].detach().numpy(), 1e-6, 1e-6)
    with pytest.raises(ValueError, match="a list of a shape for each"):
        ug.convert.from_torch(module, (2,))


# ---- what does not map ----


class Own(nn.Module):
    def __init__(self, function, *parts):
        super().__init__()
        self.function = function
        self.inner = nn.ModuleList(parts)
        self.linear = nn.Linear(4, 4)
        self.free = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return self.function(self, self.linear(x))


class Hooked(nn.Linear):
    pass


def hooked():
    module = nn.Linear(4, 4)
    module.register_forward_hook(lambda *arguments: None)
    return module


def half_frozen():
    module = nn.Linear(4, 4)
    module.bias.requires_grad_(False)
    return module


REFUSED = {
    "a convolution": (nn.Sequential(nn.Sequential(nn.Conv1d(1, 1, 1))), r"0\.0: a Conv1d has no"),
    "an LSTM": (nn.Sequential(nn.Linear(4, 4), nn.LSTM(4, 4)), "1: a LSTM"),
    "a mean of batches": (nn.Sequential(nn.BatchNorm1d(4, momentum=None)), "0: a batch norm"),
    "no statistics": (nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False)), "0: a batch"),
    "a hook": (nn.Sequential(hooked()), "0: it has hooks"),
    "a frozen bias": (nn.Sequential(half_frozen()), "0: some of its parameters are frozen"),
    "padding": (nn.Sequential(nn.Embedding(3, 2, padding_idx=0)), "0: padding_idx is 0"),
    "the batch's softmax": (nn.Sequential(nn.Softmax(0)), "0: .*batch"),
    "a low threshold": (nn.Sequential(nn.Softplus(1, 1)), "0: threshold is 1"),
    "all dropped": (nn.Sequential(nn.Dropout(1.0)), "0: .*rate"),
    "a parameter": (Own(lambda self, x: x * self.free), "free: free is a tensor"),
    "a matrix product": (Own(lambda self, x: x @ x), "matmul: matmul has no counterpart"),
    "a mean": (Own(lambda self, x: x.mean(1)), "mean has no counterpart"),
    "a quotient": (Own(lambda self, x: 1 / x), "truediv of a tensor"),
    "quotients": (Own(lambda self, x: x / x), "divided by a tensor"),
    "a factor of a sum": (Own(lambda self, x: torch.add(x, x, alpha=2)), "alpha"),
    "the batch": (Own(lambda self, x: x.flatten(0)), "flatten the batch"),
    "a lost batch": (Own(lambda self, x: x.reshape(-1)), "keep the batch's axis"),
    "bfloat16": (nn.Linear(4, 4).to(torch.bfloat16), "weight is of torch.bfloat16"),
    "mixed": (nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4).double()), "different dtypes"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_map_is_named_with_its_path(name):
    module, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        ug.convert.from_torch(module, (4,))


def test_weights_that_two_modules_share_are_refused():
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    module[1].weight = module[0].weight
    with pytest.raises(ValueError, match=r"1\.weight is 0\.weight"):
        ug.convert.from_torch(module)


def test_what_cannot_be_traced_is_a_type_error():
    with pytest.raises(TypeError, match="cannot be traced"):
        ug.convert.from_torch(Own(lambda self, x: x if x.sum() > 0 else -x))
    with pytest.raises(TypeError, match="expected a torch"):
        ug.convert.from_torch(np.zeros(3))


# ---- training ----


def data(features, classes, samples=64):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((samples, features))
    return x, rng.integers(0, classes, samples)


def torch_steps(module, optimizer, x, y, steps):
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(module(torch.tensor(x)), torch.tensor(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 0.01, betas=(0.8, 0.99), eps=1e-30),
    "amsgrad": lambda p: torch.optim.Adam(p, 0.01, eps=1e-30, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, eps=1e-30, weight_decay=0.1),
}
LOSS = ug.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_where_the_optimizer_was(name):
    torch.manual_seed(2)
    module = nn.Sequential(
        nn.Linear(6, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 6), nn.PReLU(6)
    )
    module = nn.Sequential(*module, nn.Linear(6, 3)).double()
    optimizer = OPTIMIZERS[name](module.parameters())
    x, y = data(6, 3)
    torch_steps(module, optimizer, x, y, 7)
    model = ug.convert.from_torch(module, optimizer=optimizer, loss=LOSS)
    assert int(model.optimizer.iterations) == (0 if name in ("sgd", "momentum", "nesterov") else 7)
    expected = torch_steps(module, optimizer, x, y, 8)
    found = [model.train_on_batch(x, y) for _ in range(8)]
    np.testing.assert_allclose(found, expected, 1e-10)
    for array, tensor in zip(model.get_weights(), module.parameters(), strict=True):
        tensor = tensor.detach().numpy()
        array = array.T if array.ndim == 2 else array.reshape(tensor.shape)
        np.testing.assert_allclose(array, tensor, 1e-8, 1e-11)


def test_training_goes_on_through_branches_and_batch_norm():
    torch.manual_seed(3)
    module = Branches().double()
    x, y = data(6, 3)
    drop, F.dropout = F.dropout, lambda x, *arguments: x  # which draws other numbers
    try:
        optimizer = torch.optim.SGD(module.parameters(), 0.05)
        torch_steps(module, optimizer, x, y, 3)
        model = ug.convert.from_torch(module, optimizer=optimizer, loss=LOSS)
        expected = torch_steps(module, optimizer, x, y, 5)
    finally:
        F.dropout = drop
    np.testing.assert_allclose([model.train_on_batch(x, y) for _ in range(5)], expected, 1e-9)
    mean = model.get_layer("norm").moving_mean
    np.testing.assert_allclose(mean, module.norm.running_mean.numpy(), 1e-9)


def test_frozen_modules_stay_as_they_are():
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    module[0].requires_grad_(False)
    model = ug.convert.from_torch(module)
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(np.ones((8, 4)), np.ones(8), verbose=0)
    after = model.get_weights()
    assert np.array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])


def test_optimizers_that_step_otherwise_are_refused():
    module = nn.Linear(2, 2)
    for made, message in [
        (torch.optim.RMSprop(module.parameters()), "RMSprop, expected SGD, Adam or AdamW"),
        (torch.optim.Adam(module.parameters(), weight_decay=0.1), r"penalty L2\(0.05\)"),
        (torch.optim.SGD(module.parameters(), 0.1, momentum=0.5, dampening=0.5), "dampening"),
        (torch.optim.SGD(module.parameters(), 0.1, maximize=True), "maximizes"),
        (torch.optim.SGD([module.weight], 0.1), "not those of the module"),
        (torch.optim.SGD([{"params": [p], "lr": i} for i, p in enumerate(module.parameters())]),
         "different settings"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            ug.convert.from_torch(module, optimizer=made, loss="mse")
    with pytest.raises(ValueError, match="given together"):
        ug.convert.from_torch(module, loss="mse")


# ---- back ----


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("part", [*ACTIVATIONS, *MATRICES], ids=str)
def test_a_module_comes_back(part, dtype):
    is_matrix = any(part is one for one in MATRICES)
    module = nn.Sequential(nn.Linear(4, 4) if is_matrix else nn.Linear(5, 8), part)
    shape = (3, 4) if is_matrix else (5,)
    model, x = check(module, shape, dtype, input_shape=shape)
    back = ug.convert.to_torch(model).eval()
    with torch.no_grad():
        found = back(x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, model.predict(x.numpy()), TOLERANCE[dtype], TOLERANCE[dtype])


def test_a_state_dict_of_what_comes_back_has_the_modules_names():
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.BatchNorm1d(3), nn.Linear(3, 2))
    back = ug.convert.to_torch(ug.convert.from_torch(shaken(module)))
    for (name, tensor), (same, other) in zip(
        module.state_dict().items(), back.state_dict().items(), strict=True
    ):
        assert name == same
        assert torch.equal(tensor, other) or "batches" in name


def graph_model():
    layers = ug.layers
    x = layers.Input((6,), name="x")
    a = layers.Dense(8, "relu", name="a")(x)
    b = layers.Dense(8, layers.LeakyReLU(0.1), name="b")(x)
    c = layers.Average()([a, b, layers.Rescaling(np.arange(8.0), 0.5)(b)])
    c = layers.BatchNormalization(name="norm")(c + layers.Multiply()([a, b]))
    d = layers.Concatenate()([layers.Maximum()([a, b]), layers.Subtract()([c, b])])
    inner = ug.Sequential([layers.Input((16,)), layers.Dense(4, "gelu")], name="inner")
    e = layers.Reshape((2, 2))(inner(d))
    e = layers.BatchNormalization(center=False)(layers.Permute((2, 1))(e))
    e = layers.GroupNormalization(2, scale=False)(e)
    e = layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])(e)
    out = layers.Dense(3, "softmax", name="out")(layers.Flatten()(e))
    model = ug.Model(x, [out, c])
    rng = np.random.default_rng(0)
    model.set_weights([0.1 + abs(rng.standard_normal(w.shape)) for w in model.weights])
    return model


def test_a_graph_becomes_a_module_that_runs_and_trains():
    model = graph_model()
    model.get_layer("norm").trainable = False
    module = ug.convert.to_torch(model)
    x = np.random.default_rng(1).standard_normal((9, 6)).astype(np.float32)
    with torch.no_grad():
        outputs = module.eval()(torch.tensor(x))
    for found, expected in zip(outputs, model.predict(x), strict=True):
        np.testing.assert_allclose(found, expected, 1e-5, 1e-5)
    module.train()
    before = module.norm.running_mean.clone()
    module(torch.tensor(x))[0].sum().backward()
    assert torch.equal(before, module.norm.running_mean)
    assert module.norm.weight.grad is None
    assert module.a[0].weight.grad.abs().sum() > 0


def test_layers_without_a_counterpart_are_named():
    model = ug.Sequential([ug.layers.Input((4,)), ug.layers.UnitNormalization(name="unit")])
    with pytest.raises(ValueError, match="unit: a UnitNormalization has no counterpart"):
        ug.convert.to_torch(model)
