"""Whatever format people go through, in = out + what is counted as left out.

The formats come from the registry, so that a new one is covered without a change here.
WEPDTOF_EXAMPLES sets the number of data sets of each format (2 by default).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from generated import generated
from hypothesis import given
from hypothesis import strategies as st

from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.conversion.registry import READERS, WRITERS
from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.layout import CROWDS, EMPTY_BOXES, EMPTY_FRAMES
from wepdtof_pose.geometry import rotated_box_corners
from wepdtof_pose.keypoints import get_keypoint_set

SIZE = (64, 48)
JPEG = cv2.imencode(".jpg", np.full((SIZE[1], SIZE[0], 3), 99, dtype=np.uint8))[1].tobytes()
SETS = {
    "mpii": "mpii-16",
    "crowdpose": "crowdpose-14",
    "ai_challenger": "aic-14",
    "wepdtof_pose": "wepdtof-pose-14",
}
"""The joints of the formats that hold no others."""
PEOPLE = (CROWDS, EMPTY_BOXES)
JOINTS = "labels of joints outside the image"


@st.composite
def data_sets(draw: st.DrawFn) -> PoseDataset:
    """Up to four frames with up to three people each: crowds, no labels, boxes out of the frame."""
    keypoint_set = get_keypoint_set(
        draw(st.sampled_from(["coco-17", "wepdtof-pose-14", "mpii-16"]))
    )
    frames = draw(st.sampled_from([4, 3, 2, 1]))
    folders = draw(st.sampled_from(["", "cam ä/", "a/b c/"]))
    ids: list[Any] = list(range(frames))
    if draw(st.booleans()):
        ids = [f"f{number}" for number in ids]
    # One seed instead of hundreds of numbers: hypothesis draws each of them slowly, and its first
    # example, where each is the least, would have nobody in it.
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    owners = np.repeat(np.arange(frames), rng.integers(0, 4, frames))
    people = len(owners)
    keypoints = np.zeros((people, len(keypoint_set), 3), dtype=np.float32)
    keypoints[..., :2] = rng.uniform(-20, 80, keypoints[..., :2].shape).round(2)
    keypoints[..., 2] = rng.choice([0, 1, 2, 2], keypoints.shape[:2])
    keypoints[rng.random(keypoints.shape[:2]) < 0.2] = 0
    columns = rng.uniform((-20, -20, 0, 0), (80, 80, 60, 60), (people, 4)).round(2).T
    return PoseDataset(
        frames=make_frames(
            id=np.array(ids, dtype=object if isinstance(ids[0], str) else np.int64),
            file_name=[f"{folders}{number:04}.jpg" for number in range(frames)],
            width=[SIZE[0]] * frames,
            height=[SIZE[1]] * frames,
            scene=[draw(st.sampled_from([None, "s", "t"])) for _ in range(frames)],
        ),
        people=make_people(
            id=np.arange(people) + 1,
            frame_id=np.array([ids[frame] for frame in owners], dtype=object),
            **dict(zip("xywh", columns, strict=True)),
            iscrowd=rng.choice([0, 0, 0, 1], people),
            track_id=[draw(st.sampled_from([None, 3])) for _ in range(people)],
        ),
        keypoints=keypoints,
        keypoint_set=keypoint_set,
        root=Path("nowhere"),
    )


def counts(datasets: dict[str, PoseDataset]) -> tuple[int, int, int]:
    """People, labelled joints of those who are no crowds, and frames."""
    single = [d.keypoints[(d.people["iscrowd"] == 0).to_numpy()] for d in datasets.values()]
    return (
        sum(map(len, datasets.values())),
        sum(int((keypoints[..., 2] > 0).sum()) for keypoints in single),
        sum(len(d.frames) for d in datasets.values()),
    )


def check_step(source: Path, out: Path, source_format: str, target_format: str) -> bool:
    """Convert, and compare what goes in, what comes out, and what was counted.

    Whether the format took it: it may refuse what it cannot hold. What it writes it has to read.
    """
    before = READERS[source_format](source, None, None)
    try:
        manifest = convert(
            source,
            out,
            source_format=source_format,
            target_format=target_format,
            keypoints=SETS.get(target_format),
        )
    except InputError:
        assert not out.exists()
        return False
    assert manifest["not_held"].get(EMPTY_FRAMES, 0) == 0 or people_written(manifest)
    after = READERS[target_format](out, None, None)
    assert manifest["left_out"] == before.left_out
    people, labels, frames = counts(before.datasets)
    people_after, labels_after, frames_after = counts(after.datasets)
    not_held = manifest["not_held"]
    people_gone = sum(not_held.get(words, 0) for words in PEOPLE)
    assert people == people_after + people_gone + lost(after.left_out, "people")
    assert frames == frames_after + not_held.get(EMPTY_FRAMES, 0)
    dropped = [split["labels_of_joints_dropped"] for split in manifest["splits"].values()]
    if people_gone == 0:
        gone = not_held.get(JOINTS, 0) + sum(sum(by_joint.values()) for by_joint in dropped)
        crowds = sum(int((d.people["iscrowd"] == 1).sum()) for d in before.datasets.values())
        assert crowds or labels == labels_after + gone
    assert labels_after <= labels
    return True


def people_written(manifest: dict[str, Any]) -> int:
    people = sum(split["people"] for split in manifest["splits"].values())
    return people - sum(manifest["not_held"].get(what, 0) for what in PEOPLE)


def lost(left_out: dict[str, int], what: str) -> int:
    """How many of these a reader says that it has left out."""
    return sum(count for reason, count in left_out.items() if reason.startswith(what))


@pytest.mark.parametrize("first", [name for name in WRITERS if name in READERS])
@generated(2)
@given(dataset=data_sets(), second=st.sampled_from([n for n in WRITERS if n in READERS]))
def test_nobody_is_lost_between_two_formats(first: str, second: str, dataset: PoseDataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        coco.write(dataset, home / "in" / "annotations" / "person_keypoints.json")
        for name in dataset.frames["file_name"]:
            path = home / "in" / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(JPEG)
        if check_step(home / "in", home / "first", "coco", first):
            check_step(home / "first", home / "second", first, second)


Boxes = dict[str, np.ndarray]
"""Rotated boxes (people, 5) of frames by their names without suffix."""


def write_voc(folder: Path, frames: Boxes) -> None:
    for name, boxes in frames.items():
        people = "".join(
            f"<object><name>person</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
            f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for x, y, w, h, _ in boxes
        )
        size = f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height></size>"
        (folder / f"{name}.xml").write_text(f"<annotation>{size}{people}</annotation>")
        (folder / f"{name}.jpg").write_bytes(JPEG)


def write_habbof(folder: Path, frames: Boxes) -> None:
    (folder / "Lab1").mkdir()
    for name, boxes in frames.items():
        lines = (f"person {' '.join(map(str, box))}\n" for box in boxes)
        (folder / "Lab1" / f"{name}.txt").write_text("".join(lines))
        (folder / "Lab1" / f"{name}.jpg").write_bytes(JPEG)


def write_yolo_obb(folder: Path, frames: Boxes) -> None:
    for kind in ("images", "labels"):
        (folder / kind / "train").mkdir(parents=True)
    (folder / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [person]\n")
    for name, boxes in frames.items():
        corners = [rotated_box_corners(box) / SIZE for box in boxes]
        lines = (f"0 {' '.join(map(str, places.ravel()))}\n" for places in corners)
        (folder / "labels" / "train" / f"{name}.txt").write_text("".join(lines))
        (folder / "images" / "train" / f"{name}.jpg").write_bytes(JPEG)


def write_json_boxes(folder: Path, frames: Boxes, *, file: str, loaf: bool) -> None:
    """As LOAF has them, whose angles turn the other way round, or as WEPDTOF."""
    ids: dict[str, Any] = {name: n for n, name in enumerate(frames, 1)} if loaf else {}
    images = [
        {"id": ids.get(name, name), "file_name": f"{name}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for name in frames
    ]
    people: list[dict[str, Any]] = []
    for name, boxes in frames.items():
        for cx, cy, w, h, angle in boxes.tolist():
            person = {"id": len(people) + 1, "image_id": ids.get(name, name), "category_id": 1}
            upright = [cx - w / 2, cy - h / 2, w, h]
            more = {"rotated_box": [cx, cy, w, h, -angle], "bbox": upright} if loaf else {}
            people.append({**person, "bbox": [cx, cy, w, h, angle], "area": w * h, **more})
    content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    for kind in ("annotations", "images"):
        (folder / kind).mkdir()
    (folder / "annotations" / file).write_text(json.dumps(content))
    for name in frames:
        (folder / "images" / f"{name}.jpg").write_bytes(JPEG)


BOX_WRITERS: dict[str, Callable[[Path, Boxes], None]] = {
    "voc": write_voc,
    "habbof": write_habbof,
    "yolo_obb": write_yolo_obb,
    "loaf": partial(write_json_boxes, file="instances_train.json", loaf=True),
    "wepdtof": partial(write_json_boxes, file="Lunch1.json", loaf=False),
}


@pytest.mark.parametrize("first", BOX_WRITERS)
@generated(2)
@given(seed=st.integers(0, 2**32 - 1), second=st.sampled_from([n for n in WRITERS if n in READERS]))
def test_nobody_is_lost_from_formats_of_boxes(first: str, second: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = {f"a_{n:06}": rng.uniform(size=(count, 5)) for n, count in enumerate((2, 0, 3), 1)}
    for boxes in frames.values():
        # Some reach over the edges.
        boxes[:] = (boxes * (*SIZE, 20, 20, 180) - (0, 0, -2, -2, 90)).round(2)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "in").mkdir()
        BOX_WRITERS[first](home / "in", frames)
        before = READERS[first](home / "in", None, None)
        gone = {why: n for why, n in before.left_out.items() if not why.startswith("areas")}
        people = counts(before.datasets)[0] + sum(gone.values())
        assert people == sum(map(len, frames.values())), gone
        check_step(home / "in", home / "out", first, second)
