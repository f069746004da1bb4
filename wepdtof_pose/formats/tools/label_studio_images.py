"""Which image a task of Label Studio is of, and where it lies: uploads, local files and links."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.categories import listed
from wepdtof_pose.formats.fields import require_file_name, shown
from wepdtof_pose.formats.layout import IMAGE_SUFFIXES, UPLOAD


def image_link(task: dict[str, Any], where: str) -> str:
    """Return the link of a task's image: `data.image`, or the only value that looks like one."""
    data = task.get("data")
    if not isinstance(data, dict):
        raise InputError(
            f"{where}: has no object 'data': export JSON from Label Studio, not JSON-MIN, which "
            "does not say what belongs together"
        )
    for key, value in data.items():
        if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            raise InputError(
                f"{where}: {shown(key)} has {len(value)} images: only tasks of one image are read"
            )
    found = _images_of(data)
    link = data.get("image", found[0] if len(found) == 1 else None)
    if not isinstance(link, str) or not link.strip():
        video = " but a video" if isinstance(data.get("video"), str) else ""
        raise InputError(f"{where}: 'data' names no image{video} (expected 'image')")
    if link.startswith("data:"):
        raise InputError(
            f"{where}: holds its image itself, not the name of one: save the images as files, and "
            "write their names in 'image'"
        )
    require_file_name(path_of(link), where, key="image")
    return link


def require_one_image(data: dict[str, Any], drawn: Iterable[dict[str, Any]], where: str) -> None:
    """Refuse a task whose boxes or joints are drawn on several images: nothing says on which.

    An image may be shown several times.
    """
    tags = {str(region["to_name"]) for region in drawn if "to_name" in region}
    if len(tags) > 1 and len(_images_of(data)) > 1:
        raise InputError(
            f"{where}: has regions on several images ({listed(tags)}): only tasks of one image are "
            "read"
        )


def path_of(link: str) -> str:
    """Return the relative path that a link ends with: uploads, local files, URLs, plain paths."""
    plain = link.strip().replace("\\", "/")
    try:
        parts = urlsplit(plain)
        query = parse_qs(parts.query)
    except ValueError:
        return plain
    place, path = parts.path.rstrip("/"), unquote(parts.path)
    if "d" in query and place.endswith("local-files"):
        path = query["d"][0]
    elif "fileuri" in query and place.endswith("resolve"):
        # A file of a cloud storage, fetched through Label Studio.
        path = urlsplit(_decoded(query["fileuri"][0])).path
    steps = path.replace("\\", "/").split("/")
    return "/".join(part for part in steps if part not in ("", ".", ".."))


def _images_of(data: dict[str, Any]) -> list[str]:
    """Return the values of a task's data that look like the link of an image."""
    texts = [value for value in data.values() if isinstance(value, str)]
    return [text for text in texts if path_of(text).lower().endswith(IMAGE_SUFFIXES)]


def _decoded(text: str) -> str:
    """Return what a text in base64 stands for; the text itself where it is in none."""
    try:
        return base64.urlsafe_b64decode(text + -len(text) % 4 * "=").decode()
    except ValueError:
        return text


def find_images(links: list[str], roots: list[Path]) -> tuple[Path, list[str]]:
    """Return the first root that has the first image found, and the names of all images under it.

    A link's path is tried whole, then without its leading folders, then without the 8 digits that
    Label Studio puts before the name of an upload.
    """
    used: Path | None = None
    names = []
    for link in links:
        candidates = possible_names(path_of(link))
        name = None
        for root in [used] if used else roots:
            name = next((c for c in candidates if (root / c).is_file()), None)
            if name is not None:
                used = root
                break
        names.append(name or PurePosixPath(path_of(link)).name)
    return used or roots[min(1, len(roots) - 1)], names


def possible_names(path: str) -> list[str]:
    """Return the names under which the image of a link may lie."""
    parts = path.split("/")
    names = ["/".join(parts[start:]) for start in range(min(len(parts), 20))]
    return names + [UPLOAD.sub("", parts[-1])] * bool(UPLOAD.match(parts[-1]))
