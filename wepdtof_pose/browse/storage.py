"""Frames in the database of a FiftyOne data set: written, found and updated many at a time.

FiftyOne's own ways to add samples and to set values make and validate an object for each label,
which takes ten times as long; this is the one place that goes past them.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from wepdtof_pose.browse import fields

AT_ONCE = 500
"""Documents sent to the database at a time."""


@dataclass(frozen=True)
class StoredFrame:
    """A frame in the FiftyOne data set: its id there, its row, and the row of each pose on it."""

    id: Any
    row: int
    people: list[int | None]


def insert(dataset: Any, documents: Iterable[dict[str, Any]]) -> int:
    """Put documents into a FiftyOne data set and return how many there were."""
    collection, dataset_id = dataset._sample_collection, dataset._doc.id
    if dataset.media_type is None:
        dataset.media_type = "image"
    now = datetime.datetime.now(datetime.timezone.utc)
    own = {
        "_media_type": "image",
        "_dataset_id": dataset_id,
        "created_at": now,
        "last_modified_at": now,
    }
    count = 0
    remaining = iter(documents)
    while block := [
        {**document, **own, "_rand": random.random()} for document in islice(remaining, AT_ONCE)
    ]:
        collection.insert_many(block, ordered=True)
        count += len(block)
    dataset.reload()
    return count


def stored_frames(dataset: Any, split: str) -> list[StoredFrame]:
    """The frames of a split that are in the FiftyOne data set, in file order."""
    found = find_frames(dataset, split, ["row", fields.label_path(fields.KEYPOINTS, "row")])
    return [
        StoredFrame(
            id=document["_id"],
            row=document["row"],
            people=[label.get("row") for label in _labels_of(document, fields.KEYPOINTS)],
        )
        for document in found
    ]


def find_frames(dataset: Any, split: str, wanted: list[str]) -> Iterator[dict[str, Any]]:
    """The frames of a split as they are stored, with the fields at these paths, in file order."""
    projection = dict.fromkeys(wanted, 1)
    yield from dataset._sample_collection.find({"split": split}, projection).sort("row", 1)


def update_frames(dataset: Any, updates: Iterable[tuple[Any, dict[str, Any]]]) -> None:
    """Set fields of frames: pairs of a frame's id and values by path, "keypoints.keypoints.0.oks"
    for the first person."""
    from pymongo import UpdateOne

    remaining = (UpdateOne({"_id": frame}, {"$set": v}) for frame, v in updates if v)
    while block := list(islice(remaining, AT_ONCE)):
        dataset._sample_collection.bulk_write(block, ordered=False)
    dataset.reload()


def _labels_of(document: dict[str, Any], field: str) -> list[dict[str, Any]]:
    return (document.get(field) or {}).get(fields.LABEL_LISTS[field]) or []
