"""Training that is killed goes on from its last checkpoint, and ends with the same bits as if nothing had happened.

A second process trains and is killed by SIGKILL in the middle of an epoch; nothing can be tidied up then.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

import fastbp
from fastbp.callbacks import LambdaCallback, ModelCheckpoint
from fastbp.schedules import CosineDecay

EPOCHS, KILLED_AFTER = 12, 5

rng = np.random.default_rng(0)
X = rng.normal(size=(2000, 20)).astype(np.float32)
Y = (np.sin(X[:, 0]) + X[:, 1] * X[:, 2] > 0).astype(int)


def new_trainer():
    net = fastbp.Network([20, 64, 32, 2], activation="relu", rng=1)
    schedule = CosineDecay(3e-3, period=EPOCHS * 63)
    return fastbp.Trainer(net, optimizer=fastbp.AdamW(schedule), batch_size=32, rng=2, dropout=0.2, clip_norm=1.0)


def train_until_killed(path):
    def kill_amid_the_next_epoch(_, epoch, logs):
        if epoch == KILLED_AFTER:
            print(f"loss after {epoch} epochs: {logs['loss']:.6f}", flush=True)
            threading.Timer(logs["seconds"] / 2, os.kill, [os.getpid(), signal.SIGKILL]).start()

    callbacks = [ModelCheckpoint(path), LambdaCallback(on_epoch_end=kill_amid_the_next_epoch)]
    new_trainer().fit(X, Y, epochs=EPOCHS, callbacks=callbacks)


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.safetensors"
        killed = subprocess.run([sys.executable, __file__, path], check=False)
        print(f"the process ended by signal {-killed.returncode}, its file has {path.stat().st_size:,} bytes")
        resumed = fastbp.Trainer.load(path)
        print(f"it holds the state after {resumed.epochs} epochs")
    history = resumed.history
    history += resumed.fit(X, Y, epochs=EPOCHS - resumed.epochs)
    whole = new_trainer()
    expected = whole.fit(X, Y, epochs=EPOCHS)
    same = np.array_equal(resumed.network.parameters, whole.network.parameters)
    print(f"loss after {len(history.loss)} epochs: {history.loss[-1]:.6f}, uninterrupted {expected.loss[-1]:.6f}")
    print(f"all {whole.network.parameters.size:,} parameters equal to the last bit: {same}")
    return 0 if same and killed.returncode == -signal.SIGKILL else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        train_until_killed(sys.argv[1])
    else:
        sys.exit(main())
