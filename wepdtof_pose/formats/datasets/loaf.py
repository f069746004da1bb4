"""LOAF, the largest overhead-fisheye set: COCO JSON with an upright and a rotated box, no joints.

`rotated_box` is cx, cy, w, h and an angle in degrees **counter-clockwise** (two public programs
that draw it turn it so); here angles are clockwise. `bbox` is COCO's and is kept as it is. What
becomes of boxes is said in `boxed_people`; the scene of a frame is the folder in its name, where it
has one.

Source: Yang et al., "Large-Scale Person Detection and Localization using Overhead Fisheye Cameras"
(arXiv 2307.08252).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, require_inside
from wepdtof_pose.formats.boxed_people import (
    JOINTS_UNREAD,
    BoxedPerson,
    Sequence,
    only_people,
    scenes_by_folder,
    to_dataset,
    track_of,
    upright,
)
from wepdtof_pose.formats.categories import require_people
from wepdtof_pose.formats.datasets.wepdtof import labels_of, owner_of, read_frames
from wepdtof_pose.formats.fields import other_fields, require_numbers
from wepdtof_pose.formats.layout import (
    CATEGORY_UNLISTED,
    Reading,
    add_counts,
    first_root,
    names_below,
    split_files,
)

_PERSON_FIELDS = frozenset(
    {"id", "image_id", "bbox", "rotated_box", "area", "category_id", "person_id", "iscrowd"}
    | {"keypoints", "num_keypoints"}
)


def read(path: Path, *, images: Path | None = None, category: str | None = None) -> Reading:
    """Return the people of `instances_<split>.json`, or of a folder of such files.

    Images lie in `images/`, in a folder of the split's name, or beside the file.

    Raises:
        InputError: a file is missing or not usable, or has no rotated boxes.
    """
    files = split_files(path, ".json")
    datasets, counts = {}, []
    parsed = {split: from_dict(read_json(file), str(file)) for split, file in files.items()}
    kept, others = only_people(list(parsed.values()), category, source=str(path))
    people = sum(len(sequence.people) for sequence in kept)
    require_people(people, others, source=str(path))
    for (split, file), sequence in zip(files.items(), kept, strict=True):
        names = {frame.id: str(frame.file_name) for frame in sequence.frames}
        if not images:
            require_inside(names.values(), file)
        base = file.parent.parent if file.parent.name == "annotations" else file.parent
        part = file.stem.split("_")[-1]
        inner = [images / part, images] if images else [base / "images" / part, base / "images"]
        places = inner if images else [*inner, base / part, base, file.parent]
        if images:
            root, there = names_below(list(dict.fromkeys(names.values())), inner)
            names = {number: there[name] for number, name in names.items()}
        else:
            root = first_root(places, list(names.values()), inner[-1])
        dataset = to_dataset([sequence], names, root)
        scenes = scenes_by_folder(names.values())
        datasets[split] = replace(dataset, frames=dataset.frames.assign(scene=scenes))
        counts.append(sequence.left_out)
    return Reading(datasets, list(files.values()), add_counts(others, *counts))


def from_dict(content: Any, source: str) -> Sequence:
    """Return the frames and boxes of a parsed file."""
    frames = read_frames(content, source)
    labels, unlisted = labels_of(content, source)
    people = []
    for position, person in enumerate(content["annotations"]):
        where = f"{source}: annotations[{position}]"
        owner = owner_of(person, frames, where)
        if "rotated_box" not in person:
            raise InputError(f"{where}: has no 'rotated_box': is it of LOAF?")
        require_numbers(person.get("bbox"), 4, f"{where}: 'bbox'")
        require_numbers(person["rotated_box"], 5, f"{where}: 'rotated_box'")
        cx, cy, w, h, angle = person["rotated_box"]
        people.append(
            BoxedPerson(
                owner,
                rotated=(cx, cy, *upright(w, h, -angle)),
                box=tuple(person["bbox"]),
                label=labels[position],
                id=person.get("id"),
                track=track_of(person.get("person_id"), f"{where}: 'person_id'"),
                iscrowd=int(person.get("iscrowd") or 0),
                extra=other_fields(person, _PERSON_FIELDS),
            )
        )
    left_out = {
        CATEGORY_UNLISTED: unlisted,
        "areas (0.53 of the rotated box is written)": sum(
            "area" in person for person in content["annotations"]
        ),
        JOINTS_UNREAD: sum(bool(person.get("keypoints")) for person in content["annotations"]),
        "fields of the file": len(set(content) - {"images", "annotations", "categories"}),
    }
    return Sequence("", source, list(frames.values()), people, add_counts(left_out))
