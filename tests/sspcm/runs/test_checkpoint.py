"""Torch files of others: what training scripts really write is read, whatever else is one line."""

import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from sspcm.runs.checkpoint import load_checkpoint, read_torch_file
from wepdtof_pose.errors import InputError


class HistoryBuffer:
    """As mmengine's: the values of a loss, in arrays."""

    def __init__(self):
        self._log_history = np.array([1.5, 2.5])
        self._statistics_methods = OrderedDict(mean=np.float64(2.0))


@pytest.fixture
def mmengine(monkeypatch):
    """The module of mmengine's loggers, while a file is written."""
    module = types.ModuleType("mmengine.logging.history_buffer")
    monkeypatch.setattr(HistoryBuffer, "__module__", module.__name__)
    module.HistoryBuffer = HistoryBuffer
    for name in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)


def save(folder, content, **options):
    torch.save(content, folder / "weights.pth", **options)
    return folder / "weights.pth"


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "pickle"])
@pytest.mark.parametrize(
    "value",
    [np.float64(0.75), np.float32(0.5), np.int64(-3), np.bool_(True), np.uint8(200)],
    ids=repr,
)
def test_numbers_of_numpy_are_read_as_plain_ones(tmp_path, value, zipped):
    file = save(tmp_path, {"perf": value}, _use_new_zipfile_serialization=zipped)
    found = read_torch_file(file)["perf"]
    assert found == value
    assert type(found) in (float, int, bool)


@pytest.mark.parametrize("value", [np.str_("val"), np.complex64(1j), np.datetime64("2024-05-01")])
def test_other_values_of_numpy_do_not_make_a_file_unreadable(tmp_path, value):
    file = save(tmp_path, {"extra": value, "state_dict": {"a": torch.ones(2)}})
    found = read_torch_file(file)
    assert np.isnan(found["extra"])
    assert found["state_dict"]["a"].tolist() == [1, 1]


@pytest.mark.usefixtures("mmengine")
def test_records_of_a_logger_are_put_aside(tmp_path):
    file = save(
        tmp_path, {"message_hub": {"loss": HistoryBuffer()}, "state_dict": {"a": torch.ones(2)}}
    )
    for name in ("mmengine.logging.history_buffer", "mmengine.logging", "mmengine"):
        del sys.modules[name]
    assert read_torch_file(file)["state_dict"]["a"].tolist() == [1, 1]


class Payload:
    def __init__(self, function, *arguments):
        self._made_of = function, arguments

    def __reduce__(self):
        return self._made_of


def test_nothing_that_a_file_says_is_run(tmp_path):
    evidence = tmp_path / "ran"
    for payload in (
        Payload(Path.touch, evidence),
        Payload(exec, f"open({str(evidence)!r}, 'w')"),
        Payload(getattr, Path, "touch"),
        Payload(np.fromfile, str(evidence)),
        Payload(np.dtype, "O"),
    ):
        file = save(tmp_path, {"state_dict": {"a": torch.ones(1)}, "perf": payload})
        try:
            assert not isinstance(read_torch_file(file)["perf"], (Path, np.ndarray))
        except InputError as error:
            assert str(file) in str(error)  # noqa: PT017
        assert not evidence.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"https://drive.google.com/file/d/abc/view", "is not a torch file"),
        (b"root:x:0:0:root:/root:/bin/bash\n", "is not a torch file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 1\n", "git lfs pull"),
        (b"", "is not a torch file"),
        (b"\x80\x02", "is not a torch file"),
        (b"PK\x03\x04 and so on", "is not a torch file"),
        (b"<!DOCTYPE html>\n<html>", "is not a torch file, but a web page: download the file"),
        (bytes(1000), "is not a torch file, but nothing but zeros, as of a copy that broke off"),
        (b"\x1f\x8b\x08\0", "is not a torch file, but a gzip file, unpack it"),
    ],
    ids=["link", "passwd", "pointer", "empty", "short", "zip", "page", "zeros", "gzip"],
)
def test_a_file_that_is_none_is_one_line(tmp_path, content, said):
    file = tmp_path / "last.pt"
    file.write_bytes(content)
    for read in (read_torch_file, load_checkpoint):
        with pytest.raises(InputError, match=said) as raised:
            read(file)
        assert "weights_only" not in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_zip_archive_around_weights_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "weights.pth", "w") as archive:
        archive.write(save(tmp_path, {"a": torch.zeros(1)}), "run/best.pth")
    said = r"not one that torch wrote: unpack it, and name run/best\.pth"
    with pytest.raises(InputError, match=said):
        read_torch_file(tmp_path / "weights.pth")


def test_a_folder_names_the_file_that_is_meant(tmp_path):
    with pytest.raises(InputError, match="is a folder without weights"):
        read_torch_file(tmp_path)
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(InputError, match=r"checkpoints/last\.pt"):
        read_torch_file(tmp_path)


def test_a_file_that_unpacks_to_more_than_itself_is_refused(tmp_path):
    plain, packed = save(tmp_path, {"a": torch.zeros(500_000)}), tmp_path / "packed.pt"
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as to:
        for entry in source.infolist():
            to.writestr(entry.filename, source.read(entry))
    assert packed.stat().st_size < 10_000
    with pytest.raises(InputError, match="unpacks to 2 MiB"):
        read_torch_file(packed)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.tensor([1.0, float("nan")]), "no finite numbers"),
        (torch.zeros(1).expand(2**20), "claims 1048576 numbers"),
        (torch.eye(3).to_sparse(), "is sparse, quantised"),
        (torch.eye(3, dtype=torch.complex64), "plain floating-point tensors"),
        (torch.eye(3, dtype=torch.int8), "plain floating-point tensors"),
        (torch.eye(3, device="meta"), "without data"),
    ],
    ids=["nan", "stride 0", "sparse", "complex", "int8", "meta"],
)
def test_parameters_that_are_no_numbers_are_named(tmp_path, value, said):
    with pytest.raises(InputError, match=f"'a' .*{said}"):
        load_checkpoint(save(tmp_path, {"method": {"a": value}}))


def test_a_program_of_torchscript_is_one_line(tmp_path, recwarn):
    file = tmp_path / "net.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(file))
    recwarn.clear()
    with pytest.raises(InputError, match=r"net\.pt: is a TorchScript program, not weights"):
        read_torch_file(file)
    assert not recwarn.list
