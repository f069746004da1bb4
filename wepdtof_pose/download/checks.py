"""Whether what came is the data set it should be, as far as its layout is known."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json

SEQUENCES = (
    "call_center",
    "convenience_store",
    "empty_store",
    "exhibition",
    "exhibition_setup",
    "it_office",
    "jewelry_store",
    "jewelry_store_2",
    "kindergarten",
    "large_office",
    "large_office_2",
    "printing_store",
    "repair_store",
    "street_grocery",
    "tech_store",
    "warehouse",
)
"""The 16 sequences of WEPDTOF."""
JOINTS = 14
_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
_NAMED = 5


def check_content(kind: str | None, folder: Path) -> list[str]:
    """What was found, a line each, where the folder holds the data set of that kind.

    Raises:
        InputError: it does not; the message says what is missing or wrong.
    """
    if kind == "wepdtof":
        return check_wepdtof(folder)
    if kind == "wepdtof-pose":
        return check_wepdtof_pose(folder)
    if kind is None:
        return []
    raise InputError(f"the registry names an unknown check {kind!r}")


def check_wepdtof(folder: Path) -> list[str]:
    """What was found of WEPDTOF: `annotations/<sequence>.json` and `frames/<sequence>/`.

    Raises:
        InputError: a sequence has no annotations or no frames, or its annotations are not what they
            should be. Frames that lack beside others are told, not refused.
    """
    annotations, frames = _folder(folder, "annotations"), _folder(folder, "frames")
    _require_all(annotations, "annotations", [f"{s}.json" for s in SEQUENCES])
    _require_all(frames, "frames", list(SEQUENCES))
    notes, total, boxes = [], 0, 0
    for sequence in SEQUENCES:
        file = annotations / f"{sequence}.json"
        content = read_json(file)
        images, people = _rows(content, "images"), _rows(content, "annotations")
        if images is None or people is None:
            raise InputError(
                f"{file.name}: is no annotation file: no lists 'images', 'annotations'"
            )
        for person in people:
            if not _is_numbers(person.get("bbox"), 5):
                raise InputError(
                    f"{file.name}: has a box {str(person.get('bbox'))[:80]}, "
                    "expected [cx, cy, w, h, angle]"
                )
        there = {_folded(path.stem) for path in images_below(frames / sequence)}
        wanted = {_folded(PurePosixPath(str(i.get("file_name"))).stem) for i in images}
        if not there or (wanted and not wanted & there):
            raise InputError(f"frames/{sequence}: holds none of the frames of {file.name}")
        if wanted - there:
            notes.append(f"{sequence}: {len(wanted - there)} of {len(wanted)} frames are missing")
        total, boxes = total + len(there), boxes + len(people)
    return [f"{len(SEQUENCES)} sequences, {total} frames, {boxes} rotated boxes", *notes]


def check_wepdtof_pose(folder: Path) -> list[str]:
    """What was found of WEPDTOF-Pose: COCO keypoint files with 14 joints, and their images.

    Annotation files may be UTF-8 or GBK.

    Raises:
        InputError: no such file, a person with another number of joints, or no image found.
    """
    there = {_folded(path.name) for path in images_below(folder)}
    notes, seen = [], []
    for file in sorted(folder.rglob("*.json")):
        name = file.relative_to(folder).as_posix()
        content = _read_json_any(file, name)
        images, people = _rows(content, "images"), _rows(content, "annotations")
        if images is None or people is None or not any("keypoints" in p for p in people):
            seen.append(name)
            continue
        _require_joints(content, people, name)
        wanted = {
            _folded(PurePosixPath(str(i.get("file_name")).replace("\\", "/")).name) for i in images
        }
        missing = len(wanted - there)
        if wanted and missing == len(wanted):
            raise InputError(
                f"{name}: none of its {len(wanted)} images is there, "
                f"{sorted(wanted)[0]!r} for one: give the archives with the frames, too "
                "(--archive FILE --archive FILE)"
            )
        notes.append(f"{name}: {len(people)} people on {len(images)} frames")
        if missing:
            notes.append(f"{name}: {missing} of {len(wanted)} images are missing")
    if not notes:
        other = f" (not one: {_some(seen)})" if seen else ""
        raise InputError(
            f"holds no COCO keypoint annotations: no *.json with people that have keypoints{other}"
        )
    return notes


def image_names(folder: Path) -> frozenset[str]:
    """What the annotation files below a folder call their images, with / between folders."""
    names: set[str] = set()
    for file in folder.rglob("*.json"):
        with suppress(InputError):
            rows = _rows(_read_json_any(file, file.name), "images") or []
            names.update(str(row.get("file_name")).replace("\\", "/") for row in rows)
    return frozenset(names)


def images_below(folder: Path) -> list[Path]:
    """All image files below a folder."""
    return [p for p in folder.rglob("*") if p.suffix.lower() in _IMAGES and p.is_file()]


def _folder(folder: Path, name: str) -> Path:
    for place in (folder, *sorted(p for p in folder.glob("*") if p.is_dir())):
        if (place / name).is_dir():
            return place / name
    found = _some(sorted(p.name for p in folder.iterdir()))
    raise InputError(
        f"is not WEPDTOF: has no folder {name}/ (found: {found}); annotations and frames must come "
        "together (--archive FILE --archive FILE)"
    )


def _require_all(folder: Path, what: str, names: list[str]) -> None:
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise InputError(f"is not all of WEPDTOF: {what}/ lacks {_some(missing)}")


def _require_joints(content: Any, people: list[dict[str, Any]], name: str) -> None:
    for category in _rows(content, "categories") or []:
        joints = category.get("keypoints")
        if isinstance(joints, list) and joints and len(joints) != JOINTS:
            raise InputError(f"{name}: names {len(joints)} joints, WEPDTOF-Pose has {JOINTS}")
    for person in people:
        if "keypoints" in person and not _is_numbers(person["keypoints"], 3 * JOINTS):
            raise InputError(
                f"{name}: person {person.get('id')} has keypoints that are not {3 * JOINTS} "
                f"numbers, as the {JOINTS} joints of WEPDTOF-Pose need"
            )


def _read_json_any(file: Path, name: str) -> Any:
    content = file.read_bytes()
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return json.loads(content.decode(encoding))
        except UnicodeDecodeError:
            continue
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name}: not valid JSON: {error}") from None
    raise InputError(f"{name}: is neither UTF-8 nor GBK text")


def _rows(content: Any, key: str) -> list[dict[str, Any]] | None:
    rows = content.get(key) if isinstance(content, dict) else None
    return rows if isinstance(rows, list) and all(isinstance(r, dict) for r in rows) else None


def _is_numbers(value: Any, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
