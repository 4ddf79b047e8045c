"""Many trainings at once: engines give the scores of one process and keep to their share of cores."""

import os
import re

import pytest
from processes import ROOT, output_of, run_python, start_python

TEXT = (ROOT / "docs" / "many_trainings.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^## .*?: (\S.*?)\n\n```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
SEARCH = re.search(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[1]
# What stands for a cluster here.
LOCAL = {
    'Client("tcp://scheduler:8786")': "Client(n_workers=2, threads_per_worker=1, dashboard_address=None)",
    'ray.init(address="auto")': "ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)",
}
MODULES = {"joblib's loky": "joblib", "Dask": "distributed.client", "Ray": "ray"}
THREADS = """
import os
os.environ.setdefault("ASKED_BY", str(os.getpid()))
from sklearn.base import BaseEstimator
class Threads(BaseEstimator):
    def fit(self, X, y=None):
        from fastbp.kernels.runtime.threads import available
        assert os.getpid() != int(os.environ["ASKED_BY"]), "no engine took it"
        self.threads = available(None)
        return self
    def score(self, X, y=None):
        return self.threads
from sklearn.model_selection import cross_val_score
"""


def local(code):
    for there, here in LOCAL.items():
        code = code.replace(there, here)
    return code


def within_engine(code, work):
    """The snippet with other work in the place of its fit."""
    lines = local(code).splitlines()
    place = next(k for k, line in enumerate(lines) if "search.fit" in line)
    return "\n".join([*lines[:place], f"    {work}"])


def program(tmp_path, code):
    """A file, as processes that are spawned need it."""
    path = tmp_path / "program.py"
    body = "\n".join(f"    {line}" for line in code.splitlines())
    path.write_text(f"if __name__ == '__main__':\n{body}\n", encoding="utf-8")
    return path


def test_there_is_a_snippet_for_each_engine():
    assert [name for name, _ in SNIPPETS] == list(MODULES)


@pytest.mark.slow
@pytest.mark.parametrize("engine", MODULES)
def test_scores_are_those_of_one_process(engine, tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip(MODULES[engine])
    show = "\nprint('scores', *[score.hex() for score in search.cv_results_['mean_test_score'].tolist()])"
    alone = run_python(f"{SEARCH}\nsearch.fit(X / 16, y){show}")
    shown = output_of(start_python(program(tmp_path, SEARCH + local(dict(SNIPPETS)[engine]) + show), cwd=tmp_path))
    scores = [re.search(r"scores (.*)", text)[1] for text in (alone, shown)]
    assert len(scores[0].split()) == 4
    assert scores[0] == scores[1]


@pytest.mark.slow
@pytest.mark.parametrize("engine", MODULES)
def test_trainings_keep_to_their_share_of_the_cores(engine, tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip(MODULES[engine])
    work = "print('threads', *cross_val_score(Threads(), [[0.0]] * 6, [0, 1] * 3, cv=2, error_score='raise'))"
    code = SEARCH + within_engine(dict(SNIPPETS)[engine], work)
    (tmp_path / "counting.py").write_text(THREADS, encoding="utf-8")
    path = program(tmp_path, f"from counting import *\n{code}")
    variables = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": None, "NUMBA_NUM_THREADS": None}
    shown = output_of(start_python(path, cwd=tmp_path, **variables))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    most = max(1, cores // 2) if engine == "joblib's loky" else 1
    assert re.search(r"threads (.*)", shown)[1].split() == [str(most)] * 2
