"""Saves: the old file or the new one, whole, and nothing beside it, whatever fails, kills, or stands in the place."""

import errno
import os
import socket
import stat
import threading
import warnings

import numpy as np
import pytest
from networks import make_samples, make_trainer
from processes import run_python

import fastbp
from fastbp import reference
from fastbp.kernels.runtime import whole_files

fcntl = pytest.importorskip("fcntl")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, links and permissions are POSIX's")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


@pytest.fixture(params=["without a name", "temporary name"])
def naming(request, monkeypatch):
    """Whether there are files without a name; a save has another course where there are none."""
    if request.param == "temporary name":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return request.param


def new_trainer(seed=0):
    trainer = make_trainer(reference, dtype=np.float32, optimizer="adam", rng=seed)
    trainer.fit(*make_samples())
    return trainer


def n_open():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


# ------------------------------------------------------------------ calls that fail
class Failing:
    """A function of `os` whose call of a number fails; what is closed is closed all the same."""

    def __init__(self, patch, name, number, error):
        self.calls, self._call, self._number, self._error = 0, getattr(os, name), number, error
        patch.setattr(os, name, self)

    def __call__(self, *arguments, **named):
        self.calls += 1
        if self.calls != self._number:
            return self._call(*arguments, **named)
        if self._call.__name__ == "close":
            self._call(*arguments)
        raise OSError(self._error, os.strerror(self._error))


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EPERM, errno.EINVAL, errno.EINTR])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "close", "link", "replace", "chmod", "fstat", "scandir"])
def test_each_call_of_a_save_may_fail(path, monkeypatch, naming, call, error):
    trainer, other = new_trainer(0), new_trainer(1)
    for number in range(1, 50):
        trainer.save(path)
        path.chmod(0o604)
        before, n_before = path.read_bytes(), n_open()
        with monkeypatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            failing = Failing(patch, call, number, error)
            try:
                other.save(path)
                failed = False
            except OSError:
                failed = True
        assert os.listdir(path.parent) == [path.name]
        assert n_open() == n_before
        assert (path.read_bytes() == before) == failed
        assert reference.Trainer.load(path).steps == trainer.steps
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
        if failing.calls < number:
            break
    else:
        pytest.fail(f"a save calls {call} too often")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "fstat"])
def test_what_is_no_error_of_the_system_leaves_the_old_file_too(path, monkeypatch, naming, call, interruption):
    new_trainer().save(path)
    before = path.read_bytes()

    def interrupt(*_, **__):
        raise interruption

    with monkeypatch.context() as patch:
        patch.setattr(os, call, interrupt)
        with pytest.raises(interruption):
            new_trainer(1).save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_errors_name_the_file_and_not_a_temporary_one(path, monkeypatch, naming):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/run\.safetensors'") as caught:
        new_trainer().save(path)
    assert caught.value.filename == str(path)


def test_writes_that_take_a_part_are_gone_on_with(path, monkeypatch):
    write, trainer = os.write, new_trainer()
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:7]))
    trainer.save(path)
    assert np.array_equal(reference.Trainer.load(path).network.parameters, trainer.network.parameters)


def test_a_file_system_that_cannot_sync_or_lock_serves(path, monkeypatch, naming):
    def cannot(*_):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", cannot)
    monkeypatch.setattr(fcntl, "flock", cannot)
    new_trainer().save(path)
    assert reference.Trainer.load(path).epochs == 1


def test_a_folder_that_fails_to_sync_costs_a_warning_for_the_file_is_there(path, monkeypatch):
    fsync = os.fsync

    def fail_for_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    with pytest.warns(RuntimeWarning, match="may be lost if the power fails now"):
        new_trainer().save(path)
    assert reference.Trainer.load(path).epochs == 1


def test_the_content_is_on_the_disk_before_the_file_is_replaced_and_the_name_after(path, monkeypatch, naming):
    calls, fsync, replace = [], os.fsync, os.replace

    def noting_fsync(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noting_replace(*names):
        calls.append("replace")
        replace(*names)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "replace", noting_replace)
    new_trainer().save(path)
    assert calls == ["file", "replace", "folder"]


# ------------------------------------------------------------------ kills
KILLS = """
import os, random, signal, sys, time
import fastbp.reference as reference
path, n_kills = sys.argv[1], int(sys.argv[2])
if sys.argv[3] == "temporary name":
    del os.O_TMPFILE
trainer = reference.Trainer(reference.Network([100, 100, 2], rng=0), "adam", rng=0)
start = time.perf_counter()
trainer.save(path)
seconds, strays, rng = time.perf_counter() - start, 0, random.Random(0)
for _ in range(n_kills):
    child = os.fork()
    if child == 0:
        try:
            while True:
                trainer.save(path)
        finally:
            os._exit(1)
    time.sleep(rng.uniform(0.0, 3 * seconds))
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    strays = max(strays, len(os.listdir(os.path.dirname(path))) - 1)
    assert reference.Trainer.load(path).network.sizes == (100, 100, 2)
trainer.save(path)
print(strays, *os.listdir(os.path.dirname(path)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("naming", ["without a name", "temporary name"])
def test_a_kill_at_any_moment_leaves_a_whole_file_and_no_other_after_the_next_save(path, naming):
    if naming == "without a name" and not hasattr(os, "O_TMPFILE"):
        pytest.skip("every file has a name here")
    strays, *left = run_python(KILLS, path, 500, naming).split()
    assert left == [path.name]
    # Without O_TMPFILE most kills leave a file, and the save of the next child removes it.
    assert int(strays) <= 1


def test_the_files_of_dead_writers_are_swept_and_no_others(path):
    folder = path.parent
    dead, alive = (folder / f".fastbp-{digit * 16}.tmp" for digit in "0f")
    names = ".fastbp-0.tmp", ".fastbp-0123456789abcdeg.tmp", "fastbp-0123456789abcdef.tmp"
    others = [folder / name for name in names]
    for file in (dead, alive, *others):
        file.write_bytes(b"half a model")
    (folder / f".fastbp-{'1' * 16}.tmp").mkdir()
    (folder / f".fastbp-{'2' * 16}.tmp").symlink_to(others[0])
    os.mkfifo(folder / f".fastbp-{'3' * 16}.tmp")
    with alive.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        new_trainer().save(path)
    assert not dead.exists()
    assert len(os.listdir(folder)) == 1 + 1 + len(others) + 3
    new_trainer().save(path)
    assert not alive.exists()


def test_where_files_cannot_be_locked_only_old_ones_are_swept(path, monkeypatch):
    old, new = (path.parent / f".fastbp-{digit * 16}.tmp" for digit in "01")
    for file in (old, new):
        file.write_bytes(b"half a model")
    os.utime(old, (0, 0))

    def cannot(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", cannot)
    new_trainer().save(path)
    assert sorted(os.listdir(path.parent)) == sorted([path.name, new.name])


def test_a_writer_whose_file_was_swept_before_it_locked_it_takes_another(path, monkeypatch):
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    flock, swept = fcntl.flock, []

    def sweep_first(descriptor, kind):
        if not swept and kind == fcntl.LOCK_EX:
            swept.extend(path.parent.glob(".fastbp-*.tmp"))
            for file in swept:
                file.unlink()
        return flock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    new_trainer().save(path)
    assert len(swept) == 1
    assert os.listdir(path.parent) == [path.name]


def test_saves_at_the_same_time_leave_one_whole_file(path, naming):
    trainers = [new_trainer(seed) for seed in range(4)]
    threads = [threading.Thread(target=lambda t=t: [t.save(path) for _ in range(25)]) for t in trainers]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            reference.Trainer.load(path)
    assert os.listdir(path.parent) == [path.name]


# ------------------------------------------------------------------ what is in the place
@pytest.fixture(params=["folder", "pipe", "socket", "device", "link to a device", "link to a pipe"])
def special(request, tmp_path):
    place, inner = tmp_path / "place", tmp_path / "inner"
    match request.param:
        case "folder":
            place.mkdir()
        case "pipe":
            os.mkfifo(place)
        case "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(place))
        case "device":
            place = type(place)(os.devnull)
        case "link to a device":
            place.symlink_to(os.devnull)
        case _:
            os.mkfifo(inner)
            place.symlink_to(inner)
    return place


def test_what_is_no_plain_file_is_neither_replaced_nor_waited_for(special):
    before, names = os.lstat(special), os.listdir(special.parent)
    trainer = new_trainer()
    checkpoint = fastbp.callbacks.ModelCheckpoint(special)
    log = fastbp.callbacks.CSVLogger(special)
    for save in (
        lambda: trainer.save(special), lambda: trainer.network.save(special),
        lambda: trainer.fit(*make_samples(), callbacks=[checkpoint]),
        lambda: trainer.fit(*make_samples(), callbacks=[log]),
    ):
        with pytest.raises(OSError, match="expected a plain file"):
            save()
    for load in (reference.Trainer.load, fastbp.load):
        with pytest.raises(OSError, match=r"expected a plain file|No such device"):
            load(special)
    after = os.lstat(special)
    assert (before.st_mode, before.st_ino) == (after.st_mode, after.st_ino)
    assert os.listdir(special.parent) == names
    assert trainer.epochs == 1


def test_the_name_of_a_folder_is_no_file(path):
    with pytest.raises(IsADirectoryError, match="is the name of a folder"):
        new_trainer().save(f"{path}{os.sep}")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*/runs' for the file: '.*/runs/a\.safetensors'"):
        new_trainer().save(tmp_path / "runs" / "a.safetensors")


def test_links_and_permissions_are_kept(path, naming):
    link = path.with_name("link")
    link.symlink_to(path.name)
    new_trainer().save(link)  # to a file that is not there yet
    assert link.is_symlink()
    path.chmod(0o640)
    new_trainer(1).save(link)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert reference.Trainer.load(path).epochs == 1


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="takes the rights of root")
def test_the_owner_is_kept(path):
    new_trainer().save(path)
    os.chown(path, 12345, 54321)
    new_trainer().save(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o027, 0o077, 0o777])
def test_a_new_file_has_the_permissions_that_the_umask_leaves(path, naming, umask):
    before = os.umask(umask)
    try:
        new_trainer().save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
        path.chmod(0o644)
        new_trainer().save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    finally:
        os.umask(before)


def test_names_as_long_as_the_system_allows(tmp_path, naming):
    path = tmp_path / ("é" * 127)
    new_trainer().save(path)
    assert reference.Trainer.load(path).epochs == 1


# ------------------------------------------------------------------ how a path may be given
def test_paths_of_every_kind(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    trainer = new_trainer()
    for path in ("a", b"b", tmp_path / "c", "~/d", os.path.join("~", "e"), "./f"):
        trainer.save(path)
        trainer.network.save(path)
        assert np.array_equal(fastbp.load(path).parameters, trainer.network.parameters)
        trainer.history.to_csv(path)
    assert sorted(os.listdir(tmp_path)) == list("abcdef")


@pytest.mark.parametrize("path", [3, None, True, ["a"], 1.5])
def test_what_is_no_path_is_named(path):
    trainer = new_trainer()
    for use in (
        trainer.save, trainer.network.save, trainer.history.to_csv, fastbp.load, reference.Trainer.load,
        fastbp.callbacks.ModelCheckpoint, fastbp.callbacks.CSVLogger,
    ):
        with pytest.raises(TypeError, match=r"^path must be a str or a path such as pathlib\.Path, got"):
            use(path)


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_a_path_that_names_nothing_is_refused(path):
    for use in (new_trainer().save, fastbp.load, fastbp.callbacks.ModelCheckpoint, fastbp.callbacks.CSVLogger):
        with pytest.raises(ValueError, match=r"^path must be the name of a file, got"):
            use(path)


def test_a_folder_is_tried_without_a_trace(tmp_path, naming):
    whole_files.check_writable(tmp_path / "a")
    assert os.listdir(tmp_path) == []
    with pytest.raises(OSError, match="there is no folder"):
        whole_files.check_writable(tmp_path / "b" / "a")
