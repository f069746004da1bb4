"""Frames in the database of a FiftyOne data set: written, found and updated many at a time.

FiftyOne's own ways to add samples and to set values make and validate an object for each label,
which takes ten times as long; this is the one place that goes past them.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from wepdtof_pose.browse import fields
from wepdtof_pose.errors import InputError

AT_ONCE = 500
"""Documents sent to the database at a time."""

LARGEST = 16 << 20
"""Bytes of a document of MongoDB."""


@dataclass(frozen=True)
class StoredFrame:
    """A frame in the FiftyOne data set: its id there, its row, and the row of each pose on it."""

    id: Any
    row: int
    people: list[int | None]


def insert(dataset: Any, documents: Iterable[dict[str, Any]]) -> int:
    """Put documents into a FiftyOne data set and return how many there were.

    Raises:
        InputError: a frame has more people than the database holds in one document.
    """
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
        with _telling_what_is_too_large(block):
            collection.insert_many(block, ordered=True)
        count += len(block)
    dataset.reload()
    return count


def stored_frames(dataset: Any, split: str) -> list[StoredFrame]:
    """Return the frames of a split that are in the FiftyOne data set, in file order."""
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
    """Return the frames of a split as stored, with the fields at these paths, in file order."""
    projection = dict.fromkeys(wanted, 1)
    yield from dataset._sample_collection.find({"split": split}, projection).sort("row", 1)


def update_frames(dataset: Any, updates: Iterable[tuple[Any, dict[str, Any]]]) -> None:
    """Set fields of frames: pairs of a frame's id and values by path.

    The path of the first person's OKS is "keypoints.keypoints.0.oks".

    Raises:
        InputError: a frame becomes larger than a document of the database may be.
    """
    from pymongo import UpdateOne

    remaining = (UpdateOne({"_id": frame}, {"$set": v}) for frame, v in updates if v)
    while block := list(islice(remaining, AT_ONCE)):
        with _telling_what_is_too_large():
            dataset._sample_collection.bulk_write(block, ordered=False)
    dataset.reload()


@contextmanager
def _telling_what_is_too_large(documents: Sequence[dict[str, Any]] = ()) -> Iterator[None]:
    """Say in one line which frame is larger than a document of the database may be."""
    from bson import encode
    from pymongo.errors import PyMongoError

    try:
        yield
    except PyMongoError as error:
        limit = f"FiftyOne's database holds {LARGEST >> 20} MB a frame"
        for document in documents:
            if (size := len(encode(document))) > LARGEST:
                raise InputError(
                    f"{document['filepath']}: its {document['people']} people are {size >> 20} MB, "
                    f"and {limit}: take them to several images, or look at fewer of them"
                ) from None
        if "larger than" in str(error):
            raise InputError(
                f"a frame with all that is to be shown is too large, and {limit}: show fewer files "
                "of predictions at a time"
            ) from None
        raise


def _labels_of(document: dict[str, Any], field: str) -> list[dict[str, Any]]:
    return (document.get(field) or {}).get(fields.LABEL_LISTS[field]) or []
