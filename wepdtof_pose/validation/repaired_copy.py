"""`validate --fix`: a repaired copy of a data set beside it, and the list of every change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from wepdtof_pose import __version__
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import (
    file_sha256,
    link_or_copy,
    read_json,
    replacing,
    replacing_folder,
    write_json,
)
from wepdtof_pose.formats.layout import name_forms
from wepdtof_pose.formats.loading import WHOLE, annotation_files, names_of_files
from wepdtof_pose.images import other_spelling, require_own_file
from wepdtof_pose.validation.annotations import usable_file_name
from wepdtof_pose.validation.images import image_root
from wepdtof_pose.validation.label_counts import LabelCounts
from wepdtof_pose.validation.repairs import repair
from wepdtof_pose.validation.validate import validate

CHANGES = "changes.json"


def write_repaired(
    path: Path | str,
    out: Path | str,
    *,
    images: bool = False,
    drop: bool = False,
    category: str | None = None,
) -> dict[str, Any]:
    """Write a repaired copy of a data set into a new folder, and return its list of changes.

    The folder has `annotations/` with the files of the same names (or of the splits, where they
    lie in folders for these), `images/` (hard links where the
    file system allows, else copies) and `changes.json`: input hashes, every change, the labels
    before and after, the images that are not there or are spelled in another way, and what remains.
    It appears whole or not at all.

    Args:
        path: an annotation file or a data set folder; only read.
        out: folder to make.
        images: read the pictures, too, and move labels along with those that were changed.
        drop: take out what no reader takes and what cannot be repaired; the labels that go are
            counted. Without it no label is lost.
        category: name of the category of people, where several have joints.

    Raises:
        InputError: `out` exists, a file is no annotation file, or it is of a form without joints.
    """
    path, out = Path(path), Path(out)
    _require_new(out)
    files = annotation_files(path)
    record: dict[str, Any] = {"tool": "wepdtof-pose validate --fix", "version": __version__}
    record |= {"inputs": [], "changes": [], "missing_images": [], "remaining": {}}
    record["images_spelled_otherwise"] = {}
    before, after, dropped = LabelCounts(), LabelCounts(), LabelCounts()
    with replacing_folder(out, allowed=_require_new) as folder:
        names_read = names_of_files(files)
        together = len({file.parent for file in files.values()}) == 1
        for split, file in files.items():
            source = names_read[file]
            own = file.name if together else f"person_keypoints_{split}.json"
            content = read_json(file)
            if isinstance(content, list):
                raise InputError(f"{file}: a list of boxes cannot be repaired: convert first")
            repaired = repair(
                content, source, file=file, images=images, drop=drop, category=category
            )
            record["inputs"].append({"file": source, "sha256": file_sha256(file)})
            record["changes"] += [{"file": source, **change} for change in repaired.changes]
            before, after = before + repaired.before, after + repaired.after
            dropped += repaired.dropped
            _write_as_read(folder / "annotations" / own, repaired.content)
            names = [i.get("file_name") for i in repaired.content["images"] if isinstance(i, dict)]
            below = folder / "images" / ("" if split == WHOLE else _folder_name(own))
            usable = [name for name in names if isinstance(name, str) and usable_file_name(name)]
            missing, other = _link_images(image_root(file, usable), usable, below)
            record["missing_images"] += missing
            record["images_spelled_otherwise"] |= other
        record["dropped"] = sum(c["change"].startswith("dropped") for c in record["changes"])
        record["labels"] = {
            "before": before._asdict(),
            "after": after._asdict(),
            "dropped": dropped._asdict(),
        }
        report = validate(folder, images=images, category=category)
        record["of_other_categories"] = sum(file["others"] for file in report.checked)
        record["remaining"] = report.as_dict()["counts"]
        write_json(folder / CHANGES, record, indent=1)
    return record


def summary(record: dict[str, Any], out: Path) -> str:
    """Say what a repair did: the number of changes, labels before and after, what remains."""
    before, after, dropped = (
        LabelCounts(**record["labels"][name]) for name in ("before", "after", "dropped")
    )
    lines = [f"{counted(len(record['changes']), 'change')}, listed in {out / CHANGES}"]
    if before == after:
        lines.append(f"labels before and after: {before}")
    else:
        lines += [f"labels before: {before}", f"labels after:  {after}"]
    if others := record["of_other_categories"]:
        lines.append(
            f"{counted(others, 'annotation')} of other categories counted among the people"
        )
    if any(dropped):
        lines.append(f"dropped, as --drop says: {dropped}")
    if other := record["images_spelled_otherwise"]:
        lines.append(
            f"{counted(len(other), 'image is', 'images are')} spelled in another way, and named as "
            f"the annotations say in {out}"
        )
    if missing := record["missing_images"]:
        images = counted(len(missing), "image is not there", "images are not there")
        lines.append(f"{images} ({missing[0]!r} is the first)")
    left = ", ".join(f"{n} {code}" for code, n in record["remaining"].items())
    return "\n".join([*lines, f"remaining in {out}: {left or 'nothing'}"])


def _require_new(out: Path) -> None:
    if out.exists():
        raise InputError(f"{out}: exists already; give a new folder")


def _write_as_read(path: Path, content: dict[str, Any]) -> None:
    """Write what was read: NaN and halves of characters, too, where they were left."""
    try:
        text = json.dumps(content, ensure_ascii=False)
        data = text.encode()
    except UnicodeEncodeError:
        data = json.dumps(content).encode()
    with replacing(path) as temporary:
        temporary.write_bytes(data + b"\n")


def _folder_name(file: str) -> str:
    """Return the last word of a file's name, where readers look for the images of a split."""
    return Path(file).stem.split("_")[-1]


def _link_images(
    root: Path, names: Iterable[str], folder: Path
) -> tuple[list[str], dict[str, str]]:
    """Link the images into the folder, and return those that are not there.

    The second value has those whose files are spelled in another way, by their own names.
    """
    own = dict.fromkeys(map(PurePosixPath, names))
    missing: list[str] = []
    others: dict[str, str] = {}
    for name in own:
        there = next((root / f for f in name_forms(str(name)) if (root / f).is_file()), None)
        if there is None:
            there = other_spelling(root / name)
            if there is None or PurePosixPath(there.relative_to(root).as_posix()) in own:
                missing.append(str(name))
                continue
            others[str(name)] = there.relative_to(root).as_posix()
        require_own_file(there, root)
        link_or_copy(there, folder / name)
    return missing, others
