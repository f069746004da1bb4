"""What the files of `split` share: people by id, and the hashes of the annotations they are of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import shown


def hashes_of(dataset: PoseDataset) -> dict[str, str]:
    """Return the hashes that a file of person ids names: of the annotations, and of the ids.

    Raises:
        InputError: an id is used twice, so that it names nobody.
    """
    ids = dataset.people["id"].tolist()
    if len(set(ids)) < len(ids):
        raise InputError(
            "the annotations use a person id twice: 'wepdtof-pose validate --fix' numbers them anew"
        )
    digest = hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:16]
    return {"annotations_hash": dataset.content_hash(), "person_ids_hash": digest}


def require_same_annotations(path: Path, record: Mapping[str, Any], dataset: PoseDataset) -> None:
    """Refuse a file that was made from other annotations, or from other ids of the same."""
    for name, current in hashes_of(dataset).items():
        if record.get(name) != current:
            raise InputError(
                f"{path}: was made from annotations with {name} {record.get(name)}, these "
                f"have {current}: make it again with 'wepdtof-pose split'"
            )


def rows_of_ids(path: Path, ids: list[Any], dataset: PoseDataset) -> np.ndarray:
    """Return rows (ids,) int64 of the people with these ids, in their order.

    Raises:
        InputError: an id comes twice, or is nobody's.
    """
    row_of = {person: row for row, person in enumerate(dataset.people["id"].tolist())}
    named: set[Any] = set()
    for person in ids:
        if type(person) not in (int, str) or person not in row_of:
            raise InputError(f"{path}: 'person_ids' names {shown(person)}, who is not there")
        if person in named:
            raise InputError(f"{path}: 'person_ids' names {shown(person)} twice")
        named.add(person)
    return np.array([row_of[person] for person in ids], dtype=np.int64)
