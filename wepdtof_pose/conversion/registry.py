"""The formats by name: two plain dictionaries, READERS and WRITERS.

A format's module is imported when it is first used, so that `--help` can name them all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wepdtof_pose.errors import InputError

if TYPE_CHECKING:
    from wepdtof_pose.dataset import PoseDataset
    from wepdtof_pose.formats.layout import Layout, Reading
    from wepdtof_pose.keypoints import KeypointSet


class Reader(Protocol):
    """Reads a path; the folder of the images, the joints and the label of people may be given."""

    def __call__(
        self,
        path: Path,
        images: Path | None,
        joints: KeypointSet | None,
        category: str | None = None,
        /,
    ) -> Reading:
        """Return what is under the path."""


Writer = Callable[["dict[str, PoseDataset]"], "Layout"]


def _format(place: str) -> Callable[..., Any]:
    """Return the function `module:name` below `wepdtof_pose.formats`, imported when called."""
    module, _, function = place.partition(":")

    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(import_module(f"wepdtof_pose.formats.{module}"), function)(
            *arguments, **named
        )

    return call


def _reader(name: str, place: str, takes: Collection[str]) -> Reader:
    """Return the reader of a format; `takes` says what of it can be given."""
    read = _format(place)

    def read_path(
        path: Path, images: Path | None, joints: KeypointSet | None, category: str | None = None
    ) -> Reading:
        if joints is not None and "keypoint_set" not in takes:
            raise InputError(
                f"format {name!r} says itself which joints it has: no --source-keypoints"
            )
        if category is not None and "category" not in takes:
            raise InputError(f"format {name!r} knows people only: no --category")
        given = {"keypoint_set": joints, "category": category}
        return read(path, images=images, **{key: given[key] for key in takes})

    return read_path


_PEOPLE = ()
"""What readers take of formats that fix their joints and hold people alone."""
_BOXES = ("category",)
"""What readers take of formats with labelled boxes, without joints."""
_OPEN = ("keypoint_set", "category")
"""What readers take of formats whose files may name the joints or not."""

READERS: dict[str, Reader] = {
    name: _reader(name, place, takes)
    for name, place, takes in (
        ("coco", "loading:read_coco", _OPEN),
        ("wepdtof_pose", "datasets.wepdtof_pose:read", _PEOPLE),
        ("wepdtof", "datasets.wepdtof:read", _BOXES),
        ("loaf", "datasets.loaf:read", _BOXES),
        ("habbof", "datasets.habbof:read", _BOXES),
        ("rapid", "datasets.rapid:read", _BOXES),
        ("voc", "tools.voc:read", _BOXES),
        ("ai_challenger", "datasets.ai_challenger:read", _PEOPLE),
        ("mpii", "datasets.mpii:read", _PEOPLE),
        ("crowdpose", "datasets.crowdpose:read", _PEOPLE),
        ("lsp", "datasets.lsp:read_lsp", _PEOPLE),
        ("lspet", "datasets.lsp:read_lspet", _PEOPLE),
        ("yolo", "tools.yolo:read", _OPEN),
        ("yolo_obb", "tools.yolo_obb:read", _BOXES),
        ("cvat", "tools.cvat:read", _OPEN),
        ("label_studio", "tools.label_studio:read", _OPEN),
    )
}
WRITERS: dict[str, Writer] = {
    "coco": _format("loading:write_coco"),
    "wepdtof_pose": _format("datasets.wepdtof_pose:write"),
    "ai_challenger": _format("datasets.ai_challenger:write"),
    "mpii": _format("datasets.mpii:write"),
    "crowdpose": _format("datasets.crowdpose:write"),
    "yolo": _format("tools.yolo:write"),
    "cvat": _format("tools.cvat_writer:write"),
    "label_studio": _format("tools.label_studio_writer:write"),
}
OF_SHARES = frozenset({"yolo", "label_studio"})
"""Formats to write whose places are shares of the picture: of one of another size all are wrong."""
