"""The splits of a data set as a data set folder of their own, which training takes as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from wepdtof_pose.conversion.convert import find_images, place
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import file_sha256, replacing_folder, write_json
from wepdtof_pose.formats.loading import write_coco

RECORD = "sides.json"


def write_splits(
    dataset: PoseDataset, splits: Mapping[str, np.ndarray], record: Mapping[str, Any], out: Path
) -> tuple[int, list[tuple[str, str]]]:
    """Write the splits as the new folder `out`; gives the number of frames left out: nobody's.

    The second value has the images of one split that are also in another, with that one.

    The folder has `annotations/person_keypoints_<split>.json` and `images/<split>/` (hard links
    where the file system allows, else copies), as `convert --to coco` writes them, and the record.
    It appears whole or not at all.

    Args:
        dataset: the people; only read.
        splits: rows of people by split, from `partition`.
        record: who is where and how that was chosen, from `partition_record`.
        out: folder to make.

    Raises:
        InputError: `out` exists, or an image is missing.
    """
    _require_new(out)
    parts = {split: dataset.select_people(rows) for split, rows in splits.items()}
    renamed = find_images(parts)
    with replacing_folder(out, allowed=_require_new) as folder:
        layout = write_coco(parts)
        place(layout, folder, renamed)
        write_json(folder / RECORD, record, indent=1)
    alone = int((~dataset.frames["id"].isin(dataset.people["frame_id"])).sum())
    return alone, _in_several({name: out / name for name in layout.images})


def _in_several(images: Mapping[str, Path]) -> list[tuple[str, str]]:
    """Return the images with the content of one of another split, which their names begin with."""
    sizes = Counter(path.stat().st_size for path in images.values())
    first: dict[str, str] = {}
    found = []
    for name, path in images.items():
        # Files of a size of their own are not read.
        if sizes[path.stat().st_size] > 1:
            other = first.setdefault(file_sha256(path), name)
            if PurePosixPath(other).parts[:2] != PurePosixPath(name).parts[:2]:
                found.append((name, other))
    return found


def _require_new(out: Path) -> None:
    if out.exists():
        raise InputError(
            f"{out}: exists already; give a new folder, or a name that ends in .json for the ids "
            "alone"
        )
