"""Other threads, processes and libraries: no count of threads changes, and every start gives the same bits."""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

import ahead
import pytest
from processes import ROOT, output_of, run_python, start_python
from test_cache import doubled, kernels, make_double, place

import fastbp
from fastbp.kernels.runtime import cache
from fastbp.kernels.runtime.barrier import _PARALLEL

assert place  # a fixture
PACKAGE = Path(fastbp.__file__).parent
pytestmark = pytest.mark.slow
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


# ------------------------------------------------------------------ threads
GATHERED = """
import numpy as np, sys
from parallel import always_parallel
from fastbp.compiled.session import Session
import test_threads
always_parallel()
found = {1: 0, 2: 0}
train = Session._train

def spy(self, rows, batch_size, hyper, threads, *, parallel, **how):
    train(self, rows, batch_size, hyper, threads, parallel=parallel, **how)
    if parallel and threads > 1:
        found[int(self._workspace.arrays["arrivals"][0])] += 1

Session._train = spy
Session.whole_epochs = lambda *_: 0  # a call for each epoch: threads gather for each of them
row = test_threads.ROWS[0]
alone = test_threads.trained(row, 1, epochs=60)
for _ in range(int(sys.argv[2])):
    assert test_threads.trained(row, int(sys.argv[1]), epochs=60) == alone
print(found[1], found[2])
"""


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_that_have_gathered_give_the_bits_of_one(threads):
    if (os.cpu_count() or 1) < 2:
        pytest.skip("there is one core")
    assert _PARALLEL == 1
    fits = 8 if threads == 2 else 4  # more threads than cores wait for each other
    side_by_side, alone = map(int, run_python(GATHERED, threads, fits, NUMBA_NUM_THREADS=threads).split())
    assert side_by_side > 0
    assert side_by_side + alone >= fits * 60


NESTED = """
import numba, numpy as np, fastbp
from numba import njit, prange, objmode
X, Y = np.random.default_rng(0).normal(size=(64, 20)).astype(np.float32), np.arange(64) % 3

def train(k):
    net = fastbp.Network([20, 50, 3], rng=int(k))
    trainer = fastbp.Trainer(net, batch_size=16, rng=0)
    trainer.fit(X, Y, epochs=3)
    return float(np.abs(net.parameters).sum())

expected = [train(k) for k in range(8)]

@njit(parallel=True)
def users(out):
    for k in prange(8):
        with objmode(value="float64"):
            value = train(k)
        out[k] = value

out = np.zeros(8)
for _ in range(3):
    users(out)
    assert out.tolist() == expected
print("done", numba.threading_layer())
"""


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_fits_within_a_parallel_loop_of_the_users(layer):
    if layer == "omp" and sys.platform == "darwin":
        pytest.skip("Numba's wheels have no OpenMP there")
    assert run_python(NESTED, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS=2).split() == ["done", layer]


COUNTS = """
import numba, numpy as np, fastbp
from parallel import always_parallel
from threadpoolctl import threadpool_info, threadpool_limits
LIBRARY
always_parallel()
X = np.random.default_rng(0).normal(size=(200, 90))
X @ X.T
net = fastbp.Network([90, 90, 90], rng=0)
trainer = fastbp.Trainer(net, "adam", 50, rng=0, threads=2)
numba.set_num_threads(3)

def counts():
    return {(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()}, numba.get_num_threads(), theirs()

def same(before):
    pools, *others = counts()
    return before[0] <= pools and others == list(before[1:])  # a library may be loaded meanwhile

class Interrupt:
    def on_epoch_end(self, trainer, epoch, logs):
        raise KeyboardInterrupt

trainer.fit(X, np.zeros(200, int))
for limit in (1, 2, 3):
    with threadpool_limits(limit):
        before = counts()
        trainer.fit(X, np.zeros(200, int), 3)
        net.forward(np.ones((5000, 90)))
        assert same(before)
        try:
            trainer.fit(X, np.zeros(200, int), 3, callbacks=[Interrupt()])
        except KeyboardInterrupt:
            assert same(before)
print(len(before[0]) > 0, numba.get_num_threads())
"""


@pytest.mark.parametrize("library", ["", "torch"])
def test_no_librarys_count_of_threads_changes(library):
    pytest.importorskip("threadpoolctl")
    if library:
        pytest.importorskip(library)
    theirs = "import torch; torch.set_num_threads(3); theirs = torch.get_num_threads; theirs()"
    code = COUNTS.replace("LIBRARY", theirs if library else "theirs = int")
    assert run_python(code, NUMBA_NUM_THREADS=4, OPENBLAS_NUM_THREADS=2) == "True 3\n"


def free_threaded():
    """Interpreters without a global lock that have Numba, this one first."""
    named = [sys.executable] * bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    named += filter(None, (shutil.which(f"python3.{minor}t") for minor in range(13, 20)))
    command = ["-c", "import numba, numpy, sys; sys.exit(sys._is_gil_enabled())"]
    return [name for name in named if not subprocess.run([name, *command], capture_output=True, check=False).returncode]


FREE_THREADED = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np, fastbp
X, Y = np.random.default_rng(0).normal(size=(200, 20)), np.arange(200) % 3
shared = fastbp.Network([20, 30, 3], rng=0)
expected = shared.forward(X)

def work(k):
    net = fastbp.Network([20, 30, 3], rng=k % 4)
    fastbp.Trainer(net, "adam", 16, rng=0).fit(X, Y, epochs=5)
    assert np.array_equal(shared.forward(X), expected)
    return net.parameters.tobytes()

with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(work, range(32)))
print(len(set(found)), sys._is_gil_enabled())
"""


def test_threads_without_a_global_lock_train_as_with_it():
    interpreters = free_threaded()
    if not interpreters:
        pytest.skip("there is no Python without a global lock that has Numba")
    for interpreter in interpreters:
        done = subprocess.run([interpreter, "-c", FREE_THREADED], capture_output=True, text=True, check=True, cwd=ROOT)
        assert done.stdout.split() == ["4", "False"]


# ------------------------------------------------------------------ other processes
DASK = """
import dask, numpy as np, fastbp
from test_threads import ROWS, trained

if __name__ == "__main__":
    work = [dask.delayed(trained)(ROWS[0], None) for _ in range(3)]
    found = dask.compute(*work, scheduler="SCHEDULER", num_workers=2)
    print(set(found) == {trained(ROWS[0], 1)})
"""


@pytest.mark.parametrize("scheduler", ["processes", "threads"])
def test_dasks_workers_train_with_the_same_bits(tmp_path, scheduler):
    pytest.importorskip("dask")
    (tmp_path / "script.py").write_text(DASK.replace("SCHEDULER", scheduler))
    assert output_of(start_python(tmp_path / "script.py")) == "True\n"


# ------------------------------------------------------------------ the cache of kernels
COLD = """
import hashlib, numpy as np, fastbp
net = fastbp.Network([7, 5, 3], "identity", "identity", "quadratic", rng=0)
print(hashlib.sha256(net.forward(np.ones((3, 7))).tobytes()).hexdigest())
"""


def test_at_every_line_of_a_save_others_find_the_whole_kernel_or_none(place, monkeypatch):
    found = []

    def look(frame, event, argument):
        file = frame.f_code.co_filename
        if not file.startswith(str(PACKAGE)) and "pathlib" not in file:
            return None
        for file in kernels(place):
            content = file.read_bytes()
            found.append(content[:32] == cache._digest(file.name, content[32:]))
        return look

    def traced(*arguments):
        before = sys.gettrace()
        sys.settrace(look)
        try:
            save(*arguments)
        finally:
            sys.settrace(before)

    save = cache.KernelCache.save_overload
    monkeypatch.setattr(cache.KernelCache, "save_overload", traced)
    make_double()(1.5)
    assert len(found) > 1
    assert all(found)


def sixteen_cold():
    """What sixteen processes print alike, and the kinds of the files that they leave."""
    with tempfile.TemporaryDirectory() as place:
        digest = ahead.run("-W", "error", "-c", COLD, count=16, FASTBP_CACHE_DIR=place)
        return digest, {file.suffix for file in Path(place).rglob("*") if file.is_file()}


@pytest.mark.ahead(of=sixteen_cold)
def test_sixteen_processes_that_start_cold_together_agree():
    assert ahead.result(sixteen_cold) == (run_python(COLD), {".kernel"})


WARM = """
import numba
from numba.core import event
compiled = event.RecordingListener()
event.register("numba:compile", compiled)
from parallel import always_parallel
from test_threads import ROWS, trained
always_parallel()
print(trained(ROWS[0], None), len(compiled.buffer), numba.config.NUMBA_NUM_THREADS)
"""


def test_another_count_of_threads_finds_the_cache_warm_and_gives_the_same_bits():
    serial = "from test_threads import ROWS, trained; trained(ROWS[0], 1)"
    run_python(WARM, NUMBA_NUM_THREADS=2), run_python(serial, NUMBA_NUM_THREADS=1)
    bits = set()
    for threads in (1, 2, 3, 4):
        digest, compiled, count = run_python(WARM, NUMBA_NUM_THREADS=threads).split()
        assert (compiled, count) == ("0", str(threads))
        bits.add(digest)
    assert len(bits) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems save by other calls")
@pytest.mark.parametrize("moment", ["open", "write", "link", "replace", "after replace"])
def test_a_kill_in_the_save_of_a_kernel_leaves_a_cache_that_is_right(place, moment):
    cache.directory()
    pid = os.fork()
    if pid == 0:
        killed_at(moment)
        make_double()(1.5)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 9
    assert len(kernels(place)) == (moment == "after replace")
    assert doubled() == (moment != "after replace")
    assert doubled() == 0
    assert [path.name for path in place.rglob("*") if path.is_file()] == [path.name for path in kernels(place)]


def killed_at(moment):
    """Have this process killed before, or after, its next call of a function of the system."""
    name = moment.removeprefix("after ")
    function = getattr(os, name)

    def call(*arguments, **named):
        if moment.startswith("after"):
            function(*arguments, **named)
        os.kill(os.getpid(), 9)

    setattr(os, name, call)


# ------------------------------------------------------------------ where the package lies
TRAIN = """
import contextlib, hashlib, importlib, os, sys
import numpy as np
import fastbp
X, Y = np.random.default_rng(0).normal(size=(60, 9)).astype(np.float32), np.arange(60) % 3
net = fastbp.Network([9, 20, 3], "tanh", rng=0)
if "--as" in sys.argv:  # nothing has been compiled or read from a cache yet
    for module in sys.argv[2:]:  # a user without rights may be kept out of root's own interpreter
        with contextlib.suppress(ImportError, Warning):
            importlib.import_module(module)
    os.setgid(12345), os.setuid(12345)
trainer = fastbp.Trainer(net, "adam", batch_size=16, rng=0)
trainer.fit(X, Y, epochs=2, validation_data=(X, Y))
print(os.path.dirname(fastbp.__file__), os.access(os.path.dirname(fastbp.__file__), os.W_OK))
print(hashlib.sha256(net.parameters.tobytes()).hexdigest())
"""


def plain():
    return run_python(TRAIN).split()[-1]


def test_a_package_in_a_zip_file_trains(tmp_path):
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in PACKAGE.rglob("*.py"):
            packed.write(file, f"fastbp/{file.relative_to(PACKAGE).as_posix()}")
    place, writable, digest = output_of(start_python("-P", "-c", TRAIN, PYTHONPATH=archive)).split()
    assert (place, writable) == (str(archive / "fastbp"), "False")
    assert digest == plain()


def without_sources():
    """The keys of the package and of an edited one, both without sources, and what the first one trains."""
    keys, code = [], "import fastbp.kernels.runtime.cache as c; print(c.__file__, c.build_key())"
    with tempfile.TemporaryDirectory() as place:
        for edited in (True, False):
            folder = Path(place, f"{edited}")
            shutil.copytree(PACKAGE, folder / "fastbp", ignore=shutil.ignore_patterns("__pycache__"))
            if edited:
                with (folder / "fastbp" / "kernels" / "loops.py").open("a") as file:
                    file.write("EDITED = 1\n")
            ahead.run("-m", "compileall", "-b", "-q", folder)
            for file in (folder / "fastbp").rglob("*.py"):
                file.unlink()
            module, key = ahead.run("-P", "-c", code, PYTHONPATH=folder).split()
            assert module == str(folder / "fastbp" / "kernels" / "runtime" / "cache.pyc")
            keys.append(key)
        return keys, ahead.run("-P", "-c", TRAIN, PYTHONPATH=folder).split()[-1]


@pytest.mark.ahead(of=without_sources)
def test_a_package_without_sources_trains_and_has_a_key_of_its_code():
    keys, digest = ahead.result(without_sources)
    assert len(set(keys)) == 2
    assert digest == plain()


@posix
def test_a_package_that_cannot_be_written_trains_without_a_home(tmp_path):
    """As a user who may write nowhere but to the temporary directory; the kernels that are there are taken along."""
    own, temporary = tmp_path / "site", tmp_path / "temporary"
    shutil.copytree(PACKAGE, own / "fastbp", ignore=shutil.ignore_patterns("__pycache__"))
    modules = run_python(TRAIN + "print(*(name for name in sys.modules if not name.startswith(('fastbp', '__'))))")
    root = os.getuid() == 0
    kept = temporary / f"fastbp-{12345 if root else os.getuid()}" / cache.build_key()
    kept.mkdir(parents=True)
    for file in kernels(cache.directory()):
        shutil.copy(file, kept)
    for path in (own, *own.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if root:
        for path in (temporary, *temporary.rglob("*")):
            os.chown(path, 12345, 12345)
        for parent in (kept.parent, kept):
            parent.chmod(0o700)
        for parent in tmp_path.parents[:-1]:
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
        tmp_path.chmod(0o755)
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in own.rglob("*") if path.is_file()}
    as_user = ["--as", *modules.splitlines()[-1].split()] if root else []
    process = start_python("-P", "-W", "error", "-c", TRAIN, *as_user, PYTHONPATH=own, TMPDIR=temporary,
                           HOME="/proc/nothing", XDG_CACHE_HOME=None, FASTBP_CACHE_DIR=None, cwd="/")
    try:
        found, writable, digest = output_of(process).split()
    finally:
        for path in (own, *own.rglob("*")):
            path.chmod(0o755)
    assert (found, writable, digest) == (str(own / "fastbp"), "False", plain())
    assert before == {path: hashlib.sha256(path.read_bytes()).digest() for path in own.rglob("*") if path.is_file()}
