"""Conversion of a data set between formats and keypoint sets: a new folder, whole or not at all."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from wepdtof_pose import __version__
from wepdtof_pose.conversion.registry import OF_SHARES, READERS, WRITERS
from wepdtof_pose.conversion.zips import unpacked
from wepdtof_pose.dataset import WITHOUT_SCENE, PoseDataset, with_scenes
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import (
    file_sha256,
    link_or_copy,
    read_json,
    replacing_folder,
    write_json,
    write_text,
)
from wepdtof_pose.formats.coco import require_pixels
from wepdtof_pose.formats.layout import (
    FILE_NAME_READ,
    Layout,
    Reading,
    add_counts,
    files_in,
    image_places,
    renamed_images,
    require_somebody,
)
from wepdtof_pose.images import missing_image, other_size, require_own_file
from wepdtof_pose.keypoints import KeypointSet, get_keypoint_set
from wepdtof_pose.validation.validate import doubts_about

MANIFEST = "manifest.json"
_TOOL = "wepdtof-pose convert"
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar")
_OF_IMAGES = ("image", "frame", "train", "val", "test")
"""Words in the names of archives that hold images."""
_OF_LABELS = ("annot", "label")
"""Words in the names of archives that hold none, whatever else they are called."""
_UNPACKED = ".source"
"""Folder of the unpacked source inside the one that is made: it goes when that one does."""


def convert(
    source: Path,
    out: Path,
    *,
    source_format: str,
    target_format: str = "coco",
    keypoints: str | None = None,
    images: Path | None = None,
    source_keypoints: str | None = None,
    category: str | None = None,
    scene_from: Literal["folder", "name"] | None = None,
    scene_field: str | None = None,
    choose: Callable[[PoseDataset], np.ndarray] | None = None,
) -> dict[str, Any]:
    """Write `source` as a data set folder `out`, and return what its `manifest.json` says.

    The folder has the annotations where the target format wants them, the images (hard links where
    possible), and the manifest: tool version, input hashes, counts, what was left out on reading
    and what the target format cannot hold. It is made beside `out` and renamed, so it appears whole
    or not at all; the source is only read. An `out` that this function wrote, and nobody changed
    since, is replaced.

    Args:
        source: file or folder, as the format has it, or a zip of it.
        out: folder to make.
        source_format: a key of READERS.
        target_format: a key of WRITERS.
        keypoints: name of the keypoint set to convert to, by joint name; None keeps the joints.
        images: folder of the images, where they do not lie where the format puts them. COCO's are
            found there by the longest end of their names.
        source_keypoints: name of the source's keypoint set, where its files do not name the joints.
        category: label of the people, where the source labels several things.
        scene_from: take scenes from the images' folders or names; see `dataset.with_scenes`.
        scene_field: take scenes from this field of the images instead.
        choose: returns the rows of the people of a split who are converted, with their frames;
            everybody if None.

    Raises:
        InputError: an unknown format or set, a source that cannot be used, a missing image, an
            image of another size than stated where the target has shares of its sides, or an `out`
            that holds something else.
    """
    if scene_from and scene_field:
        raise InputError("scenes are taken from names or from a field, not from both")
    if source_format not in READERS:
        raise InputError(f"cannot read format {source_format!r}: one of {', '.join(READERS)}")
    if target_format not in WRITERS:
        raise InputError(f"cannot write format {target_format!r}: one of {', '.join(WRITERS)}")
    target = None if keypoints is None else get_keypoint_set(keypoints)
    joints = None if source_keypoints is None else get_keypoint_set(source_keypoints)
    out = Path(out).absolute()
    for path in (source, images):
        if path is not None and not Path(path).exists():
            raise InputError(f"{path}: no such file or folder")
        if path is not None and Path(path).resolve().is_relative_to(out.resolve()):
            raise InputError(f"{out}: the source lies in it, and originals are never edited")
    _require_replaceable(out)
    with replacing_folder(out, allowed=_require_replaceable) as folder:
        unpacking = folder / _UNPACKED
        with unpacked(Path(source), unpacking) as path:
            folder_of_images = None if images is None else Path(images)
            reading = READERS[source_format](path, folder_of_images, joints, category)
            if not any(len(dataset.frames) for dataset in reading.datasets.values()):
                raise InputError(f"{source}: nothing to convert: it has no image and nobody")
            for dataset in reading.datasets.values():
                require_pixels(dataset.people, dataset.keypoints, dataset.frames, str(source))
            if choose is not None:
                reading = _of_chosen(reading, choose)
            converted, without_scene = _converted(reading, target, scene_from, scene_field)
            renamed = find_images(reading.datasets, reading.renamed, images=folder_of_images)
            sizes = _sizes_that_differ(reading, renamed, target_format)
            layout = WRITERS[target_format](converted)
            require_somebody(sum(map(len, converted.values())), layout, target_format)
            place(layout, folder, renamed)
            manifest = {
                "tool": _TOOL,
                "version": __version__,
                "from": source_format,
                "to": target_format,
                "keypoints": target.name if target else None,
                "inputs": [{"file": f.name, "sha256": file_sha256(f)} for f in reading.files],
                "splits": {
                    split: _counts(dataset, converted[split])
                    for split, dataset in reading.datasets.items()
                },
                "left_out": add_counts(reading.left_out, without_scene),
                "not_held": layout.not_held,
                **_remarks_on(reading, sizes),
            }
        shutil.rmtree(unpacking, ignore_errors=True)
        manifest["outputs"] = [
            {"file": name, "sha256": file_sha256(folder / name)} for name in sorted(layout.files)
        ]
        manifest["images"] = len(layout.images)
        manifest["images_sha256"] = _names_and_sizes(folder, layout.images)
        write_json(folder / MANIFEST, manifest, indent=1)
    return manifest


def _of_chosen(reading: Reading, choose: Callable[[PoseDataset], np.ndarray]) -> Reading:
    datasets = {
        split: dataset.select_people(np.sort(choose(dataset)))
        for split, dataset in reading.datasets.items()
    }
    others = sum(map(len, reading.datasets.values())) - sum(map(len, datasets.values()))
    left_out = add_counts(reading.left_out, {"people who were not chosen": others})
    return replace(reading, datasets=datasets, left_out=left_out)


def _converted(
    reading: Reading,
    target: KeypointSet | None,
    scene_from: Literal["folder", "name"] | None,
    scene_field: str | None,
) -> tuple[dict[str, PoseDataset], dict[str, int]]:
    """Return the splits with the wanted joints and scenes, and how many frames got no scene."""
    converted = {
        split: dataset.with_keypoint_set(target) if target else dataset
        for split, dataset in reading.datasets.items()
    }
    if not (scene_from or scene_field):
        return converted, {}
    converted = {
        split: with_scenes(dataset, by=scene_from or "folder", field=scene_field)
        for split, dataset in converted.items()
    }
    scenes = [dataset.frames["scene"] for dataset in converted.values()]
    return converted, {WITHOUT_SCENE: sum(int(column.isna().sum()) for column in scenes)}


def _sizes_that_differ(
    reading: Reading, renamed: Mapping[Path, Path], target_format: str
) -> list[str]:
    """Return what to say of each picture of another size; refuse one that makes labels wrong."""
    of_shares = target_format in OF_SHARES
    # Shares of a picture that is a pixel larger are right to a pixel.
    sizes = other_sizes(reading.datasets, renamed, slack=1 if of_shares else 0)
    if sizes and of_shares:
        raise InputError(f"{sizes[0]}; {target_format} has shares of the picture's sides")
    return sizes


def find_images(
    datasets: Mapping[str, PoseDataset],
    renamed: Mapping[Path, Path] | None = None,
    *,
    images: Path | None = None,
) -> dict[Path, Path]:
    """Return the places of images that are not at root / file_name, those `renamed` among them.

    Raises:
        InputError: images are missing, or the name or a link of one leads out of the data set.
    """
    advice = (
        "wepdtof-pose convert --images DIR says where they are"
        if images is None
        else f"{images} has none of that name: give --images the folder that has them"
    )
    found: dict[Path, Path] = {}
    for dataset in datasets.values():
        found |= renamed_images(dataset.root, dataset.frames["file_name"])
    found |= renamed or {}
    for dataset in datasets.values():
        paths = list(image_places(dataset, "images").values())
        missing = [path for path in paths if not found.get(path, path).is_file()]
        if missing:
            if re.fullmatch(r"frame_\d+\.PNG", missing[0].name):
                film = "ffmpeg -i FILM -start_number 0 DIR/frame_%06d.png makes those of a film"
                advice = f"{advice}; {film}"
            other = missing_image(missing[0]).partition(", but ")[2] if images is None else ""
            advice = _packed(dataset.root, missing[0].name) + advice
            raise InputError(
                f"{dataset.root}: {len(missing)} of {len(paths)} images are missing, the first is "
                f"{missing[0].relative_to(dataset.root)} ({other or advice})"
            )
        for path in paths:
            require_own_file(found.get(path, path), dataset.root)
    return found


def _packed(root: Path, missing: str) -> str:
    """Return what to do where images lie packed at or beside their place; "" where none do.

    A zip says itself whether it holds the image `missing`; of other archives the name tells.
    """
    for folder in (root, root.parent):
        for path in files_in(folder, *_ARCHIVES):
            if path.suffix.lower() == ".zip":
                holds = missing in _names_in_zip(path)
            else:
                stem = path.stem.lower()
                words = {root.name.lower()} & set(re.split(r"[\W_]+", stem))
                named = words or any(word in stem for word in _OF_IMAGES)
                holds = bool(named) and not any(word in stem for word in _OF_LABELS)
            if holds:
                return f"unpack {path.name}, which lies in {folder}; or "
    return ""


def _names_in_zip(path: Path) -> set[str]:
    """Return the names of the files in a zip, without folders; none of what is no zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {PurePosixPath(name).name for name in archive.namelist()}
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return set()


def other_sizes(
    datasets: Mapping[str, PoseDataset], renamed: Mapping[Path, Path], *, slack: int = 0
) -> list[str]:
    """Return what to say of each picture that is of another size than its data set says."""
    found = []
    for dataset in datasets.values():
        columns = (dataset.frames[name].tolist() for name in ("file_name", "width", "height"))
        for name, width, height in zip(*columns, strict=True):
            path = dataset.root / name
            if text := other_size(renamed.get(path, path), (width, height), slack=slack):
                found.append(text)
    return found


def place(layout: Layout, folder: Path, renamed: Mapping[Path, Path]) -> None:
    """Write the files of a layout below a folder, and link or copy its images there."""
    for name in sorted(layout.files):
        content = layout.files[name]
        write = write_text if isinstance(content, str) else write_json
        write(folder / name, content)
    images = layout.images.items()
    for name, source in tqdm(images, desc="images", unit="", disable=None, leave=False):
        link_or_copy(renamed.get(source, source), folder / name)


def _remarks_on(reading: Reading, other_sizes: Sequence[str]) -> dict[str, Any]:
    """Return what the manifest says of images of other sizes or names, and of doubtful units."""
    doubts = {split: doubts_about(part) for split, part in reading.datasets.items()}
    found = {
        "other_sizes": len(other_sizes),
        "doubts": doubts if any(doubts.values()) else None,
        "file_names": _names_read(reading),
    }
    return {key: value for key, value in found.items() if value}


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


def _names_read(reading: Reading) -> dict[str, str]:
    """Return the names in the source of images that go by the end of these, by new names."""
    return {
        name: extra[FILE_NAME_READ]
        for dataset in reading.datasets.values()
        for name, extra in zip(dataset.frames["file_name"], dataset.frames["extra"], strict=True)
        if extra and FILE_NAME_READ in extra
    }


def _require_replaceable(out: Path) -> None:
    """Refuse a folder with anything in it but an untouched result of convert."""
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out}: is a file, not a folder to make")
    if any(out.iterdir()) and not _is_untouched(out):
        raise InputError(
            f"{out}: is not empty and is not an unchanged result of convert: "
            "remove it, or choose another folder"
        )


def _is_untouched(out: Path) -> bool:
    """Return whether a folder has what its manifest says, and nothing beside it."""
    if not (out / MANIFEST).is_file():
        return False
    manifest = read_json(out / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("tool") != _TOOL:
        return False
    outputs = manifest.get("outputs")
    if not isinstance(outputs, list) or not all(isinstance(entry, dict) for entry in outputs):
        return False
    names = [str(entry.get("file")) for entry in outputs]
    others = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()} - {
        MANIFEST,
        *names,
    }
    return manifest.get("images_sha256") == _names_and_sizes(out, others) and outputs == [
        {"file": name, "sha256": file_sha256(out / name)}
        for name in names
        if (out / name).is_file()
    ]


def _names_and_sizes(folder: Path, names: Iterable[str]) -> str:
    """Return the SHA-256 of the names of files below a folder and of their sizes in bytes."""
    lines = (f"{name}\t{(folder / name).lstat().st_size}\n" for name in sorted(names))
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
