"""WEPDTOF, CEPDOF and their relatives: people in rotated boxes on overhead-fisheye frames.

Read are the JSON of the two sets (`bbox` is cx, cy, w, h, angle), the list form of trackers
(`img_name, bboxes, scores, id`), and roLabelImg XML (see `tools.voc`). LOAF, HABBOF and RAPiD's
detections have readers of their own. What becomes of boxes is said in `boxed_people`.

`person_id` becomes the track id. It is unique only within a sequence, and not even within a frame
(call_center id 33, printing_store frame 1009 id 7): it is no key. The area in these files is that
of the rotated box, no body's: 0.53 of it is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.boxed_people import (
    JOINTS_UNREAD,
    BoxedPerson,
    Frame,
    Sequence,
    reading_of,
    track_of,
)
from wepdtof_pose.formats.fields import (
    objects,
    other_fields,
    parse_size,
    require_file_name,
    require_id,
    require_numbers,
    require_whole,
    shown,
)
from wepdtof_pose.formats.layout import CATEGORY_UNLISTED, Reading, add_counts, files_in
from wepdtof_pose.formats.tools import voc

_FRAME_FIELDS = frozenset({"id", "file_name", "width", "height", "scene"})
_PERSON_FIELDS = frozenset(
    {"id", "image_id", "image_name", "bbox", "area", "category_id", "person_id", "iscrowd"}
    | {"keypoints", "num_keypoints"}
)
_AREAS = "areas of rotated boxes (0.53 of them is written)"


def read(path: Path, *, images: Path | None = None, category: str | None = None) -> Reading:
    """Return the people of one annotation file, or of all in a folder (or its `annotations/`).

    WEPDTOF has its images in `frames/<sequence>/`, CEPDOF in `<sequence>/`; others have `images/`,
    or the images beside the annotations.

    Raises:
        InputError: there is no such file, or one is not usable.
    """
    files = annotation_files(path)
    sequences = [read_sequence(file) for file in files]
    if any(file.suffix.lower() == ".xml" for file in files):
        sequences = voc.from_corners(sequences, str(path))
    base = files[0].parent
    base = base.parent if base.name == "annotations" else base
    roots = [base / "frames", base / "images", base]
    return reading_of(
        sequences, files, roots=roots, images=images, source=str(path), category=category
    )


def annotation_files(path: Path) -> list[Path]:
    """Return the annotation files under a path, without the junk of archives."""
    if not path.is_dir():
        return [path]
    for folder in (path / "annotations", path):
        files = files_in(folder, ".json", ".xml")
        if files:
            return files
    raise InputError(
        f"{path}: has no annotation files (*.json or *.xml), nor has annotations/ "
        "(text files of HABBOF: --from habbof; folders of XML files: --from voc)"
    )


def read_sequence(file: Path) -> Sequence:
    """Return the frames and boxes of one annotation file, whichever form it has."""
    if file.suffix.lower() == ".xml":
        return voc.read_file(file)
    content = read_json(file)
    return (from_list if isinstance(content, list) else from_dict)(content, file.stem, str(file))


def from_dict(content: Any, name: str, source: str) -> Sequence:
    """Return the sequence of the original form."""
    frames = read_frames(content, source)
    people = []
    labels, unlisted = labels_of(content, source)
    for position, person in enumerate(content["annotations"]):
        where = f"{source}: annotations[{position}]"
        owner = owner_of(person, frames, where)
        if "rotated_box" in person and len(person.get("bbox") or ()) == 4:
            raise InputError(f"{where}: has an upright 'bbox' and 'rotated_box': --from loaf")
        if len(person.get("bbox") or ()) == 4:
            raise InputError(
                f"{where}: 'bbox' has 4 numbers, not 5 (cx, cy, w, h, angle): upright boxes are "
                "COCO's (--from coco --source-keypoints SET)"
            )
        require_numbers(person.get("bbox"), 5, f"{where}: 'bbox' (cx, cy, w, h, angle)")
        others = other_fields(person, _PERSON_FIELDS) or {}
        people.append(
            BoxedPerson(
                owner,
                rotated=tuple(person["bbox"]),
                label=labels[position],
                id=person.get("id"),
                track=track_of(person.get("person_id"), f"{where}: 'person_id'"),
                iscrowd=int(person.get("iscrowd") or 0),
                extra={key: value for key, value in others.items() if value != []} or None,
            )
        )
    left_out = {
        CATEGORY_UNLISTED: unlisted,
        _AREAS: sum("area" in person for person in content["annotations"]),
        JOINTS_UNREAD: sum(bool(person.get("keypoints")) for person in content["annotations"]),
        "fields of the file": len(set(content) - {"images", "annotations", "categories"}),
    }
    return Sequence(name, source, list(frames.values()), people, add_counts(left_out))


def read_frames(content: Any, source: str) -> dict[int | str, Frame]:
    """Return the frames of a file in COCO's form, by id.

    Raises:
        InputError: a field is missing or not usable, or two frames have one id.
    """
    rows = objects(content, "images", source)
    objects(content, "annotations", source)
    frames: dict[int | str, Frame] = {}
    for position, row in enumerate(rows):
        where = f"{source}: images[{position}]"
        require_id(row.get("id"), f"{where}: 'id'")
        require_file_name(row.get("file_name"), where)
        if row["id"] in frames:
            raise InputError(f"{source}: image {shown(row['id'])} is listed twice")
        frames[row["id"]] = Frame(
            row["id"],
            row["file_name"],
            size=_size_of(row, where),
            extra=other_fields(row, _FRAME_FIELDS),
        )
    return frames


def owner_of(person: dict[str, Any], frames: dict[int | str, Frame], where: str) -> int | str:
    """Return the id of the image of an annotation, which may say '1' for 1 and 1 for '1'.

    Raises:
        InputError: its image is not listed, or its ids are not usable.
    """
    image: Any = person.get("image_id")
    require_id(image, f"{where}: 'image_id'")
    digits = isinstance(image, str) and image.isdecimal() and len(image) < 16
    owner = image if image in frames else int(image) if digits else str(image)
    if owner not in frames:
        raise InputError(f"{where}: image {shown(image)} is not in 'images'")
    if person.get("iscrowd") is not None:
        require_whole(person["iscrowd"], f"{where}: 'iscrowd'")
    return owner


def _size_of(row: dict[str, Any], where: str) -> tuple[int, int] | None:
    """Return the size that an image states; None where it states none."""
    sides: list[Any] = [row.get(key) for key in ("width", "height")]
    if None in sides:
        return None
    width, height = map(parse_size, sides, (f"{where}: 'width'", f"{where}: 'height'"))
    return width, height


def labels_of(content: dict[str, Any], source: str) -> tuple[list[str | None], int]:
    """Return the label of each annotation; None where categories say nothing.

    Some programs count categories from 0 in one list and from 1 in the other: where only one is
    listed, it is the one that is meant. The second value counts its annotations then.

    Raises:
        InputError: all ids of several categories are one more, or one less, than those listed.
    """
    names = _category_names(content)
    people = objects(content, "annotations", source)
    if not names:
        return [None] * len(people), 0
    ids = [str(person["category_id"]) if "category_id" in person else None for person in people]
    used = set(ids) - {None}
    if used <= names.keys():
        return [None if one is None else names[one] for one in ids], 0
    numbers = [int(one) for one in used if one is not None and one.isdecimal()]
    moved = [{str(number + step) for number in numbers} for step in (1, -1)]
    apart = "0" in used | names.keys() and any(ids_moved <= names.keys() for ids_moved in moved)
    if apart and len(numbers) == len(used):
        if len(names) == 1:
            (only,) = names.values()
            return [one and only for one in ids], len(ids) - ids.count(None)
        if len(numbers) > 1:
            listed = ", ".join(map(str, sorted(numbers)))
            raise InputError(
                f"{source}: annotations are of the categories {listed}, but 'categories' lists "
                f"{', '.join(names)}: count both from 0, or both from 1"
            )
    return [one and names.get(one, f"category {shown(one)[1:-1]}") for one in ids], 0


def _category_names(content: dict[str, Any]) -> dict[str, str]:
    """Return the names of the categories that have one, by id as text."""
    rows = content.get("categories")
    return {
        str(row.get("id")): row["name"]
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and isinstance(row.get("name"), str)
    }


def from_list(content: list[Any], name: str, source: str) -> Sequence:
    """Return the sequence of the list form; the images' suffix is not known."""
    frames, people = [], []
    for position, entry in enumerate(content):
        where = f"{source}: [{position}]"
        if isinstance(entry, dict) and {"image_id", "bbox"} <= entry.keys():
            raise InputError(f"{where}: is a detection of RAPiD, not an annotation: --from rapid")
        if not isinstance(entry, dict) or not isinstance(entry.get("bboxes"), list):
            raise InputError(f"{where}: is no object with 'img_name' and a list 'bboxes'")
        stem: Any = entry.get("img_name")
        boxes = entry["bboxes"]
        require_file_name(stem, where, key="img_name")
        tracks = entry.get("id", [None] * len(boxes))
        if not isinstance(tracks, list) or len(tracks) != len(boxes):
            raise InputError(f"{where} ({stem}): 'id' is no list as long as 'bboxes'")
        scores = entry.get("scores")
        if scores is not None:
            require_numbers(scores, len(boxes), f"{where} ({stem}): 'scores'")
        frames.append(Frame(stem, None, stem))
        for row, (box, track) in enumerate(zip(boxes, tracks, strict=True)):
            require_numbers(box, 5, f"{where} ({stem}): 'bboxes'")
            people.append(
                BoxedPerson(
                    stem,
                    rotated=tuple(box),
                    track=track_of(track, f"{where} ({stem}): 'id'"),
                    extra=None if scores is None else {"score": scores[row]},
                )
            )
    return Sequence(name, source, frames, people)
