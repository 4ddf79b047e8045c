"""Where compiled kernels are kept: places that cannot be used, and files that others could have written."""

import errno
import os
import tempfile

import pytest
from processes import run_python
from test_cache import doubled, forget, kernels, place

from fastbp.kernels.runtime import cache

assert place  # a fixture


def assert_no_place(reason):
    forget()
    with pytest.warns(RuntimeWarning, match=f"no place to keep compiled kernels, .*{reason}"):
        assert doubled() == 1
    assert cache.directory() is None


def test_a_file_where_the_directory_should_be_costs_a_warning(place):
    place.write_text("")
    assert_no_place("File exists|Not a directory")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions are another matter there")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_where_others_may_write_nothing_is_kept(place, mode):
    (place / cache.build_key()).mkdir(parents=True)
    (place / cache.build_key()).chmod(mode)
    assert_no_place("others may write there")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions are another matter there")
@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_file_that_others_may_write_to_is_not_read(place, mode):
    doubled()
    (file,) = kernels(place)
    file.chmod(mode)
    with pytest.warns(RuntimeWarning, match="or others may write to it.* is compiled again"):
        assert doubled() == 1


needs_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="takes the rights of root")


@needs_root
def test_in_a_directory_of_somebody_else_nothing_is_kept(place):
    (place / cache.build_key()).mkdir(parents=True)
    os.chown(place / cache.build_key(), 12345, -1)
    assert_no_place("others may write there")


@needs_root
def test_a_file_of_somebody_else_is_not_read(place):
    doubled()
    (file,) = kernels(place)
    os.chown(file, 12345, -1)
    with pytest.warns(RuntimeWarning, match="user 12345 owns it.* is compiled again"):
        assert doubled() == 1


@pytest.mark.parametrize("umask", [0o002, 0o000, 0o027, 0o077])
def test_any_umask_keeps_kernels_in_new_and_old_directories(place, umask):
    before = os.umask(umask)
    try:
        assert doubled() == 1
        assert doubled() == 0
        place.chmod(0o775)  # as an earlier version or a user made it
        forget()
        assert doubled() == 0
    finally:
        os.umask(before)


READ_ONLY = """
import os, sys
from test_cache import Compilations, doubled
if os.getuid() == 0:
    os.setuid(12345)
print(doubled(), os.access(os.environ["FASTBP_CACHE_DIR"], os.W_OK))
"""


@needs_root
def test_a_warm_cache_of_root_is_read_by_others_who_cannot_write_there(place):
    doubled()
    for path in (place.parent, place, place / cache.build_key(), *kernels(place)):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for parent in place.parent.parents[:-1]:
        parent.chmod(parent.stat().st_mode | 0o555)
    assert run_python(READ_ONLY, FASTBP_CACHE_DIR=place) == "0 False\n"


def test_a_file_that_cannot_be_written_anew_is_read(place):
    doubled()
    (file,) = kernels(place)
    file.chmod(0o400)
    place.chmod(0o500)
    (place / cache.build_key()).chmod(0o500)
    try:
        forget()
        assert doubled() == 0
    finally:
        for folder in (place, place / cache.build_key()):
            folder.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="nothing is closed to root")
@pytest.mark.parametrize("mode", [0o000, 0o500, 0o300])
def test_a_directory_that_cannot_be_written_costs_a_warning(place, mode):
    place.mkdir()
    place.chmod(mode)
    try:
        assert_no_place("Permission denied") if mode != 0o300 else doubled()
    finally:
        place.chmod(0o700)


@pytest.mark.parametrize("home", ["/proc/nothing", None])
def test_without_a_home_the_temporary_directory_serves(home, tmp_path, monkeypatch):
    for variable in ("FASTBP_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    if home:
        monkeypatch.setenv("HOME", home)
    else:
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # nor an entry in the user database
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    forget()
    assert cache.directory().parent.parent == tmp_path
    assert doubled() == 1
    assert doubled() == 0
    monkeypatch.undo()
    forget()


@pytest.mark.parametrize("broken", ["replace", "write", "link"])
def test_a_full_disk_costs_a_warning_and_leaves_nothing_behind(place, monkeypatch, broken):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    if broken == "link" and not hasattr(os, "O_TMPFILE"):
        pytest.skip("no files without a name")
    monkeypatch.setattr(os, broken, full)
    with pytest.warns(RuntimeWarning, match="could not be kept in .*No space left"):
        assert doubled() == 1
    assert not [file for file in place.rglob("*") if file.is_file()]
