"""What `fastbp.config` says, and compiling ahead."""

import sys

import ahead
import numpy as np
import pytest
from processes import run_python, start_python

import fastbp
from fastbp.__main__ import main


def test_config_says_what_the_machine_gave():
    config = fastbp.config
    assert config.vector_bytes in (16, 32, 64)
    assert isinstance(config.has_fma, bool)
    assert config.threading_layer in ("omp", "tbb", "workqueue")
    assert config.threads >= 1
    assert config.versions["NumPy"] == np.__version__
    assert config.versions["fastbp"] == fastbp.__version__
    assert config.cache_directory is None or config.cache_directory.is_dir()
    assert f"vector_bytes={config.vector_bytes}" in repr(config)


def test_show_config_prints_all_of_it(capsys):
    fastbp.show_config()
    shown = capsys.readouterr().out
    assert shown.startswith(f"fastbp {fastbp.__version__}\n")
    config = fastbp.config
    for part in (config.vector_bytes, config.threading_layer, config.cache_directory, f"NumPy {np.__version__}"):
        assert str(part) in shown


def test_info_is_what_show_config_prints(capsys):
    main(["info"])
    assert capsys.readouterr().out == f"{fastbp.config}\n"


def test_without_a_cache_config_says_none(monkeypatch, capsys):
    monkeypatch.setattr("fastbp.kernels.runtime.cache.directory", lambda: None)
    assert fastbp.config.cache_directory is None
    fastbp.show_config()
    assert "cache     none" in capsys.readouterr().out


ASKING = """
import numba, fastbp
from numba.np.ufunc import parallel
print(fastbp.config.threading_layer, parallel._is_initialized, *numba.config.THREADING_LAYER_PRIORITY)
"""


def test_asking_launches_no_threads_and_openmp_comes_first():
    plain = {"NUMBA_THREADING_LAYER": None, "NUMBA_THREADING_LAYER_PRIORITY": None}
    layer, launched, *order = run_python(ASKING, **plain).split()
    assert (layer, launched) in (("omp", "False"), ("tbb", "False"), ("workqueue", "False"))
    assert order == ["omp", "tbb", "workqueue"]


@pytest.mark.parametrize("variable", ["NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY"])
def test_a_layer_the_user_chose_stays(variable):
    value = "workqueue" if variable == "NUMBA_THREADING_LAYER" else "workqueue tbb omp"
    layer, _, *order = run_python(ASKING, **{variable: value}).split()
    assert layer == "workqueue"
    assert variable == "NUMBA_THREADING_LAYER" or order == ["workqueue", "tbb", "omp"]


def test_the_layer_it_names_is_the_one_that_numba_launches():
    code = """
import numba, fastbp
expected = fastbp.config.threading_layer
numba.get_num_threads()
assert "not launched" not in str(fastbp.config)
print(expected, numba.threading_layer(), fastbp.config.threading_layer)
"""
    assert len(set(run_python(code).split())) == 1


# ------------------------------------------------------------------ compiling ahead
AFTER_WARMUP = """
import sys

import numpy as np
from numba.core import event
compiled = event.RecordingListener()
event.register("numba:compile", compiled)
import fastbp
from fastbp.kernels.runtime import threads
X, Y = np.ones((300, 7), np.float32), np.zeros(300, np.int64)
for threads._PLENTY in (1e12, 0.0):     # serial, then parallel
    net = fastbp.Network([7, 33, 3], rng=0)
    fastbp.Trainer(net, rng=0).fit(X, Y, validation_data=(X, Y))
    fastbp.Trainer(net, "adam", rng=0).fit(X, Y)
    net.predict(X)
    net.predict(X[:1])
    net.backprop(X, Y)
print(len(compiled.buffer))
"""


def after_warmup():
    ahead.run("-m", "fastbp", "warmup")
    return ahead.run("-c", AFTER_WARMUP)


@pytest.mark.slow
@pytest.mark.ahead(of=after_warmup)
def test_after_warmup_a_process_compiles_nothing():
    assert ahead.result(after_warmup).split() == ["0"]


AFTER_COMPLETE_WARMUP = """
import numpy as np
from numba.core import event
compiled = event.RecordingListener()
event.register("numba:compile", compiled)
import fastbp
from networks import ALL_PAIRS
X = np.ones((3, 2), np.float32)
for output, loss in ALL_PAIRS:
    net = fastbp.Network([2, 8, 6], "relu", output, loss, rng=0)
    net._backprop(X, np.full((3, 6), np.float32(1 / 6)), None)
for activation in fastbp.activations.ACTIVATIONS:
    fastbp.Network([2, 8, 6], activation, "identity", "quadratic").backprop(X, np.ones((3, 6)))
for optimizer in fastbp.optimizers.OPTIMIZERS:
    fastbp.Trainer(fastbp.Network([2, 8, 6]), optimizer, max_norm=1.0).step(X, [0, 1, 2])
print(len(compiled.buffer))
"""


def after_complete_warmup():
    ahead.run("-m", "fastbp", "warmup", "--dtype", "float32", "--complete")
    return ahead.run("-c", AFTER_COMPLETE_WARMUP)


@pytest.mark.slow
@pytest.mark.ahead(of=after_complete_warmup)
def test_after_a_complete_warmup_a_process_compiles_nothing_for_any_name():
    assert ahead.result(after_complete_warmup).split() == ["0"]


def test_warmup_says_how_long_it_took(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(fastbp, "warmup", lambda dtype, complete: asked.append((dtype, complete)))
    main(["warmup", "--dtype", "float32", "--complete"])
    main(["warmup"])
    assert asked == [("float32", True), (None, False)]
    assert capsys.readouterr().out.startswith("ready after 0.0 s, kept in ")


def test_warmup_knows_two_dtypes():
    with pytest.raises(ValueError, match="dtype is 'float16', expected float32 or float64"):
        fastbp.warmup("float16")


@pytest.mark.parametrize("arguments", [[], ["cool"], ["warmup", "--dtype", "float16"]])
def test_a_wrong_command_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "usage: python -m fastbp" in capsys.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith(("linux", "darwin")), reason="pipes of a shell")
def test_info_may_be_read_in_part():
    with start_python("-m", "fastbp", "info") as process:
        process.stdout.close()  # nobody reads on
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
