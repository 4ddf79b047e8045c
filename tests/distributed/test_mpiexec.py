"""Real processes under mpiexec: the numbers of one process, and ends that leave nobody waiting."""

import re
import signal
import time

import pytest
from launcher import Job, fails, needs_mpi, run
from processes import ROOT

pytestmark = needs_mpi

RULES = "dropout=0.3, l1=0.01, l2=0.1, clip_value=0.1, clip_norm=0.2, max_norm=1.0"


# ------------------------------------------------------------------ numbers
def test_two_processes_equal_one_and_twice_the_same_bits():
    lines = run(f"""
def weights(comm):
    trainer = trainer_of(comm, {RULES})
    history = trainer.fit(*data(), epochs=3, validation_data=data(20))
    return trainer.network.parameters.copy(), history

one, two, again = weights(None), weights(comm), weights(comm)
say(relative_error(two[0], one[0]) < 1e-12, abs(two[1].val_loss[-1] - one[1].val_loss[-1]) < 1e-12,
    (two[0] == again[0]).all(), len(set(comm.allgather(two[0].tobytes()))))
""")
    assert lines == ["True True True 1"] * 2


def test_the_lines_of_the_page_train_on_all_ranks():
    pytest.importorskip("scipy")
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    code = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]
    lines = run(f"""
net, optimizer, (X, Y), (Xv, Yv) = make_network(fastbp, [8, 12, 7, 3]), fastbp.SGD(0.1), data(), data(20)
before = net.parameters.copy()
{code}
say(len(history.val_loss), (net.parameters != before).any(), len(set(comm.allgather(net.parameters.tobytes()))))
""")
    assert lines == ["20 True 1"] * 2


def test_float32_has_the_same_bits_on_all_ranks():
    lines = run("""
net = make_network(fastbp, [70, 130, 3], dtype=np.float32)
fastbp.Trainer(net, batch_size=32, rng=0, comm=comm).fit(*make_data(net, 200), epochs=2)
say(len(set(comm.allgather(net.parameters.tobytes()))), np.isfinite(net.parameters).all())
""", 3)
    assert lines == ["1 True"] * 3


def test_batches_of_each_process_are_parts_of_one():
    lines = run("""
X, Y = data()
cut = [0, 3, 10][comm.rank : comm.rank + 2]
own = [(X[k : k + 10][cut[0] : cut[1]], Y[k : k + 10][cut[0] : cut[1]]) for k in range(0, 53, 10)]
two, one = trainer_of(dropout=0.3), trainer_of(None, dropout=0.3)
two.fit(own, epochs=2)
one.fit([(X[k : k + 10], Y[k : k + 10]) for k in range(0, 53, 10)], epochs=2)
say(relative_error(two.network.parameters, one.network.parameters) < 1e-12)
""")
    assert lines == ["True"] * 2


def test_lbfgs_of_two_processes_equals_one():
    pytest.importorskip("scipy")
    lines = run("""
def weights(comm):
    net = make_network(fastbp, [8, 6, 3])
    fastbp.fit_lbfgs(net, *data(), l2=0.01, max_iter=10, comm=comm)
    return net.parameters

say(relative_error(weights(comm), weights(None)) < 1e-9, len(set(comm.allgather(weights(comm).tobytes()))))
""")
    assert lines == ["True 1"] * 2


def test_ranks_of_one_machine_share_its_cores():
    lines = run("""
trainer = trainer_of()
trainer.fit(*data())
cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
mask = sorted(os.sched_getaffinity(0))
shared = len(set(map(tuple, comm.allgather(mask)))) == 1
say(trainer._ranks.cores == (max(1, cores // 2) if shared else cores))
""")
    assert lines == ["True"] * 2


def test_the_example_arrives_at_the_same_weights_alone_and_under_mpiexec():
    example = ROOT / "examples" / "mpi_digits.py"
    alone, two = (run("", size, file=example, arguments=["--epochs", "2"]) for size in (1, 2))
    sums = [re.search(r"mean weight (-?\d\.\d+e?-?\d*)", "\n".join(lines))[1] for lines in (alone, two)]
    assert sums[0] == sums[1]


# ------------------------------------------------------------------ errors of one rank
CAUGHT = """
try:
    {0}
except BaseException as error:
    say(type(error).__name__, str(error)[:60], trainer.steps)
    if isinstance(error, KeyboardInterrupt):
        sys.exit(3)
    raise
"""


@pytest.mark.parametrize(("change", "message"), [
    ("X[7, 2] = np.nan if comm.rank == 1 else 0", "ValueError on rank 1: X[7, 2] is nan"),
    ("X = X[: 50 + comm.rank]; Y = Y[: 50 + comm.rank]", "ValueError the number of samples must be the same on all"),
    ("trainer.batch_size = 10 + comm.rank", "ValueError batch_size must be the same on all ranks, got 10 on rank 0"),
], ids=["data", "length", "setting"])
def test_an_error_of_one_rank_is_one_of_all(change, message):
    _, lines, _ = fails(f"X, Y = data()\ntrainer = trainer_of()\n{change}\n" + CAUGHT.format("trainer.fit(X, Y)"))
    assert len(lines) == 2
    assert lines[0] == lines[1]
    assert lines[0].startswith(message)


def test_a_shorter_iterable_ends_all_in_the_same_step():
    _, lines, _ = fails("""
X, Y = data()
trainer = trainer_of()
batches = [(X[:4], Y[:4])] * (5 - 2 * comm.rank)
""" + CAUGHT.format("trainer.fit(batches)"))
    assert lines == ["ValueError X on rank 1 ended after 3 batches, and rank 0 has another on 3"] * 2


def test_a_loss_that_is_not_finite_ends_all_and_names_the_rank():
    _, lines, _ = fails("""
net = make_network(fastbp, [2, 2], output="identity", loss="quadratic", dtype=np.float32)
X = np.where(np.arange(10)[:, None] == 9, 1e38, np.ones((10, 2))).astype(np.float32)
trainer = fastbp.Trainer(net, batch_size=10, shuffle=False, comm=comm)
""" + CAUGHT.format("trainer.fit(X, np.zeros((10, 2), np.float32))"))
    assert lines[0] == lines[1]
    assert lines[0].startswith("DivergenceError the loss is inf in epoch 1/1 on rank 1")


def test_any_other_exception_ends_the_job():
    start = time.monotonic()
    _, _, errors = fails("""
def fail(trainer, epoch, logs):
    if comm.rank == 1 and epoch == 2:
        raise ZeroDivisionError("in a callback")

trainer_of().fit(*data(), epochs=10**6, callbacks=[fastbp.callbacks.LambdaCallback(on_epoch_end=fail)])
""")
    assert "ZeroDivisionError: in a callback" in errors
    assert "rank 1 of 2 ends the job" in errors
    assert time.monotonic() - start < 60


# ------------------------------------------------------------------ signals
def test_ctrl_c_ends_all_ranks_after_the_same_step():
    with Job("""
trainer = trainer_of()
started = fastbp.callbacks.LambdaCallback(on_epoch_end=lambda trainer, epoch, logs: epoch == 3 and say("runs"))
""" + CAUGHT.format("trainer.fit(*data(), epochs=10**7, callbacks=[started])")) as job:
        while job.out.count("runs") < 2:
            assert job.process.poll() is None, job.err
            time.sleep(0.05)
        job.process.send_signal(signal.SIGINT)
        assert job.ended() != 0
        ends = [line for line in job.out.splitlines() if line.startswith("KeyboardInterrupt")]
    # Open MPI kills its ranks so soon after it has handed the signal on that their last words may be lost
    assert len(set(ends)) <= 1
    assert not ends or len(ends) == 2


@pytest.mark.parametrize("killed", ["in a step", "while it writes", "by itself"])
def test_a_killed_rank_ends_the_job_and_leaves_the_last_checkpoint_whole(killed, tmp_path):
    path = tmp_path / "run.safetensors"
    code = f"""
path = {str(path)!r}

def end(trainer, epoch, logs):
    if epoch == 3 and {killed!r} == "in a step" and comm.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if epoch == 3 and {killed!r} == "by itself" and comm.rank == 1:
        os._exit(7)
    if epoch == 2 and {killed!r} == "while it writes" and comm.rank == 0:
        os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)

callbacks = [fastbp.callbacks.ModelCheckpoint(path), fastbp.callbacks.LambdaCallback(on_checkpoint=end)]
trainer_of({RULES}).fit(*data(), epochs=10**6, callbacks=callbacks)
"""
    start = time.monotonic()
    fails(code)
    assert time.monotonic() - start < 60
    for size in (1, 3):
        lines = run(f"""
trainer = fastbp.Trainer.load({str(path)!r}, comm=comm)
before = trainer.epochs
trainer.fit(*data(), epochs=5 - before)
whole = trainer_of(None, {RULES})
whole.fit(*data(), epochs=5)
say(2 <= before <= 3, relative_error(trainer.network.parameters, whole.network.parameters) < 1e-12)
""", size)
        assert lines == ["True True"] * size
