"""Names and types of what the App shows: fields of a frame, and of each person on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEYPOINTS = "keypoints"
RIGHT = "right_side"
LEFT = "left_side"
HIDDEN = "hidden"
BOXES = "boxes"
ROTATED_BOXES = "rotated_boxes"
SOURCE = "source"
PSEUDO_LABELS = "pseudo_labels"
INFO = "wepdtof_pose"
"""Key of `dataset.info` under which everything of ours is kept."""

FRAME_FIELDS: dict[str, Any] = {
    "scene": str,
    "people": int,
    "split": str,
    "frame_id": int,
    "row": int,
    "joints_labelled": int,
    "joints_hidden": int,
    "hidden_share": float,
    "largest_radius": float,
    "findings": int,
    SOURCE: str,
}
"""Fields of a frame. `row` is its place in the image list, `largest_radius` is that of the person
farthest out (see `radius`), `hidden_share` hidden over labelled joints, `source` the frame's part
of the annotation file."""

PERSON_FIELDS: dict[str, Any] = {
    "row": int,
    "person": int,
    "track_id": int,
    "crowd": bool,
    "labelled": int,
    "hidden": int,
    "radius": float,
    "turn": float,
    "tilt": float,
    "visibility": [int],
}
"""Fields of a person: place in the annotation list, id, track, counts of joints, distance from the
image centre (1 is the rim), `turn` and `tilt` in degrees (see `person_measures`), visibility of
each joint."""

LABEL_LISTS = {
    KEYPOINTS: "keypoints",
    RIGHT: "keypoints",
    LEFT: "keypoints",
    HIDDEN: "keypoints",
    BOXES: "detections",
    ROTATED_BOXES: "polylines",
}
"""Label fields, and the list of labels in each."""

_LABEL_CLASSES = {"keypoints": "Keypoints", "detections": "Detections", "polylines": "Polylines"}


def declare_fields(dataset: Any, *, text_ids: bool) -> None:
    """Add the fields to an empty FiftyOne data set; with `text_ids` ids of the file are texts."""
    for name, kind in FRAME_FIELDS.items():
        add_field(dataset, name, str if text_ids and name == "frame_id" else kind)
    for name, items in LABEL_LISTS.items():
        add_label_field(dataset, name, items)
        attributes = PERSON_FIELDS if name == KEYPOINTS else {"row": int, "person": int}
        declare_attributes(dataset, name, attributes, text_ids=text_ids)
    source = dataset.get_field(SOURCE)
    source.read_only = True
    source.save()


def declare_attributes(
    dataset: Any, field: str, attributes: Mapping[str, Any], *, text_ids: bool
) -> None:
    """Add attributes, by name and type, to each label of a field; `person` holds an id."""
    for name, kind in attributes.items():
        kind = str if text_ids and name == "person" else kind
        add_field(dataset, label_path(field, name), kind)


def add_label_field(dataset: Any, name: str, items: str) -> None:
    """Add a field that holds a list of labels: keypoints, detections or polylines."""
    import fiftyone

    label = getattr(fiftyone, _LABEL_CLASSES[items])
    dataset.add_sample_field(
        name, fiftyone.EmbeddedDocumentField, embedded_doc_type=label, validate=False
    )


def add_field(dataset: Any, path: str, kind: Any) -> None:
    """Add a field of a Python type, or of a list of it ([int]), at a path."""
    import fiftyone

    kinds = {
        str: fiftyone.StringField,
        int: fiftyone.IntField,
        float: fiftyone.FloatField,
        bool: fiftyone.BooleanField,
    }
    if isinstance(kind, list):
        dataset.add_sample_field(path, fiftyone.ListField, subfield=kinds[kind[0]])
    else:
        dataset.add_sample_field(path, kinds[kind])


def label_path(field: str, attribute: str) -> str:
    """Return the path of an attribute of each label of a field of ours."""
    return f"{field}.{LABEL_LISTS.get(field, 'keypoints')}.{attribute}"
