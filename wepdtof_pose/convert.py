"""Conversion of a data set between formats and keypoint sets: a new folder, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from tqdm import tqdm

from wepdtof_pose import __version__
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import file_sha256, read_json, replacing_folder, write_json
from wepdtof_pose.formats import coco, lsp
from wepdtof_pose.keypoints import KeypointSet, get_keypoint_set
from wepdtof_pose.loading import WHOLE, annotation_files, load_dataset

MANIFEST = "manifest.json"
_TOOL = "wepdtof-pose convert"


@dataclass(frozen=True)
class Reading:
    """What a reader found: data sets by split name, the files read, what it left out and why."""

    datasets: dict[str, PoseDataset]
    files: list[Path]
    left_out: dict[str, int] = field(default_factory=dict)


def read_coco(path: Path) -> Reading:
    """A COCO keypoint file, or a folder of them."""
    return Reading(load_dataset(path), list(annotation_files(path).values()))


def read_lsp(path: Path, *, variant: lsp.Variant) -> Reading:
    """An LSP or LSPET folder."""
    dataset, left_out = lsp.read(path, variant=variant)
    file = path / "joints.mat" if path.is_dir() else path
    return Reading({WHOLE: dataset}, [file], left_out)


READERS: dict[str, Callable[[Path], Reading]] = {
    "coco": read_coco,
    "lsp": partial(read_lsp, variant="lsp"),
    "lspet": partial(read_lsp, variant="lspet"),
}
WRITERS: dict[str, Callable[[PoseDataset, Path], None]] = {"coco": coco.write}


def convert(
    source: Path,
    out: Path,
    *,
    source_format: str,
    target_format: str = "coco",
    keypoints: str | None = None,
) -> dict[str, Any]:
    """Convert a data set into a new folder and return its manifest.

    The folder has `annotations/person_keypoints.json`, `images/` (hard links where the file system
    allows, else copies) and `manifest.json`: tool version, input hashes, counts, what was left out.
    A source with several splits gives `person_keypoints_<split>.json` and `images/<split>/`. It is
    made beside `out` and renamed, so it appears whole or not at all; the source is only read. An
    `out` that this function wrote, and nobody changed since, is replaced.

    Args:
        source: file or folder, as the format has it.
        out: folder to make.
        source_format: a key of READERS.
        target_format: a key of WRITERS.
        keypoints: name of the keypoint set to convert to, by joint name; None keeps the joints.

    Raises:
        InputError: an unknown format or set, a source that cannot be used, a missing image, or an
            `out` that holds something else.
    """
    if source_format not in READERS:
        raise InputError(f"cannot read format {source_format!r}: one of {', '.join(READERS)}")
    if target_format not in WRITERS:
        raise InputError(f"cannot write format {target_format!r}: one of {', '.join(WRITERS)}")
    target = None if keypoints is None else get_keypoint_set(keypoints)
    out = Path(out).absolute()
    if not Path(source).exists():
        raise InputError(f"{source}: no such file or folder")
    if Path(source).resolve().is_relative_to(out.resolve()):
        raise InputError(f"{out}: the source lies in it, and originals are never edited")
    _require_replaceable(out)
    reading = READERS[source_format](Path(source))
    with replacing_folder(out) as folder:
        return _write(reading, folder, source_format, target_format, target)


def _write(
    reading: Reading,
    folder: Path,
    source_format: str,
    target_format: str,
    target: KeypointSet | None,
) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "tool": _TOOL,
        "version": __version__,
        "from": source_format,
        "to": target_format,
        "keypoints": target.name if target else None,
        "inputs": [{"file": f.name, "sha256": file_sha256(f)} for f in reading.files],
        "splits": {},
        "left_out": reading.left_out,
        "outputs": [],
        "images": 0,
    }
    for split, dataset in reading.datasets.items():
        converted = dataset.with_keypoint_set(target) if target else dataset
        whole = split == WHOLE
        images = folder / "images" if whole else folder / "images" / split
        manifest["images"] += _link_images(dataset, images)
        name = "person_keypoints.json" if whole else f"person_keypoints_{split}.json"
        file = folder / "annotations" / name
        WRITERS[target_format](converted, file)
        manifest["outputs"].append({"file": f"annotations/{name}", "sha256": file_sha256(file)})
        manifest["splits"][split] = _counts(dataset, converted)
    write_json(folder / MANIFEST, manifest, indent=1)
    return manifest


def _counts(source: PoseDataset, converted: PoseDataset) -> dict[str, Any]:
    before = (source.keypoints[..., 2] > 0).sum(axis=0)
    kept = set(converted.keypoint_set.joints)
    present = set(source.keypoint_set.joints)
    return {
        "frames": len(converted.frames),
        "people": len(converted),
        "labelled_joints": int((converted.keypoints[..., 2] > 0).sum()),
        "keypoint_set": converted.keypoint_set.name,
        "content_hash": converted.content_hash(),
        "labels_of_joints_dropped": {
            joint: int(count)
            for joint, count in zip(source.keypoint_set.joints, before, strict=True)
            if joint not in kept
        },
        "joints_never_labelled": [j for j in converted.keypoint_set.joints if j not in present],
        "areas_from_boxes": int(np.sum(converted.people["area_from_box"])),
    }


def _link_images(dataset: PoseDataset, folder: Path) -> int:
    """Put the images of a data set into a folder; their number."""
    names = list(dict.fromkeys(dataset.frames["file_name"]))
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise InputError(f"image file name {name!r} leads out of the image folder")
    missing = [name for name in names if not (dataset.root / name).is_file()]
    if missing:
        raise InputError(
            f"{dataset.root}: {len(missing)} of {len(names)} images are missing, "
            f"the first is {missing[0]}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in tqdm(names, desc="images", unit="", disable=None, leave=False):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _link_or_copy((dataset.root / name).resolve(), target)
    return len(names)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        raise InputError(f"two images have the same path {target.name!r}") from None
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _require_replaceable(out: Path) -> None:
    """Refuse a folder with anything in it but an untouched result of convert."""
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out}: is a file, not a folder to make")
    entries = {entry.name for entry in out.iterdir()}
    if entries and not (entries == {"annotations", "images", MANIFEST} and _is_untouched(out)):
        raise InputError(
            f"{out}: is not empty and is not an unchanged result of convert: "
            "remove it, or choose another folder"
        )


def _is_untouched(out: Path) -> bool:
    manifest = read_json(out / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("tool") != _TOOL:
        return False
    files = [path for path in (out / "annotations").rglob("*") if not path.is_dir()]
    images = sum(not path.is_dir() for path in (out / "images").rglob("*"))
    return manifest.get("images") == images and manifest.get("outputs") == [
        {"file": path.relative_to(out).as_posix(), "sha256": file_sha256(path)}
        for path in sorted(files)
    ]
