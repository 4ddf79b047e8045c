"""The comparison with other libraries: its tasks, its arithmetic, its processes and what it writes."""

import importlib.util
import sys

import llvmlite.binding as llvm
import naive
import numpy as np
import pytest
from processes import ROOT

sys.path.insert(0, str(ROOT / "asv_benchmarks"))
import limit
import peer_worker
import peers
from cases import CALLS, CASES, DTYPES, EPOCHS, LEARNING_RATE, SIGMA, SIGMA_PRIME, Case, Task
from limit import fma_limit, host_vector_bytes, loop_text
from peer_worker import PEERS

SMALL = Case("3-4-2", (3, 4, 2), 5, "tanh")
WIDTH = host_vector_bytes()


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_each_case_is_one_that_every_peer_can_train(case):
    assert CASES[case.name] is case
    assert len(case.sizes) > 2
    assert min(*case.sizes, case.batch) > 0
    assert case.hidden in SIGMA_PRIME
    assert case.output in SIGMA
    assert (case.output, case.loss) in {("softmax", "cross_entropy"), ("sigmoid", "cross_entropy")}


def test_flop_counts_every_product_but_delta_0():
    forward, gradient, backward = 3 * 4 + 4 * 2, 3 * 4 + 4 * 2, 4 * 2
    assert SMALL.flop == Task(SMALL, "step").flop == 2 * 5 * (forward + gradient + backward)


def test_flop_of_a_forward_call_counts_one_product_a_layer_for_its_rows():
    assert Task(SMALL, "forward", rows=7).flop == 2 * 7 * (3 * 4 + 4 * 2)


def test_a_task_is_the_same_after_its_way_to_another_process():
    task = Task(CASES["784-30-10"], "forward", "float64", 2, 64)
    assert Task.requested(task.request()) == task


def test_blocks_are_the_samples_in_their_order():
    X, labels, Y = SMALL.data("float32", rows=7)
    blocks = Task(SMALL, "forward", rows=7).blocks()
    assert all(len(block) == 7 for of_array in blocks for block in of_array)
    for of_array, array in zip(blocks, (X, labels, Y), strict=True):
        np.testing.assert_array_equal(np.concatenate(of_array), array)


def test_parameters_lie_layer_by_layer_weights_before_biases():
    flat = np.arange((3 + 1) * 4 + (4 + 1) * 2, dtype=np.float64)
    (W1, b1), (W2, b2) = SMALL.layers(flat)
    np.testing.assert_array_equal(np.concatenate([W1.ravel(), b1, W2.ravel(), b2]), flat)
    W2[1, 3] = -1
    assert flat[16 + 7] == -1


@pytest.mark.parametrize("hidden", SIGMA_PRIME)
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_trained_is_what_the_naive_loops_arrive_at(hidden, output):
    case = Case("small", (3, 4, 2), 5, hidden, output)
    X, _, Y = case.data(np.float64)
    layers = case.layers(case.parameters(np.float64))
    W, b = ([None, *(layer[k].tolist() for layer in layers)] for k in (0, 1))  # layer l at index l
    for start in EPOCHS * [*range(0, len(X), case.batch)]:
        minibatch = (array[start : start + case.batch].tolist() for array in (X, Y))
        dW, db = naive.gradients(*minibatch, W, b, [None, hidden, output], case.loss)
        naive.sgd(W, b, dW, db, LEARNING_RATE)
    flat = np.concatenate([np.ravel(part) for layer in zip(W[1:], b[1:], strict=True) for part in layer])
    task = Task(case, "fit", "float64")
    assert task.difference(flat, task.expected()) < 1e-12


@pytest.mark.parametrize("hidden", SIGMA_PRIME)
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_outputs_are_those_of_the_naive_loops(hidden, output):
    task = Task(Case("small", (3, 4, 2), 5, hidden, output), "forward", "float64", rows=7)
    layers = task.case.layers(task.case.parameters(np.float64))
    W, b = ([None, *(layer[k].tolist() for layer in layers)] for k in (0, 1))
    _, a = naive.forward(np.concatenate(task.blocks()[0]).tolist(), W, b, [None, hidden, output])
    assert task.difference(np.array(a[-1]), task.expected()) < 1e-12


@pytest.mark.parametrize("dtype", DTYPES)
def test_other_training_is_seen(dtype):
    task = Task(SMALL, "fit", dtype)
    trained, start = task.expected(), SMALL.parameters(dtype)
    assert task.within(task.difference(trained.astype(dtype), trained))
    assert not task.within(task.difference(start, trained))
    assert not task.within(task.difference(start + 1.01 * (trained - start), trained))
    assert not task.within(task.difference(np.full_like(start, np.nan), trained))


@pytest.mark.parametrize("dtype", DTYPES)
def test_other_outputs_are_seen(dtype):
    task = Task(SMALL, "forward", dtype, rows=8)
    outputs = task.expected()
    assert task.within(task.difference(outputs.astype(dtype), outputs))
    assert not task.within(task.difference(outputs[::-1], outputs))
    assert not task.within(task.difference(np.log(outputs), outputs))
    assert not task.within(task.difference(np.full_like(outputs, np.nan), outputs))


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize(("scalar", "lanes"), [("float", 4), ("double", 2), ("float", 16)])
def test_the_fma_loop_is_valid_at_every_width(scalar, lanes, separate):
    module = llvm.parse_assembly(loop_text(scalar, lanes, 12, separate))
    module.verify()
    assert str(module).count("= fmul" if separate else "= call") == 12


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_fma_limit_is_a_rate(dtype):
    assert 0.1 < fma_limit(dtype) < 1e4


@pytest.mark.parametrize("vector_bytes", [16, 32, 64])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_fma_limit_is_that_of_vectors_as_wide_as_asked_for(dtype, vector_bytes):
    _, flop, _ = limit.compile_loop(np.dtype(dtype), vector_bytes)
    lanes = vector_bytes // np.dtype(dtype).itemsize
    registers = 32 if vector_bytes == 64 or "neon" in llvm.get_host_cpu_features() else 16
    assert flop == 2 * lanes * registers * 3 // 4


def test_several_cores_are_held_beside_one(monkeypatch, capsys):
    monkeypatch.setattr(limit, "fma_limit", lambda dtype, threads, vector_bytes: 100.0 if threads == 1 else 150.0)
    monkeypatch.setattr(sys, "argv", ["limit.py", "float64", "2", "32"])
    limit.main()
    assert capsys.readouterr().out.splitlines() == [
        "100.00 GFLOP/s: 1 core, float64, vectors of 32 bytes", "150.00 GFLOP/s: 2 cores together, 1.50 times as much",
    ]  # fmt: skip


# ---- peers in their processes
@pytest.fixture
def hurried(monkeypatch):
    for name in ("WARM_UP", "BLOCK", "PAUSE"):
        monkeypatch.setattr(peers, name, 0.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_does_the_work_of_each_of_its_calls(name, dtype, hurried):
    for module in PEERS[name].modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    with peers.started([name], 1, WIDTH) as processes:
        for call in PEERS[name].calls:
            for case in (CASES["17-37-23-5"], CASES["784-30-10"]):  # softmax and sigmoids
                task = Task(case, call, dtype, 1, rows=9 if call == "forward" else 0)
                (found,) = peers.measure_task(processes, task, rounds=2)
                assert "failed" not in found
                assert found["difference"] < (1e-5 if dtype == "float32" else 1e-12)
                assert len(found["blocks"]) == 2
                assert min(found["blocks"]) <= found["microseconds"] <= max(found["blocks"])


def test_a_peer_that_fails_is_left_out_with_its_reason(hurried):
    with peers.started(["numpy"], 1, WIDTH) as processes:
        task = Task(SMALL, "fit", "float64")  # its name is not in the workers' table
        (found,) = peers.measure_task(processes, task, rounds=1)
    assert found["failed"] == "KeyError: '3-4-2'"


def test_a_peer_that_does_other_work_is_left_out(hurried):
    with peers.started(["numpy-plain"], 1, WIDTH) as processes:
        task = Task(CASES["17-37-23-5"], "forward", "float64", rows=2)
        processes[0].open(task, task.expected() + 1e-3)
        assert "other work" in processes[0].failed
        (found,) = peers.measure_task(processes, task, rounds=1)
        assert "failed" not in found


@pytest.mark.parametrize(("wide", "narrow"), [(WIDTH, False), (64, True)])
def test_narrow_vectors_are_compiled_for_a_processor_without_wider_ones(monkeypatch, wide, narrow):
    monkeypatch.setattr(peers, "host_vector_bytes", lambda: wide)
    env = peers.environment(1, min(WIDTH, 32))
    assert env["FASTBP_VECTOR_BYTES"] == str(min(WIDTH, 32))
    assert (env.get("NUMBA_CPU_FEATURES") == "+avx2,+fma") is narrow


def test_an_absent_library_is_skipped_with_a_line(monkeypatch, capsys):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None if name in ("jax", "onnx") else object())
    assert peers.installed(["jax-loop", "torch", "onnxruntime"]) == ["torch"]
    lines = ["skipped jax-loop: jax not installed", "skipped onnxruntime: onnx not installed"]
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize("name", PEERS)
def test_the_opener_of_a_peer_is_where_the_table_says(name):
    module, function = PEERS[name].opener.split(".")
    assert f"\ndef {function}(task: Task) -> Job:" in (ROOT / "asv_benchmarks" / "openers" / f"{module}.py").read_text()


def test_a_request_without_an_open_task_is_an_error():
    with pytest.raises(RuntimeError, match="no task is open"):
        peer_worker.Worker(PEERS["numpy"]).answer({"seconds": 0.1})


# ---- the command
@pytest.mark.parametrize(
    "argv",
    [
        ["--threads", "0"],
        ["--rounds", "0"],
        ["--shapes", "1-1"],
        ["--dtype", "float16"],
        ["--call", "predict"],
        ["--rows", "8"],
        ["--rows", "0", "--call", "forward"],
        ["--vectors", "48"],
        ["--peers", "jax-loop", "--call", "step"],
    ],
)
def test_a_bad_argument_ends_the_command(argv, capsys):
    with pytest.raises(SystemExit):
        peers.arguments(argv)
    assert argv[0] in capsys.readouterr().err


def test_vectors_that_the_processor_does_not_have_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(peers, "host_vector_bytes", lambda: 32)
    with pytest.raises(SystemExit):
        peers.arguments(["--vectors", "32", "64"])
    assert "--vectors: 64 bytes take AVX-512, which this processor does not have" in capsys.readouterr().err


@pytest.mark.parametrize("call", CALLS)
def test_unless_told_otherwise_all_peers_of_a_call_take_part(call):
    args = peers.arguments(["--call", call])
    assert args.peers == [name for name, peer in PEERS.items() if call in peer.calls]
    assert {"fastbp", "loops", "numpy-plain", "torch", "sklearn"} < set(args.peers)
    assert args.rows == ([1, 8, 64, 512] if call == "forward" else [0])
    assert args.vectors == [WIDTH]


def test_threads_are_set_for_every_library():
    env = peers.environment(2, WIDTH)
    assert {env[name] for name in peers.THREAD_VARIABLES} == {"2"}


def test_a_run_merges_its_rows_into_those_of_the_file(tmp_path, monkeypatch, capsys, hurried):
    monkeypatch.setattr(peers, "limits", lambda dtype, threads, vectors: [100.0])
    monkeypatch.setattr(peers, "pin", lambda threads: None)
    file = tmp_path / "peers.json"
    common = ["peers.py", "--threads", "1", "--peers", "numpy-plain", "--rounds", "1", "--output", str(file)]
    for more in (["--shapes", "17-37-23-5", "784-30-10"], ["--merge", "--call", "forward", "--rows", "2"],
                 ["--merge", "--shapes", "784-30-10"]):  # fmt: skip
        shapes = [] if "--shapes" in more else ["--shapes", "17-37-23-5"]
        monkeypatch.setattr(sys, "argv", [*common, *more, *shapes])
        peers.main()
    found = peers.record.read(file)
    assert [(row["call"], row["case"], row["run"]) for row in found["results"]] == [
        ("fit", "17-37-23-5", 0), ("fit", "784-30-10", 2), ("forward", "17-37-23-5", 1),
    ]  # fmt: skip
    assert [run["command"].split("--output")[1].split()[-1] for run in found["runs"]] == [
        "784-30-10", "17-37-23-5", "784-30-10",
    ]  # fmt: skip
    assert "FMA limit, float32" in capsys.readouterr().out


def test_a_file_that_cannot_be_merged_into_ends_the_command_before_anything_is_measured(tmp_path, monkeypatch):
    file = tmp_path / "peers.json"
    file.write_text('{"results": []}')
    monkeypatch.setattr(peers, "measure", lambda args: pytest.fail("measured"))
    monkeypatch.setattr(sys, "argv", ["peers.py", "--merge", "--output", str(file)])
    with pytest.raises(SystemExit, match="measure anew, without --merge"):
        peers.main()
