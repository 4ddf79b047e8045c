"""The comparison with other libraries: its table of cases, its arithmetic, its processes and what it writes."""

import sys

import llvmlite.binding as llvm
import naive
import numpy as np
import pytest
from processes import ROOT

sys.path.insert(0, str(ROOT / "asv_benchmarks"))
import peers
import report
from cases import CASES, DTYPES, LEARNING_RATE, SIGMA, SIGMA_PRIME, Case
from limit import fma_limit, loop_text
from rivals import RIVALS

SMALL = Case("3-4-2", (3, 4, 2), 5, "tanh")


def row(rival, microseconds, **more):
    return {"rival": rival, "case": "784-128-10", "dtype": "float32", "threads": 1, "flop": 10**7,
            "microseconds": microseconds, "difference": 1e-6, **more}  # fmt: skip


def record(*rows):
    return {
        "date": "2000-01-02", "command": "python asv_benchmarks/peers.py", "rounds": 3, "versions": {"numpy": "2.4"},
        "machine": {"cpu": "a processor", "cores": 2, "system": "Linux x86_64"}, "results": list(rows),
        "limits": [{"dtype": "float32", "threads": 1, "before": 100.0, "after": 90.0}],
    }  # fmt: skip


RECORD = record(row("fastbp", 125.0), row("numpy", 250.0), row("torch", 1500.0))


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_each_case_is_one_that_every_rival_can_train(case):
    assert CASES[case.name] is case
    assert len(case.sizes) > 2
    assert min(*case.sizes, case.batch) > 0
    assert case.hidden in SIGMA_PRIME
    assert case.output in SIGMA
    assert (case.output, case.loss) in {("softmax", "cross_entropy"), ("sigmoid", "cross_entropy")}


def test_flop_counts_every_product_but_delta_0():
    forward, gradient, backward = 3 * 4 + 4 * 2, 3 * 4 + 4 * 2, 4 * 2
    assert SMALL.flop == 2 * 5 * (forward + gradient + backward)


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
    for start in range(0, len(X), case.batch):
        minibatch = (array[start : start + case.batch].tolist() for array in (X, Y))
        dW, db = naive.gradients(*minibatch, W, b, [None, hidden, output], case.loss)
        naive.sgd(W, b, dW, db, LEARNING_RATE)
    flat = np.concatenate([np.ravel(part) for layer in zip(W[1:], b[1:], strict=True) for part in layer])
    assert case.difference(flat, case.trained(np.float64), np.float64) < 1e-12


@pytest.mark.parametrize("dtype", DTYPES)
def test_other_work_is_seen(dtype):
    trained, start = SMALL.trained(dtype), SMALL.parameters(dtype)
    assert SMALL.within(SMALL.difference(trained.astype(dtype), trained, dtype), dtype)
    assert not SMALL.within(SMALL.difference(start, trained, dtype), dtype)
    assert not SMALL.within(SMALL.difference(start + 1.01 * (trained - start), trained, dtype), dtype)
    assert not SMALL.within(SMALL.difference(np.full_like(start, np.nan), trained, dtype), dtype)


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize(("scalar", "lanes"), [("float", 4), ("double", 2), ("float", 16)])
def test_the_fma_loop_is_valid_at_every_width(scalar, lanes, separate):
    module = llvm.parse_assembly(loop_text(scalar, lanes, 12, separate))
    module.verify()
    assert str(module).count("= fmul" if separate else "= call") == 12


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_fma_limit_is_a_rate(dtype):
    assert 0.1 < fma_limit(dtype) < 1e4


def test_a_rival_in_its_own_process_does_the_work_and_is_timed(monkeypatch):
    monkeypatch.setattr(peers, "BLOCK", 0.01)
    monkeypatch.setattr(peers, "PAUSE", 0.0)
    case = CASES["17-37-23-5"]
    with peers.started(["numpy"], 1) as workers:
        (found,) = peers.measure_case(workers, case, "float64", 1, rounds=2)
    assert found["difference"] < 1e-10
    assert len(found["blocks"]) == 2
    assert min(found["blocks"]) <= found["microseconds"] <= max(found["blocks"])


def test_a_rival_that_fails_is_left_out_with_its_reason():
    with peers.started(["numpy"], 1) as workers:
        (found,) = peers.measure_case(workers, SMALL, "float64", 1, rounds=1)  # its name is not in the workers' table
    assert found["failed"] == "KeyError: '3-4-2'"
    assert "skipped: KeyError" in report.case_table([found], SMALL, 100.0)
    assert "| – |" in report.tables(record(row("fastbp", 1.0), {**row("torch", 1.0), "failed": "no compiler"}))


def test_an_absent_library_is_skipped_with_a_line(monkeypatch, capsys):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None if name == "jax" else object())
    assert peers.installed(["jax-loop", "torch"]) == ["torch"]
    assert capsys.readouterr().out == "skipped jax-loop: jax is not installed\n"


@pytest.mark.parametrize("argv", [["--threads", "0"], ["--rounds", "0"], ["--shapes", "1-1"], ["--dtype", "float16"]])
def test_a_bad_argument_ends_the_command(argv, capsys):
    with pytest.raises(SystemExit):
        peers.arguments(argv)
    assert argv[0] in capsys.readouterr().err


def test_threads_are_set_for_every_library():
    env = peers.environment(2)
    assert {env[name] for name in peers.THREAD_VARIABLES} == {"2"}


def test_the_table_gives_time_share_and_lead():
    text = report.tables(RECORD)
    assert "**1 thread, float32** (FMA limit 100 GFLOP/s)" in text
    assert "| 784-128-10 (32) relu | 125 | 250 | 1,500 | 80% | 2.00× |" in text


def test_the_section_says_what_it_ran_on():
    text = report.section(RECORD)
    command = "```\npython asv_benchmarks/peers.py\n```"
    for part in ("2000-01-02", "a processor", "2 cores", "numpy 2.4", "3 rounds", command):
        assert part in text


@pytest.mark.parametrize("text", ["no marker", "<!-- peers:begin -->", "<!-- peers:end --><!-- peers:begin -->"])
def test_a_readme_without_both_markers_is_refused(text):
    with pytest.raises(ValueError, match="peers:begin"):
        report.replace_section(text, "new")


def test_the_readme_is_rewritten_between_the_markers_and_nowhere_else(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("# before\n<!-- peers:begin -->\nold\n<!-- peers:end -->\nafter µ\n", encoding="utf-8")
    for _ in range(2):
        report.update_readme(RECORD, tmp_path)
        text = readme.read_text(encoding="utf-8")
        assert text.startswith("# before\n<!-- peers:begin -->\nMedian")
        assert text.endswith("<!-- peers:end -->\nafter µ\n")
        assert "old" not in text
        charts = (tmp_path / "docs" / "peers.svg").read_bytes()
    report.chart(RECORD, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == charts


def test_without_fastbps_time_there_is_no_chart(tmp_path, capsys):
    report.chart(record(row("numpy", 250.0)), tmp_path / "chart.png")
    assert "no chart" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_ratios_are_times_over_fastbps():
    assert report.ratios(RECORD, "float32", 1) == {"numpy": {"784-128-10": 2.0}, "torch": {"784-128-10": 12.0}}
    assert set(report.ratios(RECORD, "float32", 1)) <= set(RIVALS)
