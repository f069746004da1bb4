"""The splits of a data set as a data set folder of their own, which training takes as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.conversion.convert import find_images, place
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import replacing_folder, write_json
from wepdtof_pose.formats.loading import write_coco

RECORD = "sides.json"


def write_splits(
    dataset: PoseDataset, splits: Mapping[str, np.ndarray], record: Mapping[str, Any], out: Path
) -> int:
    """Write the splits as the new folder `out`; gives the number of frames left out: nobody's.

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
        place(write_coco(parts), folder, renamed)
        write_json(folder / RECORD, record, indent=1)
    return int((~dataset.frames["id"].isin(dataset.people["frame_id"])).sum())


def _require_new(out: Path) -> None:
    if out.exists():
        raise InputError(
            f"{out}: exists already; give a new folder, or a name that ends in .json for the ids "
            "alone"
        )
