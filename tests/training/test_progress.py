"""The progress of a fit on the terminal."""

import io
import sys
import threading

import pytest
from networks import make_samples, make_trainer
from processes import run_python

import fastbp.reference


def fit_slowly(monkeypatch, implementation, progress):
    monkeypatch.setattr("fastbp.base.progress._INTERVAL", 0.0)
    make_trainer(implementation).fit(*make_samples(), epochs=2, progress=progress)


def test_progress_shows_epoch_loss_accuracy_and_rate(implementation, monkeypatch, capsys):
    pytest.importorskip("tqdm")
    fit_slowly(monkeypatch, implementation, True)
    shown = capsys.readouterr().err
    for part in ("epoch 2/2, loss 0.", "accuracy 0.", "samples/s", "100%"):
        assert part in shown


def test_progress_is_a_plain_line_without_tqdm(implementation, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    fit_slowly(monkeypatch, implementation, True)
    shown = capsys.readouterr().err
    for part in ("\r100%, ", "samples/s, epoch 2/2, loss 0.", "accuracy 0."):
        assert part in shown
    assert shown.endswith("\n")


@pytest.mark.parametrize("progress", [False, None])
def test_progress_is_silent_unless_asked_for_where_there_is_no_terminal(implementation, monkeypatch, capsys, progress):
    fit_slowly(monkeypatch, implementation, progress)
    assert capsys.readouterr().err == ""


def test_progress_shows_itself_on_a_terminal_if_left_to_choose(implementation, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    fit_slowly(monkeypatch, implementation, None)
    assert "epoch 2/2" in capsys.readouterr().err


# ------------------------------------------------------------------ programs without a terminal
class Broken(io.StringIO):
    """Standard error that fails as soon as it is written to."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def isatty(self):
        return True

    def write(self, text):
        raise self.error


class Bare:
    """What some consoles put in place of standard error: it can be written to, no more."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "closed": closed,
    "bare": Bare,
    "a broken pipe": lambda: Broken(BrokenPipeError(32, "Broken pipe")),
    "an invalid handle": lambda: Broken(OSError(22, "Invalid argument")),
    "another encoding": lambda: Broken(UnicodeEncodeError("ascii", "\u2588", 0, 1, "ordinal not in range")),
}


@pytest.mark.parametrize("bar", ["tqdm", "line"])
@pytest.mark.parametrize("progress", [True, None, False])
@pytest.mark.parametrize("stream", STREAMS)
def test_programs_without_a_standard_error_train_as_others_do(implementation, monkeypatch, stream, progress, bar):
    if bar == "line":
        monkeypatch.setitem(sys.modules, "tqdm", None)
    else:
        pytest.importorskip("tqdm")
    monkeypatch.setattr("fastbp.base.progress._INTERVAL", 0.0)
    expected = make_trainer(implementation).fit(*make_samples(), epochs=3)
    monkeypatch.setattr(sys, "stderr", STREAMS[stream]())
    history = make_trainer(implementation).fit(*make_samples(), epochs=3, progress=progress)
    assert history.loss == expected.loss


def test_a_broken_standard_error_leaves_no_lock_and_no_thread_of_tqdm(monkeypatch):
    tqdm = pytest.importorskip("tqdm").tqdm
    monkeypatch.setattr("fastbp.base.progress._INTERVAL", 0.0)
    before, monitor = threading.active_count(), tqdm.monitor
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", STREAMS["a broken pipe"]())
        make_trainer(fastbp.reference).fit(*make_samples(), progress=True)
    assert threading.active_count() == before
    assert tqdm.monitor is monitor

    def draw():
        with tqdm.get_lock():
            pass

    other = threading.Thread(target=draw, daemon=True)
    other.start()
    other.join(timeout=10)
    assert not other.is_alive()


@pytest.mark.parametrize("module", ["fastbp", "fastbp.reference"])
def test_a_process_without_standard_streams_trains(module, tmp_path):
    # SciPy imports f2py, which old releases of NumPy cannot do without a standard error.
    code = """
import io
import sys
import numpy.f2py
sys.stdin = sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
import importlib
implementation = importlib.import_module(sys.argv[1])
import warnings
warnings.warn("lost")
for progress in (None, True, False):
    history = implementation.Trainer(implementation.Network([1, 2, 2], rng=0)).fit([[0.0], [1.0]], [0, 1], 2,
                                                                                 progress=progress)
open(sys.argv[2], "w").write(str(len(history.loss)))
"""
    run_python(code, module, tmp_path / "done")
    assert (tmp_path / "done").read_text() == "2"
