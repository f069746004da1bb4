import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.boxed_people import JOINTS_UNREAD
from wepdtof_pose.formats.datasets import wepdtof
from wepdtof_pose.formats.layout import CATEGORY_UNLISTED, TRACKS_NUMBERED, TWICE
from wepdtof_pose.geometry import rotated_box_corners

BOX = [50, 40, 20, 30, -30]


def make_content(*, image: dict | None = None, person: dict | None = None) -> dict[str, Any]:
    """One person on one frame; a field given as ... is left out."""
    frame = {"file_name": "a_000001.jpg", "id": "a_000001", "width": 120, "height": 90}
    box = {"image_id": "a_000001", "bbox": BOX, "area": 600, "person_id": 3, "segmentation": []}
    for row, change in ((frame, image), (box, person)):
        row.update(change or {})
        for key in [key for key, value in row.items() if value is ...]:
            del row[key]
    return {"images": [frame], "annotations": [box], "categories": [{"id": 1}]}


def write(folder: Path, **contents: Any) -> Path:
    (folder / "annotations").mkdir(parents=True)
    for name, content in contents.items():
        (folder / "annotations" / f"{name}.json").write_text(json.dumps(content))
    return folder


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".jpg", np.zeros((90, 120, 3), dtype=np.uint8))[1].tobytes())


@pytest.mark.parametrize(
    ("image", "person"),
    [
        ({"width": ..., "height": ...}, {}),
        ({"width": None, "height": 90}, {}),
        ({"width": 120.0}, {}),
        ({"file_name": "a_000001"}, {}),
        ({"id": 1}, {"image_id": "1"}),
        ({"id": "1"}, {"image_id": 1}),
    ],
    ids=["no size", "half a size", "a float", "no suffix", "a text for a number", "a number"],
)
def test_what_has_one_reading_is_read(tmp_path: Path, image: dict, person: dict) -> None:
    write_image(tmp_path / "a" / "a_000001.jpg")
    dataset = wepdtof.read(write(tmp_path, a=make_content(image=image, person=person))).datasets[
        "all"
    ]
    assert dataset.frames[["file_name", "width", "height"]].values.tolist() == [
        ["a/a_000001.jpg", 120, 90]
    ]
    assert dataset.people["frame_id"].tolist() == dataset.frames["id"].tolist()


def test_a_list_may_name_images_with_their_suffix(tmp_path: Path) -> None:
    write_image(tmp_path / "a" / "a_000001.jpg")
    path = write(tmp_path, a=[{"img_name": "a_000001.jpg", "bboxes": [BOX]}])
    dataset = wepdtof.read(path).datasets["all"]
    assert dataset.frames["file_name"].tolist() == ["a/a_000001.jpg"]


def test_original_form(tmp_path: Path) -> None:
    reading = wepdtof.read(write(tmp_path, a=make_content()))
    dataset = reading.datasets["all"]
    person = dataset.people.iloc[0]
    assert dataset.frames[["id", "scene"]].values.tolist() == [["a_000001", "a"]]
    assert dataset.frames["file_name"].tolist() == ["a/a_000001.jpg"]
    assert person[list(ROTATED_BOX_COLUMNS)].tolist() == BOX
    # Half extents of a 20 x 30 box turned by 30 degrees.
    across = 10 * math.cos(math.pi / 6) + 15 * 0.5
    down = 10 * 0.5 + 15 * math.cos(math.pi / 6)
    np.testing.assert_allclose(
        dataset.boxes[0], [50 - across, 40 - down, 2 * across, 2 * down], rtol=1e-12
    )
    assert person["track_id"] == 3
    assert person["area"] == pytest.approx(0.53 * 600)
    assert person["extra"] is None
    assert dataset.keypoint_set.name == "wepdtof-pose-14"
    assert not dataset.keypoints.any()
    assert not dataset.trainable().any()
    assert reading.left_out == {"areas of rotated boxes (0.53 of them is written)": 1}


def test_what_has_no_column_is_kept_or_counted(tmp_path: Path) -> None:
    person = {"id": "x", "keypoints": [1, 2, 2], "num_keypoints": 1}
    content = {**make_content(image={"light": "dim"}, person=person), "info": {"year": 2022}}
    reading = wepdtof.read(write(tmp_path, a=content))
    assert reading.datasets["all"].frames["extra"].tolist() == [{"light": "dim"}]
    assert reading.left_out["person ids (numbered anew)"] == 1
    assert reading.left_out["fields of the file"] == 1
    assert reading.left_out[JOINTS_UNREAD] == 1
    assert reading.datasets["all"].people["extra"].tolist() == [None]


def test_a_positive_angle_turns_clockwise() -> None:
    # A long box turned by 45 degrees clockwise points up and to the right.
    corners = rotated_box_corners(np.array([0, 0, 2, 100, 45.0]))
    assert (corners[:2].mean(axis=0) > 0).tolist() == [True, False]


def test_who_is_given_twice_is_one_person(tmp_path: Path) -> None:
    content = make_content()
    (person,) = content["annotations"]
    # The released files give one number to two people of a frame.
    content["annotations"] = [person, {**person, "bbox": [60, 40, 20, 30, 0]}, person]
    content["annotations"] += [{**person, "id": 9}]
    reading = wepdtof.read(write(tmp_path, a=content))
    people = reading.datasets["all"].people
    assert people["track_id"].tolist() == [3, 3]
    assert people["rotated_cx"].tolist() == [50, 60]
    assert reading.left_out[TWICE] == 2


@pytest.mark.parametrize("place", ["frames/b", "b", "images/b", "frames", "images", "."])
def test_list_form_takes_sizes_from_images(tmp_path: Path, place: str) -> None:
    listed = [{"img_name": "b_000002", "bboxes": [BOX, BOX], "scores": [1, 0.5], "id": [7, 7]}]
    write_image(tmp_path / place / "b_000002.jpg")
    dataset = wepdtof.read(write(tmp_path, b=listed)).datasets["all"]
    assert dataset.frames[["width", "height"]].values.tolist() == [[120, 90]]
    assert (dataset.root / dataset.frames["file_name"][0]).is_file()
    assert dataset.people["track_id"].tolist() == [7, 7]
    assert dataset.people["extra"].tolist() == [{"score": 1}, {"score": 0.5}]


def test_list_form_without_images_has_no_sizes(tmp_path: Path) -> None:
    listed = [{"img_name": "b_000002", "bboxes": [], "id": []}]
    dataset = wepdtof.read(write(tmp_path, b=listed)).datasets["all"]
    assert dataset.frames[["width", "height"]].values.tolist() == [[0, 0]]


def test_images_elsewhere(tmp_path: Path) -> None:
    write_image(tmp_path / "far" / "a_000001.jpg")
    path = write(tmp_path / "in", a=make_content())
    dataset = wepdtof.read(path, images=tmp_path / "far").datasets["all"]
    assert (dataset.root, dataset.frames["file_name"][0]) == (tmp_path / "far", "a_000001.jpg")


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((20, 30, 0.1), (20, 30, 5.729577951308232)),
        ((20, 30, 6.183185), (20, 30, -5.729595)),
        ((30, 20, 0.1), (20, 30, -84.270422)),
        ((20, 30, math.pi), (20, 30, 0)),
    ],
    ids=["small", "nearly a turn", "wider than high", "half a turn"],
)
def test_rolabelimg(tmp_path: Path, box: tuple, expected: tuple) -> None:
    values = dict(zip(("w", "h", "angle"), box, strict=True))
    tags = "".join(f"<{k}>{v}</{k}>" for k, v in ({"cx": 50, "cy": 40} | values).items())
    (tmp_path / "c_1.xml").write_text(
        "<annotation><size><width>120</width><height>90</height></size>"
        f"<object><robndbox>{tags}</robndbox></object></annotation>"
    )
    people = wepdtof.read(tmp_path / "c_1.xml").datasets["all"].people
    found = people[["rotated_w", "rotated_h", "rotated_angle"]].to_numpy()[0]
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (make_content(person={"image_id": "b"}), r"annotations\[0\]: image 'b' is not in 'images'"),
        (make_content(person={"image_id": ...}), "'image_id' is neither"),
        (make_content(person={"bbox": [1, 2, 3, 4]}), "4 numbers, not 5 .*--from coco"),
        (make_content(person={"person_id": 1.5}), "'person_id' holds 1.5, .* whole number"),
        (make_content(image={"width": "wide"}), "'width' is 'wide'"),
        (make_content(image={"file_name": ...}), "'file_name' is not"),
        ({"images": []}, "'annotations' is missing"),
        ([{"img_name": "a", "bboxes": [BOX], "id": []}], r"\[0\] \(a\): 'id' is no list as long"),
        ([{"img_name": "a", "bboxes": [[1]], "id": [1]}], "1 numbers instead of 5"),
        ([{"img_name": "a", "bboxes": []}] * 2, "'a' is listed twice"),
        ([3], r"\[0\]: is no object"),
        (5, "'images' is missing"),
    ],
    ids=str,
)
def test_broken_content(tmp_path: Path, content: Any, error: str) -> None:
    with pytest.raises(InputError, match=error) as raised:
        wepdtof.read(write(tmp_path, a=content))
    assert "a.json" in str(raised.value)


def test_tracks_that_are_named_are_numbered(tmp_path: Path) -> None:
    write_image(tmp_path / "a" / "a_000001.jpg")
    content = make_content(person={"person_id": "p7"})
    first = content["annotations"][0]
    content["annotations"] += [{**first, "person_id": "p2"}, {**first, "bbox": [1, 2, 3, 4, 5]}]
    reading = wepdtof.read(write(tmp_path, a=content))
    assert reading.datasets["all"].people["track_id"].tolist() == [1, 2, 1]
    assert reading.left_out[TRACKS_NUMBERED] == 3
    whole = wepdtof.read(write(tmp_path / "b", a=make_content(person={"person_id": "12"})))
    assert whole.datasets["all"].people["track_id"].tolist() == [12]


def test_categories_of_the_list_and_of_the_boxes_may_count_from_elsewhere(tmp_path: Path) -> None:
    content = make_content(person={"category_id": 0})
    content["categories"] = [{"id": 1, "name": "person"}]
    reading = wepdtof.read(write(tmp_path / "a", a=content))
    assert len(reading.datasets["all"]) == reading.left_out[CATEGORY_UNLISTED] == 1
    content["categories"].append({"id": 2, "name": "chair"})
    content["annotations"] += [{**content["annotations"][0], "category_id": 1}]
    with pytest.raises(InputError, match="of the categories 0, 1, but 'categories' lists 1, 2"):
        wepdtof.read(write(tmp_path / "b", a=content))


def test_two_sequences_that_number_their_frames_alike(tmp_path: Path) -> None:
    same = {"id": 0, "file_name": "000001.jpg"}
    content = make_content(image=same, person={"image_id": 0})
    other = make_content(image=same, person={"image_id": 0, "person_id": 8})
    for name in ("A", "B"):
        write_image(tmp_path / name / "000001.jpg")
    reading = wepdtof.read(write(tmp_path, A=content, B=other))
    dataset = reading.datasets["all"]
    assert dataset.frames["id"].tolist() == ["A/0", "B/0"]
    assert dataset.frames["file_name"].tolist() == ["A/000001.jpg", "B/000001.jpg"]
    assert dataset.people[["frame_id", "track_id"]].values.tolist() == [["A/0", 3], ["B/0", 8]]
    assert reading.left_out["image ids that several sequences have (written as sequence/id)"] == 2


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no annotation files"):
        wepdtof.read(tmp_path)
