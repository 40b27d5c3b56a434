"""What mpiexec starts for test_faults.py: trains with a backup, and may kill one process."""

import hashlib
import os
import signal
import sys

import numpy as np
from mpi4py import MPI

import unitgain as ug

what, folder = sys.argv[1:3]
rank = MPI.COMM_WORLD.rank
rng = np.random.default_rng(0)
x, y = rng.standard_normal((200, 6)).astype(np.float32), rng.integers(0, 3, 200)


class Fault(ug.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if what == "kill" and epoch == 2:
            MPI.COMM_WORLD.send("now", 1)


class Raises(ug.Metric):
    """Raises in one process in the middle of a step."""

    def value(self, sums):
        return 0.0

    def reset_state(self):
        pass

    def update_state(self, y_true, y_pred, sample_weight=None):
        if rank == 1:
            raise OSError("the disk is gone")


def dies():
    """Wait for the first process's word in a thread, and die."""
    MPI.COMM_WORLD.recv(source=0)
    os.kill(os.getpid(), signal.SIGKILL)


ug.random.seed(3)
ug.distribution.set_distribution(ug.distribution.DataParallel())
model = ug.Sequential(
    [ug.Input((6,)), ug.layers.Dense(8, "relu"), ug.layers.Dropout(0.2), ug.layers.Dense(3)]
)
metrics = [Raises()] if what == "raise" else ["accuracy"]
model.compile("adam", ug.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=metrics)
callbacks = [Fault()]
if what != "straight":
    keep = ug.callbacks.BackupAndRestore(folder, delete_checkpoint=False)
    callbacks.append(keep)
if what == "kill" and rank == 1:
    import threading

    threading.Thread(target=dies, daemon=True).start()
epochs = 10**6 if what == "kill" else int(sys.argv[3])
history = model.fit(x, y, batch_size=50, epochs=epochs, verbose=0, callbacks=callbacks)
found = b"".join(w.tobytes() for w in model.get_weights())
if rank == 0:
    print("WEIGHTS", hashlib.sha256(found).hexdigest(), history.epoch[0], flush=True)
