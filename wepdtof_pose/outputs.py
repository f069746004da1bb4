"""What the name of an output says before the work: files that could not be written at its end."""

from __future__ import annotations

import os
from pathlib import Path

from wepdtof_pose.errors import InputError

_OF_OTHER_KINDS = {
    "a picture": ".jpg .jpeg .png .bmp .tif .tiff .webp .gif .svg",
    "a video": ".mp4 .avi .mov .mkv .webm",
    "a table": ".csv .tsv .xls .xlsx .parquet",
    "a text": ".txt .md .html .htm .pdf .xml .yaml .yml .toml",
    "an array": ".npy .npz .mat .h5 .pkl",
    "weights": ".pt .pth .ckpt .onnx .safetensors",
    "an archive": ".zip .tar .gz",
}
"""What files are that hold no JSON, and their suffixes."""
_DEVICES = ("/dev", "/dev/fd", f"/proc/{os.getpid()}/fd")


def require_json_name(path: Path) -> None:
    """Refuse a name for JSON that says that something else is in the file.

    >>> require_json_name(Path("b.csv"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    wepdtof_pose.errors.InputError: b.csv: is the name of a table, but what is written is JSON: ...
    """
    _require_name(path, kinds=_OF_OTHER_KINDS, written="JSON", as_of="a .json file")


def require_weights_name(path: Path) -> None:
    """Refuse a name for a torch file that says that something else is in the file."""
    others = {"other weights": ".onnx .safetensors .json", "an archive": ".zip .gz"}
    kinds = {**_OF_OTHER_KINDS, **others, "weights": ""}
    _require_name(path, kinds=kinds, written="a torch file", as_of="a .pt file")


def require_place(path: Path) -> None:
    """Refuse the name of a file that cannot be written, as far as that can be seen beforehand.

    Raises:
        InputError: it is a folder, a pipe or a device, lies below a file, or nothing may be written
            there. Of a link this is said of the file that it leads to.
    """
    require_plain_file(path)
    target = Path(os.path.realpath(path)) if path.is_symlink() else path.absolute()
    there = next((parent for parent in target.parents if os.path.lexists(parent)), None)
    if there is not None and not there.is_dir():
        what = "a link to nothing" if there.is_symlink() and not there.exists() else "a file"
        raise InputError(f"{path}: cannot be written: {there} is {what}, not a folder")
    if there is not None and not os.access(there, os.W_OK):
        raise InputError(f"{path}: cannot be written: nothing may be written to {there}")


def require_plain_file(path: Path) -> None:
    """Refuse what is there already and is not a file that another may take the place of.

    Raises:
        InputError: it is a folder, a pipe or a device, or a link to one.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a file to write")
    # Renamed there, a file would take the place of the device, for every program.
    target = Path(os.path.realpath(path))
    places = (os.path.realpath(path.parent), str(target.parent))
    if (target.exists() and not target.is_file()) or any(place in _DEVICES for place in places):
        raise InputError(f"{path}: is a pipe or a device, not a file to write")


def _require_name(path: Path, *, kinds: dict[str, str], written: str, as_of: str) -> None:
    suffix = path.suffix.lower()
    for what, suffixes in kinds.items():
        if suffix in suffixes.split():
            raise InputError(
                f"{path}: is the name of {what}, but what is written is {written}: give that of "
                f"{as_of}"
            )
