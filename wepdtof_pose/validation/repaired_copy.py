"""`validate --fix`: a repaired copy of a data set beside it, and the list of every change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from wepdtof_pose import __version__
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import file_sha256, link_or_copy, read_json, replacing_folder, write_json
from wepdtof_pose.formats.layout import name_forms
from wepdtof_pose.formats.loading import WHOLE, annotation_files
from wepdtof_pose.images import require_own_image
from wepdtof_pose.validation.annotations import usable_file_name
from wepdtof_pose.validation.images import image_root
from wepdtof_pose.validation.raw_file import read_raw
from wepdtof_pose.validation.repairs import repair
from wepdtof_pose.validation.schema import annotation_schema, compile_schema
from wepdtof_pose.validation.validate import validate

CHANGES = "changes.json"
_MADE_ANEW = ("num_keypoints", "area", "area_from_box")
"""What `repair` makes of the rest of a person."""


def write_repaired(path: Path | str, out: Path | str, *, images: bool = False) -> dict[str, Any]:
    """Write a repaired copy of a data set into a new folder, and return its list of changes.

    The folder has `annotations/` with the files of the same names, `images/` (hard links where the
    file system allows, else copies) and `changes.json`: input hashes, every change, the
    images that are not there, and what remains. It appears whole or not at all.

    Args:
        path: an annotation file or a data set folder; only read.
        out: folder to make.
        images: take the sizes of images from their files, too.

    Raises:
        InputError: `out` exists, a file is no annotation file, or it is of a form without joints.
    """
    path, out = Path(path), Path(out)
    _require_new(out)
    files = annotation_files(path)
    record: dict[str, Any] = {"tool": "wepdtof-pose validate --fix", "version": __version__}
    record |= {"inputs": [], "changes": [], "missing_images": [], "remaining": {}}
    with replacing_folder(out, allowed=_require_new) as folder:
        for split, file in files.items():
            content = read_json(file)
            content, unusable = _without_unusable(content)
            raw = read_raw(content, source=file.name)
            if raw.boxes_only:
                raise InputError(f"{file}: boxes without joints cannot be repaired: convert first")
            repaired, changes = repair(content, raw, file if images else None)
            changes = [
                {"code": "structure", "where": raw.where("annotations", row), "change": what}
                for row, what in unusable
            ] + changes
            record["inputs"].append({"file": file.name, "sha256": file_sha256(file)})
            record["changes"] += [{"file": file.name, **change} for change in changes]
            write_json(folder / "annotations" / file.name, repaired)
            names = [i["file_name"] for i in repaired["images"] if isinstance(i, dict)]
            below = folder / "images" / ("" if split == WHOLE else _folder_name(file))
            record["missing_images"] += _link_images(image_root(file, names), names, below)
        record["dropped"] = sum(c["change"].startswith("dropped") for c in record["changes"])
        record["remaining"] = validate(folder, images=images).as_dict()["counts"]
        write_json(folder / CHANGES, record, indent=1)
    return record


def _require_new(out: Path) -> None:
    if out.exists():
        raise InputError(f"{out}: exists already; give a new folder")


def _without_unusable(content: Any) -> tuple[Any, list[tuple[int, str]]]:
    """The content without counts and areas of a wrong form, and where these were."""
    people = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(people, list):
        return content, []
    schema = annotation_schema()
    fields = schema["$defs"]["annotation"]["properties"]
    checks = {name: compile_schema(fields[name], root=schema) for name in _MADE_ANEW}
    kept, changes = list(people), []
    for row, person in enumerate(people):
        if not isinstance(person, dict):
            continue
        for name, check in checks.items():
            wrong = check(person[name]) if name in person else None
            if wrong:
                kept[row] = {key: value for key, value in kept[row].items() if key != name}
                changes.append((row, f"{name!r} {wrong}: made anew"))
    return {**content, "annotations": kept}, changes


def _folder_name(file: Path) -> str:
    """The last word of the file's name, where readers look for the images of a split."""
    return file.stem.split("_")[-1]


def _link_images(root: Path, names: Iterable[Any], folder: Path) -> list[str]:
    """Link the images into the folder; those that are not there are returned."""
    missing = []
    usable = (name for name in names if isinstance(name, str) and usable_file_name(name))
    for name in dict.fromkeys(map(PurePosixPath, usable)):
        there = [root / form for form in name_forms(str(name)) if (root / form).is_file()]
        if there:
            require_own_image(there[0], root)
            link_or_copy(there[0], folder / name)
        else:
            missing.append(str(name))
    return missing
