"""Annotation files of other programs: what they are, and how their data get here, for errors.

A reader that meets something else than its own format asks here what it is, so that the message
names the form and a step that works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_READ = "wepdtof-pose convert --from {}"
_COCO = "write its joints as COCO keypoints, or in another format that convert reads"


def form_of(content: Any) -> str:
    """Return what the content of a JSON file is and what to do, as "is ...: ..."; "" if unknown.

    >>> form_of([{"data": {"image": "a.jpg"}, "annotations": []}])
    'is a Label Studio export: wepdtof-pose convert --from label_studio'
    """
    entry = content
    if isinstance(content, list):
        entry = content[0] if content else None
    if not isinstance(entry, dict):
        return ""
    forms = _OBJECTS if isinstance(content, dict) else _LISTS
    return next((text for test, text in forms if test(entry)), "")


def instead_of(content: Any, otherwise: str) -> str:
    """Return `form_of` the content, or the words for a form that is not known."""
    return form_of(content) or otherwise


def _has(*keys: str) -> Callable[[dict[str, Any]], bool]:
    return lambda entry: all(key in entry for key in keys)


def _is_via(entry: dict[str, Any]) -> bool:
    files = entry.get("_via_img_metadata", entry)
    rows = files.values() if isinstance(files, dict) else ()
    return any(isinstance(row, dict) and {"filename", "regions"} <= row.keys() for row in rows)


def _has_boxes_of_5(entry: dict[str, Any]) -> bool:
    box = entry.get("bbox")
    return "image_id" in entry and isinstance(box, list) and len(box) == 5


_OBJECTS: tuple[tuple[Callable[[dict[str, Any]], bool], str], ...] = (
    (_has("shapes", "imagePath"), f"is a LabelMe file of one image, which is not read: {_COCO}"),
    (_has("_via_settings"), f"is a VIA project, which is not read: {_COCO}"),
    (_is_via, f"is a VIA file, which is not read: {_COCO}"),
    (
        lambda entry: "items" in entry and isinstance(entry.get("categories"), dict),
        "is a Datumaro file: export COCO Keypoints from CVAT, or run "
        "'datum convert -if datumaro -f coco_person_keypoints'",
    ),
    (
        lambda entry: "objects" in entry and isinstance(entry.get("size"), dict),
        f"is a Supervisely file of one image, which is not read: {_COCO}",
    ),
    (
        _has("people", "version"),
        "is what OpenPose found on one image, and no annotations: these predictions are not read",
    ),
    (
        _has("keypoint_names", "images"),
        "is OCHuman's own form, which is not read: take ochuman_coco_format_*.json beside it",
    ),
    (_has("annolist"), "is PoseTrack's form of 2017, which is not read: take that of 2018 (COCO)"),
    (
        _has("instance_info"),
        "is what MMPose found, and no annotations: these predictions are not read",
    ),
    (_has("item", "annotations"), f"is V7 Darwin's file of one image, which is not read: {_COCO}"),
    (
        _has("metadata", "instances"),
        f"is a SuperAnnotate file of one image, which is not read: {_COCO}",
    ),
    (_has("label_classes", "images"), f"is a Hasty export, which is not read: {_COCO}"),
    (_has("classes", "tags"), "is meta.json of Supervisely: export COCO keypoints from there"),
    (_has("skeletons", "videos"), f"is a SLEAP file, which is not read: {_COCO}"),
    (_has("images", "annotations"), f"is COCO JSON: {_READ.format('coco')}"),
)
"""What an object is, by its keys: the first test that holds decides."""

_LISTS: tuple[tuple[Callable[[dict[str, Any]], bool], str], ...] = (
    *(
        (_has("data", key), f"is a Label Studio export: {_READ.format('label_studio')}")
        for key in ("annotations", "completions", "predictions")
    ),
    (
        _has("annotator", "id"),
        "is JSON-MIN of Label Studio, which does not say what belongs together: export JSON",
    ),
    (_has("human_annotations"), f"is AI Challenger's JSON: {_READ.format('ai_challenger')}"),
    (_has("joints", "image"), f"is an MPII file: {_READ.format('mpii')}"),
    (_has("joint_self"), f"is an MPII file of another form: {_READ.format('mpii')} on the .mat"),
    (_has("img_name", "bboxes"), f"has boxes of frames: {_READ.format('wepdtof')}"),
    (_has_boxes_of_5, f"has detections in rotated boxes: {_READ.format('rapid')}"),
    (
        _has("image_id", "keypoints"),
        "has predictions, not annotations: wepdtof-pose visualize DATA --predictions FILE",
    ),
    (
        _has("image_id", "bbox"),
        "has detections, not annotations: sspcm predict --boxes FILE takes them",
    ),
    (
        _has("file_name", "annotations"),
        "has dataset dicts of Detectron2: its convert_to_coco_json writes COCO JSON",
    ),
    (_has("image", "annotations"), f"is a CreateML file, which is not read: {_COCO}"),
    (_has("data_units"), f"is an Encord export, which is not read: {_COCO}"),
    (_has("externalId", "labels"), f"is a Kili export, which is not read: {_COCO}"),
    (_has("shapes", "tracks"), "is CVAT's own backup: export 'CVAT for images 1.1' from there"),
    (_has("data_row"), f"is a Labelbox export, which is not read: {_COCO}"),
)
"""What a list is, by the keys of its first entry: the first test that holds decides."""
