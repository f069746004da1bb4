"""Which split of a data set a results file is of."""

from __future__ import annotations

from typing import Any

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError


def split_of_results(
    content: Any, datasets: dict[str, PoseDataset], *, split: str | None, source: str
) -> str:
    """The split named, the only one, or the one that lists all images of the results.

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
