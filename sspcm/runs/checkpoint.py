"""Torch files: written whole, and read without running anything that they say.

A file may hold tensors, plain containers and numbers. Training scripts of others also put numpy
numbers (a score), the records of their loggers and their options beside the parameters: the numbers
are read as plain ones, the others are put aside unread. Whatever else a file names is refused.
"""

from __future__ import annotations

import math
import re
import stat
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wepdtof_pose.errors import InputError
from wepdtof_pose.file_kinds import kind_of_no_picture
from wepdtof_pose.files import replacing


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; it appears whole or not at all.

    Raises:
        InputError: it cannot be written there, or the disk is full.
    """
    with replacing(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:
            # What torch's writer makes of a disk that takes no more.
            if "inline_container" not in str(error) and "write" not in str(error):
                raise
            raise InputError(f"{path}: cannot be written whole: is the disk full?") from None


def load_checkpoint(path: Path, *, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Return the content of a checkpoint of ours.

    Raises:
        InputError: the file is missing or is no checkpoint.
    """
    content = read_torch_file(path, device=device)
    if not isinstance(content, dict) or not isinstance(content.get("method"), dict):
        raise InputError(f"{path}: not a checkpoint of this project (it has no 'method' entry)")
    require_finite(content["method"], path)
    return content


def read_torch_file(path: Path, *, device: torch.device | str = "cpu") -> Any:
    """Return the content of a torch file: tensors, plain containers and numbers.

    Raises:
        InputError: it is missing, is no torch file, is cut short, or names anything else.
    """
    _require_torch_file(path)
    try:
        with torch.serialization.safe_globals(_STAND_INS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location=device, weights_only=True)
    # Torch raises a dozen types for files that are cut short or hold something else.
    except Exception as error:
        named = re.search(r"(?:GLOBAL|class) ([\w.]+)", str(error))
        if named is not None and "nsupported" in str(error):
            raise InputError(
                f"{path}: holds more than tensors and plain containers ({named[1]}), which could "
                "run code when loaded; if you trust it, save its 'state_dict' alone into a new file"
            ) from None
        raise InputError(f"{path}: is not a torch file, or is cut short") from None


def require_finite(state: dict[str, Any], path: Path) -> None:
    """Refuse a state dictionary whose parameters are not all finite real numbers in the file."""
    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            continue
        packed = value.layout != torch.strided or value.is_quantized or value.dtype == torch.int8
        if packed or value.is_complex() or value.is_meta:
            raise InputError(
                f"{path}: {name!r} is sparse, quantised, complex or without data: save the weights "
                "as plain floating-point tensors"
            )
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise InputError(
                f"{path}: {name!r} claims {value.numel()} numbers, more than the file holds"
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InputError(
                f"{path}: {name!r} has values that are no finite numbers: its training diverged"
            )


def is_finder_run(path: Path) -> bool:
    """Return whether it is the folder of a run of `sspcm.training.finder`, finished or not."""
    return (path / "config.json").is_file() and not (path / "config.yaml").exists()


def is_run(folder: Path) -> bool:
    """Return whether it is the folder of a run, of poses or of a finder, that has begun."""
    if is_finder_run(folder):
        files = ("weights.pt", "checkpoint.pt", "metrics.jsonl")
        return any((folder / name).is_file() for name in files)
    folders = (folder / "checkpoints", folder / "adaptation")
    return (folder / "config.yaml").is_file() and any(path.is_dir() for path in folders)


def require_no_run(folder: Path) -> None:
    """Refuse the folder of a run where frames are wanted: its pictures are of something else."""
    if is_run(folder):
        networks = "its networks with --model"
        if is_finder_run(folder):
            networks = "its network that finds people with --finder (of sspcm find: --model)"
        raise InputError(f"{folder}: is the folder of a run, not of frames: name {networks}")


def weights_file(path: Path) -> Path:
    """Return the file of weights at a path: that of a finder's run if it is its folder."""
    inside = path / "weights.pt"
    return inside if is_finder_run(path) and inside.is_file() else path


def misfit(error: BaseException) -> str:
    """Return in a short line what torch says of a state that does not fit a module.

    >>> misfit(RuntimeError('Error:\\n Missing key(s) in state_dict: "a", "b", "c", "d", "e". '))
    'Missing key(s) in state_dict: "a", "b", "c" and 2 more'
    """
    lines = str(error).splitlines() or [type(error).__name__]
    line = lines[min(1, len(lines) - 1)].strip()
    names = line.split(", ") if " key(s) in " in line else []
    return f"{', '.join(names[:3])} and {len(names) - 3} more" if len(names) > 3 else line


def _no_weights(folder: Path) -> str:
    """Return what is wrong with a folder in place of a file of weights, and what to name."""
    if is_finder_run(folder):
        return (
            "the run in this folder has no weights.pt yet: its training has not ended; resume it, "
            "or name a file of weights"
        )
    if (folder / "config.yaml").is_file():
        return (
            "is the folder of a run that predicts poses, not a file of weights; those are in "
            f"{folder / 'checkpoints' / 'last.pt'} (networks that find people are others: "
            "ceiling-find, or the folder or weights.pt of a finder's run)"
        )
    return "is a folder without weights: name a file of weights, or the folder of a finder's run"


def is_exported(path: Path) -> bool:
    """Return whether a path names what `sspcm export` writes."""
    return path.suffix.lower() == ".onnx"


def require_not_exported(path: Path) -> None:
    """Refuse a file of `sspcm export`, which has no weights that anything could be done with."""
    if is_exported(path):
        raise InputError(
            f"{path}: is an exported network, which predicts and is scored but learns no more and "
            "is not exported again: name what it was exported from"
        )


def _require_torch_file(path: Path) -> None:
    require_not_exported(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{path}: {_no_weights(path)}")
        if not stat.S_ISREG(mode):
            raise InputError(f"{path}: is no regular file")
        with path.open("rb") as stream:
            head = stream.read(512)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if head[8:10] == b'{"':
        raise InputError(
            f"{path}: is a safetensors file: read it with safetensors.torch.load_file, and write "
            "that with torch.save"
        )
    if head.startswith(b"PK\x03\x04"):
        _require_stored(path)
    # The older form is a series of pickles; a pickle of protocol 2 and above begins so.
    elif not (len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5):
        kind = kind_of_no_picture(head) if len(head) > 2 and head[0] != 0x80 else ""
        raise InputError(
            f"{path}: is not a torch file, " + (f"but {kind}" if kind else "or is cut short")
        )


def _require_stored(path: Path) -> None:
    """Torch stores its tensors as they are; compressed, a few kB can hold gigabytes."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise InputError(f"{path}: is not a torch file, or is cut short") from None
    if any(name.endswith("/constants.pkl") for name in names):
        raise InputError(
            f"{path}: is a TorchScript program, not weights: save the state_dict of what "
            "torch.jit.load reads from it into a new file"
        )
    if not any(name.endswith("data.pkl") for name in names):
        inside = next((name for name in names if name.endswith((".pt", ".pth", ".tar"))), None)
        raise InputError(
            f"{path}: is a zip archive, but not one that torch wrote: unpack it, and name "
            + (inside or "a file of weights")
        )
    if size > path.stat().st_size:
        raise InputError(
            f"{path}: unpacks to {size / 2**20:.0f} MiB, more than the file itself: torch writes "
            "no compressed files; save the weights again with torch.save"
        )


class _PutAside:
    """In place of a logger's record: takes whatever the file says of it and keeps nothing."""

    def __new__(cls, *_: Any) -> _PutAside:
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


class _NumberType:
    """In place of numpy's dtype; what is no plain number, a text or a date, is NaN."""

    def __init__(self, name: str, *_: Any) -> None:
        self._name = name if re.fullmatch(r"[biuf][1248]", name) else ""
        self._order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._order = state[1] if state[1] in ("<", ">") else "="

    def number(self, content: bytes) -> float | int | bool:
        """Return the number in so many bytes."""
        if not self._name:
            return math.nan
        (value,) = np.frombuffer(content, np.dtype(self._order + self._name))
        return value.item()


def _number(kind: _NumberType, content: bytes) -> float | int | bool:
    value = kind.number(content)
    return value if math.isfinite(value) else math.nan


_STAND_INS: list[Any] = [
    (_number, "numpy.core.multiarray.scalar"),
    (_number, "numpy._core.multiarray.scalar"),
    (_NumberType, "numpy.dtype"),
    (_PutAside, "numpy.ndarray"),
    (_PutAside, "numpy.core.multiarray._reconstruct"),
    (_PutAside, "numpy._core.multiarray._reconstruct"),
    *(
        (_PutAside, f"mmengine.logging.history_buffer.{name}")
        for name in ("HistoryBuffer", "current", "max", "mean", "min")
    ),
    (_PutAside, "argparse.Namespace"),
    *((_PutAside, f"pathlib.{name}") for name in ("Path", "PosixPath", "WindowsPath")),
    *((_PutAside, f"pathlib._local.{name}") for name in ("Path", "PosixPath", "WindowsPath")),
    *((_PutAside, f"datetime.{name}") for name in ("date", "datetime", "timedelta")),
    (_PutAside, "builtins.getattr"),
    (_PutAside, "__builtin__.getattr"),
]
"""What is put in place of names that files of Semi_Human_Pose, HRNet and mmpose hold: our own
classes and functions, none of which calls anything that a file says."""
