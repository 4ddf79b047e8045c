"""The progress of a fit on the terminal."""

import sys

import pytest
from networks import make_samples, make_trainer


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
