"""The cases that speak for a machine: some seven minutes of them, kept in docs/benchmarks."""

from __future__ import annotations

# As README's table has them, with what it calls them.
README: dict[str, str] = {
    "matmul/float32/1024x1024x1024": "matrix product, 1024 x 1024, float32",
    "matmul/float64/1024x1024x1024": "matrix product, 1024 x 1024, float64",
    "activations/tanh/float32/1024x1024": "tanh of 1024 x 1024 values",
    "activations/gelu/float32/1024x1024": "GELU of 1024 x 1024 values",
    "batch_norm/forward/256x512": "batch norm in training, 256 x 512",
    "linalg/pinv/float32/200x100": "pseudoinverse of 200 x 100, float32",
    "linalg/svd/float64/256x256": "singular value decomposition of 256 x 256, float64",
    "training/step/64-64-64-4": "training step, 64-64-64-4, batch of 32",
    "training/step/784-300-100-10": "training step, 784-300-100-10, batch of 128",
    "training/fit/64-256-128-10": "50 epochs over 1347 digits, 64-256-128-10",
    "inference/784-300-100-10/1-packed": "inference, 784-300-100-10, 1 row",
    "inference/784-300-100-10/128-packed": "inference, 784-300-100-10, 128 rows",
    "clustering/kmeans/float32/10000x16x16": "k-means of 10,000 x 16 into 16 clusters",
}

CASES: tuple[str, ...] = (
    *(f"matmul/{kind}/{n}x{n}x{n}" for kind in ("float32", "float64") for n in (256, 1024, 2048)),
    "matmul/forward/128x784x300",
    "matmul/bias-gelu/128x784x300",
    "matmul/input-gradient/128x300x784",
    "matmul/weight-gradient/784x128x300",
    "matmul/thin-packed/1x1024x4096",
    "matmul/tiny/8x8x8",
    "activations/tanh/float32/1024x1024",
    "activations/tanh_gradient/float32/1024x1024",
    "activations/gelu/float32/1024x1024",
    "losses/softmax/1024x1024",
    "losses/cross_entropy/512x1000",
    "noise/dropout/1024x1024",
    "batch_norm/forward/256x512",
    "batch_norm/both/8192x1024",
    "layer_norm/both/1024x1024",
    "optimizers/adam/50000",
    "optimizers/adam/64-128-64-10",
    "linalg/pinv/float32/200x100",
    "linalg/pinv/float64/256x256",
    "linalg/svd/float64/256x256",
    "linalg/lstsq1/float64/20000x100",
    "clustering/kmeans/float32/10000x16x16",
    "training/step/64-64-64-4",
    "training/step/64-128-64-10-batch-norm",
    "training/step/784-300-100-10",
    "training/step/784-300-100-10-batch-norm",
    "training/step/100-256-256-256-256-1",
    "training/fit/64-256-128-10",
    "inference/784-300-100-10/1-packed",
    "inference/784-300-100-10/128-packed",
)
