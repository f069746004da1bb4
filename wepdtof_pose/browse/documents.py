"""The frames of a data set as FiftyOne's stored documents, with what `validate` found as tags.

They are plain dictionaries in the form in which FiftyOne keeps samples, which
`wepdtof_pose.browse.storage` puts into a data set whose fields were declared before.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wepdtof_pose.browse import fields
from wepdtof_pose.browse.coordinates import relative_boxes, relative_corners, relative_points
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.formats.coco import to_dict
from wepdtof_pose.statistics.measures import person_measures
from wepdtof_pose.validation.raw_file import read_raw
from wepdtof_pose.validation.validate import check_raw


@dataclass(frozen=True)
class FoundTags:
    """Codes of findings, sorted, by row of the frames and of the people; `whole` of the file."""

    frames: dict[int, list[str]] = field(default_factory=dict)
    people: dict[int, list[str]] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)


def frame_documents(
    dataset: PoseDataset, tags: FoundTags, *, split: str, text_ids: bool
) -> Iterator[dict[str, Any]]:
    """Yield one document a frame, in file order.

    Args:
        dataset: frames and people; frames whose image is missing are the caller's concern.
        tags: findings, by row.
        split: name of the split, a tag and a field of each frame.
        text_ids: keep ids of frames and people as texts, where not all are whole numbers.
    """
    content = to_dict(dataset)
    people_of_frame: dict[Any, Any] = dict(dataset.people.groupby(dataset.frame_rows).indices)
    people = _people(dataset, content["annotations"], tags, text_ids=text_ids)
    nobody = np.zeros(0, dtype=np.int64)
    for row, image in enumerate(content["images"]):
        rows = people_of_frame.get(row, nobody).tolist()
        labels = [people[person] for person in rows]
        measures = [label[fields.KEYPOINTS] for label in labels]
        labelled = sum(measure["labelled"] for measure in measures)
        hidden = sum(measure["hidden"] for measure in measures)
        of_people = {code for person in rows for code in tags.people.get(person, [])}
        found = sorted({*tags.frames.get(row, []), *of_people})
        frame_id = image["id"]
        yield {
            "filepath": str((dataset.root / image["file_name"]).absolute()),
            "tags": list(dict.fromkeys([split, *found, *own_tags(image)])),
            "metadata": {
                "_cls": "ImageMetadata",
                "width": image["width"],
                "height": image["height"],
            },
            "row": row,
            "split": split,
            "scene": None if image.get("scene") is None else str(image["scene"]),
            "frame_id": str(frame_id) if text_ids else frame_id,
            "people": sum(not measure["crowd"] for measure in measures),
            "joints_labelled": labelled,
            "joints_hidden": hidden,
            "hidden_share": hidden / labelled if labelled else 0.0,
            "largest_radius": max((measure["radius"] for measure in measures), default=None),
            "findings": len(found),
            fields.SOURCE: json.dumps(
                {
                    "image": image,
                    "rows": rows,
                    "annotations": [content["annotations"][person] for person in rows],
                },
                ensure_ascii=False,
                separators=(",", ":"),
            ),
            **{
                name: label_list(items, [label[name] for label in labels if name in label])
                for name, items in fields.LABEL_LISTS.items()
            },
        }


def keypoint_label(
    label: str, points: Any, tags: Iterable[str] = (), **attributes: Any
) -> dict[str, Any]:
    """Return a keypoint label as it is stored; points are relative, NaN where there is none."""
    about = {"label": label, "points": points, "confidence": None, "index": None, **attributes}
    return _stored("Keypoint", tags, **about)


def label_list(items: str, labels: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the value of a label field: its keypoints, detections or polylines."""
    return {"_cls": items.capitalize(), items: labels}


def own_tags(entry: dict[str, Any]) -> list[str]:
    """Return the tags that an image or annotation of a file has; none if they are no texts."""
    tags = entry.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def found_tags(
    content: Any, dataset: PoseDataset, *, source: str, name: str | None = None
) -> FoundTags:
    """Return what is wrong with a parsed annotation file, by row of the data set read from it.

    `name` is the category that the user says is people.
    """
    category = dataset.meta.get("category")
    people_read = [
        position
        for position, annotation in enumerate(content["annotations"])
        if category is None or annotation.get("category_id", category["id"]) == category["id"]
    ]
    row_of_person = {position: row for row, position in enumerate(people_read)}
    frames: dict[int, set[str]] = defaultdict(set)
    people: dict[int, set[str]] = defaultdict(set)
    whole: set[str] = set()
    for problem in check_raw(read_raw(content, source=source, category=name)):
        for position in problem.rows:
            if problem.table == "images":
                frames[int(position)].add(problem.code)
            elif problem.table == "annotations" and int(position) in row_of_person:
                people[row_of_person[int(position)]].add(problem.code)
            else:
                whole.add(problem.code)
    return FoundTags(
        frames={row: sorted(codes) for row, codes in frames.items()},
        people={row: sorted(codes) for row, codes in people.items()},
        whole=sorted(whole),
    )


def _people(
    dataset: PoseDataset, annotations: list[dict[str, Any]], tags: FoundTags, *, text_ids: bool
) -> list[dict[str, dict[str, Any]]]:
    """Return the labels of each person by field."""
    sizes = dataset.frames[["width", "height"]].to_numpy()[dataset.frame_rows]
    # The decimals that are kept as the source, not the float32 numbers: what comes back is compared
    # with them.
    flat = np.array([annotation["keypoints"] for annotation in annotations], dtype=np.float64)
    points = relative_points(flat.reshape(dataset.keypoints.shape), sizes)
    visibility = dataset.keypoints[..., 2].astype(int)
    boxes = relative_boxes(dataset.boxes, sizes).tolist()
    rotated = dataset.rotated_boxes
    turned = np.isfinite(rotated).all(axis=1).tolist()
    corners = relative_corners(rotated, sizes)
    masks = joint_masks(dataset.keypoint_set.joints, visibility)
    copies: dict[str, Any] = {
        name: np.where(mask[..., None], points, np.nan).tolist() for name, mask in masks.items()
    }
    shown: dict[str, Any] = {
        name: (mask & (visibility > 0)).any(axis=1).tolist() for name, mask in masks.items()
    }
    whole, visibility_lists = points.tolist(), visibility.tolist()
    measures = person_measures(dataset)
    radius, turn, tilt = (_numbers(measures[name]) for name in ("radius", "turn", "tilt"))
    labelled, hidden = (measures[name].tolist() for name in ("labelled", "hidden"))
    ids, tracks = dataset.people["id"].tolist(), dataset.people["track_id"].tolist()
    crowds = (dataset.people["iscrowd"] != 0).tolist()
    result = []
    for row in range(len(dataset)):
        person: dict[str, Any] = {"row": row, "person": str(ids[row]) if text_ids else ids[row]}
        track = tracks[row] if isinstance(tracks[row], int) else None
        kind = "crowd" if crowds[row] else "person"
        labels = {
            fields.KEYPOINTS: keypoint_label(
                kind,
                whole[row],
                dict.fromkeys([*tags.people.get(row, []), *own_tags(annotations[row])]),
                **person,
                index=track,
                track_id=track,
                crowd=crowds[row],
                labelled=labelled[row],
                hidden=hidden[row],
                radius=radius[row],
                turn=turn[row],
                tilt=tilt[row],
                visibility=visibility_lists[row],
            ),
            fields.BOXES: _stored(
                "Detection", label=kind, bounding_box=boxes[row], index=track, **person
            ),
        }
        if turned[row]:
            labels[fields.ROTATED_BOXES] = _stored(
                "Polyline",
                label=None,  # The App would write it over the middle of the person.
                points=[corners[row].tolist()],
                closed=True,
                filled=False,
                index=track,
                **person,
            )
        for name, copied in copies.items():
            if shown[name][row]:
                labels[name] = keypoint_label(name, copied[row], **person)
        result.append(labels)
    return result


def joint_masks(joints: tuple[str, ...], visibility: np.ndarray) -> dict[str, np.ndarray]:
    """Return which joints (people, joints) the fields that copy part of the pose show."""
    sides = {
        name: np.array([joint.startswith(side) for joint in joints])
        for name, side in ((fields.RIGHT, "right_"), (fields.LEFT, "left_"))
    }
    return {
        **{name: np.broadcast_to(mask, visibility.shape) for name, mask in sides.items()},
        fields.HIDDEN: visibility == 1,
    }


def _stored(kind: str, tags: Iterable[str] = (), **values: Any) -> dict[str, Any]:
    """Return a label as FiftyOne stores it."""
    from bson import ObjectId

    return {"_id": ObjectId(), "_cls": kind, "attributes": {}, "tags": list(tags), **values}


def _numbers(column: Any) -> list[float | None]:
    return [None if math.isnan(value) else float(value) for value in column.tolist()]
