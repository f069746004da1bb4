"""The FiftyOne data set of a path: imported at the first start, and again where a file changed."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wepdtof_pose.browse import fields
from wepdtof_pose.browse.appearance import set_appearance
from wepdtof_pose.browse.corrections import corrections
from wepdtof_pose.browse.documents import FoundTags, found_tags, frame_documents
from wepdtof_pose.browse.storage import insert
from wepdtof_pose.browse.views import save_data_views
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError, echo
from wepdtof_pose.file_kinds import text_path
from wepdtof_pose.files import file_sha256, read_json
from wepdtof_pose.formats.loading import annotation_files, load_dataset, read_line

FORMAT = 2
"""Of what is stored; a data set of another format is imported again."""


@dataclass(frozen=True)
class Split:
    """One annotation file and what is in it; `left_out` annotations are no people."""

    file: Path
    dataset: PoseDataset
    tags: FoundTags
    left_out: int


def dataset_name(path: Path, category: str | None = None) -> str:
    """Return the name in FiftyOne of the data set of a path: its own, and a hash of where it is.

    People of each category that the user names are a data set of their own.

    Raises:
        InputError: the path is not UTF-8, which the App's database needs.
    """
    place = Path(text_path(path.resolve()))
    name = re.sub(r"[^A-Za-z0-9._]+", "-", place.stem if place.suffix == ".json" else place.name)
    key = str(place) if category is None else f"{place}\n{category.strip().lower()}"
    return f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def open_dataset(
    fiftyone: Any, path: Path, *, reload: bool = False, category: str | None = None
) -> Any:
    """Return FiftyOne data set of a path, imported if it is not there or its files have changed.

    Args:
        fiftyone: the module, from `start_fiftyone`.
        path: a COCO keypoint file or a data set folder.
        reload: import it again in any case; corrections made in the App are lost.
        category: name of the category of people, where several have joints.

    Raises:
        InputError: the files cannot be used, no image of theirs is there, or they changed while
            the imported data set holds corrections.
    """
    name = dataset_name(path, category)
    hashes = {split: file_sha256(file) for split, file in annotation_files(path).items()}
    if fiftyone.dataset_exists(name) and not reload:
        known = fiftyone.load_dataset(name)
        record = known.info.get(fields.INFO, {})
        if record.get("format") == FORMAT and record.get("hashes") == hashes:
            return known
        # What another version stored cannot be compared; without hashes the import was cut short.
        if record.get("format") == FORMAT and "hashes" in record:
            _require_no_corrections(known, path)
    return import_dataset(fiftyone, name, path, hashes, category=category)


def read_splits(path: Path, *, category: str | None = None) -> dict[str, Split]:
    """Return the annotation files under a path, read and checked, by split name.

    `category` is that of the people, where several have joints.

    Raises:
        InputError: the files cannot be used, or none of the images is there.
    """
    files = annotation_files(path)
    splits = {}
    for name, dataset in load_dataset(path, category=category).items():
        _report_missing_images(files[name], dataset)
        if dataset.left_out:
            echo(f"{name}: {read_line(dataset)}")
        content = read_json(files[name])
        tags = found_tags(content, dataset, source=files[name].name, name=category)
        others = len(content["annotations"]) - len(dataset)
        splits[name] = Split(files[name], dataset, tags, left_out=others)
    return splits


def import_dataset(
    fiftyone: Any,
    name: str,
    path: Path,
    hashes: dict[str, str],
    *,
    category: str | None = None,
) -> Any:
    """Import a path as a persistent FiftyOne data set; an older one of that name is replaced."""
    splits = read_splits(path, category=category)
    before = fiftyone.load_dataset(name).info if fiftyone.dataset_exists(name) else {}
    exports = before.get(fields.INFO, {}).get("exports", [])
    dataset = fiftyone.Dataset(name, overwrite=True)
    fill(dataset, splits)
    record = {**dataset.info[fields.INFO], "hashes": hashes, "exports": exports}
    dataset.info[fields.INFO] = record
    dataset.persistent = True
    dataset.save()
    return dataset


def fill(dataset: Any, splits: dict[str, Split]) -> None:
    """Put the frames and people of splits into an empty FiftyOne data set, with what is shown."""
    first = next(iter(splits.values())).dataset
    text_ids = any(_has_text_ids(split.dataset) for split in splits.values())
    fields.declare_fields(dataset, text_ids=text_ids)
    dataset.info = {
        fields.INFO: {
            "format": FORMAT,
            "files": {name: str(split.file.resolve()) for name, split in splits.items()},
            # As text: keys of a file may be what the database does not take as keys.
            "meta": {name: json.dumps(split.dataset.meta) for name, split in splits.items()},
            "findings": {name: split.tags.whole for name, split in splits.items()},
            "frames": {name: len(split.dataset.frames) for name, split in splits.items()},
            "left_out": {name: split.left_out for name, split in splits.items()},
            # As text: ids may be larger than the database's numbers.
            "largest_ids": {n: str(_largest_id(split.dataset)) for n, split in splits.items()},
            "text_ids": text_ids,
            "runs": {},
        }
    }
    for name, split in splits.items():
        documents = frame_documents(split.dataset, split.tags, split=name, text_ids=text_ids)
        insert(dataset, documents)
    set_appearance(dataset, first.keypoint_set, runs=[])
    save_data_views(dataset)


def _report_missing_images(file: Path, dataset: PoseDataset) -> None:
    missing = [name for name in dataset.frames["file_name"] if not (dataset.root / name).is_file()]
    if not missing:
        return
    text = f"{file}: {len(missing)} of {len(dataset.frames)} images are not there"
    if len(missing) == len(dataset.frames):
        raise InputError(f"{text}, for example {dataset.root / missing[0]}")
    echo(f"{text}, for example {missing[0]}; their frames are empty", err=True)


def _largest_id(dataset: PoseDataset) -> int:
    return max((name for name in dataset.people["id"].tolist() if isinstance(name, int)), default=0)


def _has_text_ids(dataset: PoseDataset) -> bool:
    # The database has no numbers of more than 64 bits.
    return any(
        not isinstance(value, int) or not -(2**63) <= value < 2**63
        for table in (dataset.frames, dataset.people)
        for value in table["id"].tolist()
    )


def _require_no_corrections(dataset: Any, path: Path) -> None:
    count = corrections(dataset)
    if count:
        raise InputError(
            f"{path}: has changed since it was imported, and {count} of the imported people and "
            "frames were corrected or tagged in the App: write them to a file with --export FILE, "
            "then import the data again with --reload"
        )
