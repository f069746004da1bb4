"""Annotation files of other programs: what they are, and how their data get here, for errors.

A reader that meets something else than its own format asks here what it is, so that the message
names the form and a step that works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_READ = "wepdtof-pose convert --from "
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
    for test, text in forms:
        if all(key in entry for key in test.split()) if isinstance(test, str) else test(entry):
            return f"{text}: {_COCO}" if text.endswith("which is not read") else text
    return ""


def instead_of(content: Any, otherwise: str) -> str:
    """Return `form_of` the content, or the words for a form that is not known."""
    return form_of(content) or otherwise


def _is_via(entry: dict[str, Any]) -> bool:
    files = entry.get("_via_img_metadata", entry)
    rows = files.values() if isinstance(files, dict) else ()
    return any(isinstance(row, dict) and {"filename", "regions"} <= row.keys() for row in rows)


def _has_boxes_of_5(entry: dict[str, Any]) -> bool:
    box = entry.get("bbox")
    return "image_id" in entry and isinstance(box, list) and len(box) == 5


def _is_datumaro(entry: dict[str, Any]) -> bool:
    return "items" in entry and isinstance(entry.get("categories"), dict)


def _is_fiftyone(entry: dict[str, Any]) -> bool:
    samples = entry.get("samples")
    first = samples[0] if isinstance(samples, list) and samples else None
    return (isinstance(first, dict) and "filepath" in first) or "sample_fields" in entry


def _is_of_coco(entry: dict[str, Any]) -> bool:
    own = {"iscrowd", "num_keypoints"} & entry.keys()
    return "image_id" in entry and bool(own) and "score" not in entry


def _is_test_list(entry: dict[str, Any]) -> bool:
    images = entry.get("images")
    if not isinstance(images, list) or not images:
        return False
    nested = any(isinstance(one, dict) and "annotations" in one for one in images)
    return "categories" in entry and "annotations" not in entry and not nested


_CVAT = "is CVAT's own backup: export 'CVAT for images 1.1' from there"

_Forms = tuple[tuple[str | Callable[[dict[str, Any]], bool], str], ...]
"""Keys, or a test, and what has them; behind "which is not read" follows what to do."""

_OBJECTS: _Forms = (
    ("shapes imagePath", "is a LabelMe file of one image, which is not read"),
    ("_via_settings", "is a VIA project, which is not read"),
    (_is_via, "is a VIA file, which is not read"),
    (
        _is_datumaro,
        "is a Datumaro file: export COCO Keypoints from CVAT, or run "
        "'datum convert -if datumaro -f coco_person_keypoints'",
    ),
    (
        "result task",
        "is one annotation of Label Studio, as target storages hold them: export JSON from "
        "the project",
    ),
    ("data annotations", "is one task of Label Studio: put the tasks into a list"),
    ("objects size", "is a Supervisely file of one image, which is not read"),
    (
        "people version",
        "is what OpenPose found on one image, and no annotations: these predictions are not read",
    ),
    (
        "keypoint_names images",
        "is OCHuman's own form, which is not read: take ochuman_coco_format_*.json beside it",
    ),
    ("annolist", "is PoseTrack's form of 2017, which is not read: take that of 2018 (COCO)"),
    ("instance_info", "is what MMPose found, and no annotations: these predictions are not read"),
    ("item annotations", "is V7 Darwin's file of one image, which is not read"),
    ("metadata instances", "is a SuperAnnotate file of one image, which is not read"),
    ("label_classes images", "is a Hasty export, which is not read"),
    ("classes tags", "is meta.json of Supervisely: export COCO keypoints from there"),
    ("skeletons videos", "is a SLEAP file, which is not read"),
    ("shapes tracks", _CVAT),
    (
        _is_fiftyone,
        "is FiftyOne's own form, which is not read: export fo.types.COCODetectionDataset with the "
        "field of the keypoints as label_field",
    ),
    ("asset regions", "is a VoTT file of one image, which is not read"),
    ("assets tags", "is a VoTT project, which is not read"),
    ("project attribute metadata", "is a VIA 3 project, which is not read"),
    ("filename itemMetadata", "is a Dataloop file of one image, which is not read"),
    ("source-ref", "is a SageMaker manifest, which is not read"),
    ("bboxes scores", "is what MMDetection found on one image, which is not read"),
    (_is_test_list, "lists images alone, as image_info of COCO's test images, without labels"),
    ("images annotations", f"is COCO JSON: {_READ}coco"),
)
"""What an object is: the first test that holds decides."""

_LISTS: _Forms = (
    ("data annotations", f"is a Label Studio export: {_READ}label_studio"),
    ("data completions", f"is a Label Studio export: {_READ}label_studio"),
    ("data predictions", f"is a Label Studio export: {_READ}label_studio"),
    (
        "annotator id",
        "is JSON-MIN of Label Studio, which does not say what belongs together: export JSON",
    ),
    ("human_annotations", f"is AI Challenger's JSON: {_READ}ai_challenger"),
    ("joints image", f"is an MPII file: {_READ}mpii"),
    ("joint_self", f"is an MPII file of another form: {_READ}mpii on the .mat"),
    ("img_name bboxes", f"has boxes of frames: {_READ}wepdtof"),
    (_has_boxes_of_5, f"has detections in rotated boxes: {_READ}rapid"),
    (
        _is_of_coco,
        "has the annotations of a COCO file alone: write an object with 'images', 'categories' and "
        "these as 'annotations'",
    ),
    (
        "image_id keypoints",
        "has predictions, not annotations: wepdtof-pose visualize DATA --predictions FILE draws "
        "them; sspcm predict --drafts coco writes them as a data set, into the folder drafts",
    ),
    (
        "image_id bbox",
        "has detections, not annotations: sspcm predict --boxes FILE takes them",
    ),
    (
        "file_name annotations",
        "has dataset dicts of Detectron2: its convert_to_coco_json writes COCO JSON",
    ),
    ("file_name width height", "has the images of a COCO file alone, without labels"),
    ("image annotations", "is a CreateML file, which is not read"),
    ("data_units", "is an Encord export, which is not read"),
    ("externalId labels", "is a Kili export, which is not read"),
    ("shapes tracks", _CVAT),
    (
        "box confidence name",
        "is what Ultralytics found on one image, and no annotations: sspcm predict --boxes takes "
        "the text files that it writes with save_txt=True",
    ),
    ("task_id response", "is a Scale export, which is not read"),
    ("reference_id annotations", "is a Scale Nucleus export, which is not read"),
    (lambda entry: "Labeled Data" in entry, "is an old Labelbox export, which is not read"),
    ("data_row", "is a Labelbox export, which is not read"),
)
"""What a list is, by its first entry: the first test that holds decides."""
