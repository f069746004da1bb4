"""Results files that are shown: their names on the command line, and the split they are of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError

_RUN_FILE = "predictions.json"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def named_files(texts: Sequence[str]) -> dict[str, Path]:
    """Return files by name; `FILE` alone has its stem's, `predictions.json` of a run its folder's.

    A folder stands for the `predictions.json` in it.

    Names become names of fields, so they are letters, digits and underscores; others in the name
    of a file are replaced.

    Raises:
        InputError: a name that cannot be one of a field, or that is given twice (large and small
            letters are the same).
    """
    files: dict[str, Path] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        # A file may have "=" in its path.
        if equals and "/" not in name and not Path(text).exists():
            file = _file_at(Path(rest))
            if not _NAME.fullmatch(name):
                raise InputError(
                    f"--predictions {text}: the name {name!r} must be a letter, then letters, "
                    "digits and underscores"
                )
        else:
            file = _file_at(Path(text))
            stem = file.absolute().parent.name if file.name == _RUN_FILE else file.stem
            name = re.sub(r"\W", "_", stem, flags=re.ASCII)
            name = name if _NAME.fullmatch(name) else f"run_{name}"
        # FiftyOne takes views whose names differ in case alone for one.
        if name.lower() in map(str.lower, files):
            raise InputError(
                f"--predictions {text}: the name {name!r} is taken: give each file its own with "
                "NAME=FILE"
            )
        files[name] = file
    return files


def split_of_results(
    content: Any, datasets: dict[str, PoseDataset], *, split: str | None, source: str
) -> str:
    """Return the split named, the only one, or the one that lists all images of the results.

    Raises:
        InputError: no such split, none lists all the images, or several do.
    """
    if split is not None:
        if split not in datasets:
            raise InputError(f"there is no split {split!r}, only {', '.join(datasets)}")
        return split
    if len(datasets) == 1:
        return next(iter(datasets))
    results = content if isinstance(content, list) else []
    images = {
        row["image_id"]
        for row in results
        if isinstance(row, dict) and isinstance(row.get("image_id"), (int, str))
    }
    fitting = [
        name for name, dataset in datasets.items() if images <= set(dataset.frames["id"].tolist())
    ]
    if not fitting:
        raise InputError(f"{source}: no split ({', '.join(datasets)}) lists all of its images")
    if len(fitting) > 1:
        raise InputError(
            f"{source}: its images are in {' and '.join(fitting)}: name the split with --split"
        )
    return fitting[0]


def _file_at(path: Path) -> Path:
    return path / _RUN_FILE if path.is_dir() else path
