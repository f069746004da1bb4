"""Checks of the image files: there, whole, of the stated size, and on one side of a split only."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from wepdtof_pose.cores import usable_cores
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.coco import find_image_root
from wepdtof_pose.formats.layout import name_forms, source_picture
from wepdtof_pose.images import (
    ImageHeader,
    decode_image,
    image_bytes,
    image_header,
    missing_image,
    require_own_file,
    whole_image,
)
from wepdtof_pose.validation.annotations import usable_file_name
from wepdtof_pose.validation.findings import Problem, Report
from wepdtof_pose.validation.raw_file import RawFile

_SUFFIXES = ("", ".jpg", ".png")


@dataclass(frozen=True)
class ImageFile:
    """What was found at the place of an image.

    Attributes:
        code: of the finding, or None.
        message: what is wrong.
        size: width and height as shown, where it could be read.
        digest: SHA-256 of the file.
        orientation: of EXIF.
    """

    code: str | None
    message: str = ""
    size: tuple[int, int] | None = None
    digest: str | None = None
    orientation: int = 1


def check_image_files(raw: RawFile, file: Path) -> list[Problem]:
    """Return the problems of the image files that an annotation file lists."""
    names = raw.image_column("file_name")
    looked = _look_at(image_root(file, names), names, suffixes=raw.boxes_only)
    found: dict[str, dict[int, str]] = defaultdict(dict)
    first: dict[str, str] = {}
    for i, (name, image, size) in enumerate(zip(names, looked, raw.sizes, strict=True)):
        if image.code:
            found[image.code][i] = image.message
        if image.size and np.isfinite(size).all() and tuple(size) != image.size:
            found["image-size"][i] = _size_message(name, size, image.size)
        if image.orientation != 1:
            found["image-orientation"][i] = f"{name!r}: orientation {image.orientation}"
        same = first.setdefault(image.digest, name) if image.digest else name
        if same != name:
            found["image-repeated"][i] = f"{name!r} has the content of {same!r}"
    return [
        Problem(code, "images", raw.image_rows[[*messages]], [*messages.values()].__getitem__)
        for code, messages in found.items()
    ]


def check_leaks(report: Report, files: dict[Path, RawFile], *, contents: bool) -> None:
    """Find images that are in several splits, by file and, with `contents`, byte by byte."""
    if len(files) < 2:
        return
    seen: dict[str, tuple[str, str]] = {}
    for file, raw in files.items():
        names = raw.image_column("file_name")
        root = image_root(file, names)
        own: dict[str, tuple[str, str]] = {}
        for i, name in enumerate(names):
            path = str(root / name) if usable_file_name(name) else ""
            keys = {"file-name-leak": path, "copy-leak": path and source_picture(path)}
            if contents and keys["file-name-leak"]:
                keys["image-leak"] = _digest(root / name)
            for code, key in keys.items():
                other = seen.get(f"{code} {key}") if key else None
                if other:
                    where = raw.where("images", int(raw.image_rows[i]))
                    report.add(code, where, f"{name!r} is {other[1]!r} of {other[0]}")
                    break
            own |= {f"{code} {key}": (raw.source, name) for code, key in keys.items() if key}
        seen = own | seen


def image_root(file: Path, names: Iterable[str]) -> Path:
    """Return the folder of the images of an annotation file, by the first of them that is there."""
    usable = [name for name in names if usable_file_name(name)]
    # WEPDTOF and CEPDOF keep the frames of <sequence>.json in a folder of that name.
    base = file.resolve().parent.parent
    sequence = [base / file.stem, base / "frames" / file.stem]
    return find_image_root(
        file,
        usable,
        others=sequence,
        forms=lambda name: (form + suffix for form in name_forms(name) for suffix in _SUFFIXES),
    )


def look_at_image(path: Path) -> ImageFile:
    """Return what is wrong with an image file, its size as shown, and the hash of its bytes."""
    if not path.exists():
        return ImageFile("image-missing", missing_image(path))
    try:
        content = image_bytes(path)
    except InputError as error:
        return ImageFile("image-unreadable", str(error))
    digest = hashlib.sha256(content).hexdigest()
    if not whole_image(content):
        return ImageFile(
            "image-truncated", f"{path}: is cut short or damaged ({len(content)} bytes)"
        )
    try:
        image, header = decode_image(content, str(path)), image_header(content, str(path))
    except InputError as error:
        return ImageFile("image-unreadable", str(error))
    size = (image.shape[1], image.shape[0])
    return ImageFile(None, "", size, digest, header.orientation if header else 1)


def look_at_header(root: Path, name: Any) -> ImageHeader | None:
    """Return the header of an image of a data set; None where there is none to be read."""
    if not isinstance(name, str) or not name or not usable_file_name(name):
        return None
    path = _with_suffix(root / name)
    try:
        require_own_file(path, root)
        content = image_bytes(path)
        return image_header(content, str(path)) if whole_image(content) else None
    except InputError:
        return None


def _look_at(root: Path, names: np.ndarray, *, suffixes: bool) -> list[ImageFile]:
    """Look at images; lists of frames, of boxes alone, name them without their `suffixes`."""

    def look(name: str) -> ImageFile:
        if not usable_file_name(name):
            return ImageFile(None)
        path = _with_suffix(root / name) if suffixes else root / name
        try:
            require_own_file(path, root)
        except InputError as error:
            return ImageFile("image-unreadable", str(error))
        return look_at_image(path)

    with ThreadPoolExecutor(max(1, usable_cores() // 2)) as pool:
        looked = pool.map(look, names)
        return list(tqdm(looked, total=len(names), desc="images", disable=None, leave=False))


def _with_suffix(path: Path) -> Path:
    """Return the file itself, or with a suffix: lists of frames name images without one."""
    candidates = [path.with_name(path.name + suffix) for suffix in _SUFFIXES]
    return next((candidate for candidate in candidates if candidate.is_file()), path)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(image_bytes(path)).hexdigest()
    except InputError:
        return ""


def _size_message(name: str, stated: np.ndarray, found: tuple[int, int]) -> str:
    text = f"{name!r} has {found[0]} x {found[1]} pixels, not {stated[0]:.0f} x {stated[1]:.0f}"
    turned = tuple(stated[::-1]) == found
    return text + (" (turned by a quarter: without its EXIF orientation?)" if turned else "")
