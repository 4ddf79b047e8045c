"""Names of files that say what kind they are, and the files of other kinds."""

import pickle

import numpy as np
import pytest
from networks import make_trainer

import fastbp
from fastbp import io
from fastbp.callbacks import ModelCheckpoint
from fastbp.kernels.runtime import whole_files

OTHERS = {
    "net.onnx": "ONNX.*'net.safetensors'.*fastbp.io.to_onnx",
    "net.npz": "NumPy.*fastbp.io.to_npz",
    "net.PT": "PyTorch.*torch.save",
    "net.pth": "PyTorch",
    "net.h5": "Keras.*to_keras",
    "net.keras": "Keras",
    "net.pkl": "pickle",
    "net.joblib": "pickle",
}


@pytest.mark.parametrize(("name", "message"), OTHERS.items(), ids=OTHERS)
def test_no_file_is_written_under_a_name_of_another_kind(implementation, tmp_path, name, message):
    trainer = make_trainer(implementation)
    for save in (trainer.save, trainer.network.save, ModelCheckpoint):
        with pytest.raises(ValueError, match=message):
            save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_names_of_no_kind_are_the_users_own(implementation, tmp_path):
    trainer = make_trainer(implementation)
    for name in ("net", "net.fastbp", "net.v2", "onnx", ".npz"):
        trainer.save(tmp_path / name)
        assert type(trainer).load(tmp_path / name).steps == 0


@pytest.mark.parametrize(("write", "name"), [
    (io.to_onnx, "net.npz"), (io.to_npz, "net.onnx"), (io.to_npz, "net.safetensors"), (io.to_safetensors, "net.pt"),
])
def test_writers_of_other_kinds_keep_to_theirs(tmp_path, write, name):
    with pytest.raises(ValueError, match=r"is a name for .* and this writes .*; call it 'net"):
        write(fastbp.Network([2, 3, 2], rng=0), tmp_path / name)


def test_a_file_of_fastbp_is_read_under_any_name(implementation, tmp_path):
    trainer = make_trainer(implementation)
    trainer.save(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "run.pt")
    assert type(trainer).load(tmp_path / "run.pt").steps == 0


def write_all(folder):
    net = fastbp.Network([2, 3, 2], rng=0)
    io.to_onnx(net, folder / "net.onnx")
    io.to_npz(net, folder / "net.npz")
    net.save(folder / "net.safetensors")
    (folder / "net.pkl").write_bytes(pickle.dumps(net))
    np.save(folder / "net.npy", np.zeros(3))


@pytest.mark.parametrize(("read", "name", "message"), [
    (fastbp.load, "net.onnx", "files of ONNX are read by fastbp.io.from_onnx"),
    (fastbp.Trainer.load, "net.npz", "files of NumPy are read by fastbp.io.from_npz"),
    (fastbp.load, "net.pkl", "files of pickle are read by pickle.load"),
    (io.from_onnx, "net.safetensors", "are read by fastbp.load"),
    (io.from_npz, "net.safetensors", "it is not an .npz file; files of safetensors are read by fastbp.load"),
    (io.from_npz, "net.npy", "it is not an .npz file$"),
    (io.from_npz, "net.pkl", "it is not an .npz file"),
    (io.from_safetensors, "net.onnx", "are read by fastbp.io.from_onnx"),
])
def test_what_reads_a_file_of_another_kind_is_said(tmp_path, read, name, message):
    write_all(tmp_path)
    with pytest.raises(fastbp.FormatError, match=message) as caught:
        read(tmp_path / name)
    assert str(caught.value).count(str(tmp_path)) == 1
    assert "unsafe" not in str(caught.value)


def test_a_file_of_another_library_says_what_may_read_it(tmp_path):
    io.to_safetensors(fastbp.Network([2, 3, 2], rng=0), tmp_path / "net.safetensors")
    with pytest.raises(fastbp.FormatError, match=r"written by another library.*fastbp.io.from_safetensors"):
        fastbp.load(tmp_path / "net.safetensors")


@pytest.mark.parametrize("write", [io.to_onnx, io.to_npz, io.to_safetensors])
def test_files_for_other_programs_are_replaced_as_a_whole(tmp_path, monkeypatch, write):
    def fail(*_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "net"
    write(fastbp.Network([3, 4, 2], rng=0), path)
    before = path.read_bytes()
    monkeypatch.setattr(whole_files, "_write", fail)
    with pytest.raises(OSError, match="No space left"):
        write(fastbp.Network([3, 9, 2], rng=0), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["net"]


@pytest.mark.parametrize("read", [io.from_onnx, io.from_npz, io.from_safetensors])
def test_a_number_is_no_path_to_read(read):
    with pytest.raises(TypeError, match=r"path must be a str or a path such as pathlib.Path, got 3"):
        read(3)


@pytest.mark.parametrize("write", [io.to_onnx, io.to_npz, io.to_safetensors])
def test_the_home_folder_is_found(tmp_path, monkeypatch, write):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(fastbp.Network([3, 4, 2], rng=0), "~/net")
    assert (tmp_path / "net").exists()
