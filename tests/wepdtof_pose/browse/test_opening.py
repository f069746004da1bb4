"""A data set in FiftyOne: what is in it, when it is imported again, and what comes back."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.browse.corrections import corrected_content, corrections
from wepdtof_pose.browse.opening import dataset_name, open_dataset
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.geometry import rotated_box_corners
from wepdtof_pose.statistics.measures import person_measures

pytestmark = pytest.mark.fiftyone


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the sample that a test may change."""
    return Path(shutil.copytree(sample_folder(), tmp_path / "my sample ä"))


def annotation_file(data: Path) -> Path:
    return data / "annotations" / "person_keypoints.json"


def test_a_frame_has_its_people(fiftyone: Any, sample: PoseDataset) -> None:
    dataset = open_dataset(fiftyone, sample_folder())
    assert (len(dataset), dataset.persistent, dataset.media_type) == (6, True, "image")
    frame = dataset.match({"frame_id": int(sample.frames["id"].iloc[0])}).first()
    assert Path(frame.filepath) == sample.root / sample.frames["file_name"].iloc[0]
    rows = np.flatnonzero(sample.frame_rows == 0)
    assert (frame.scene, frame.split) == (sample.frames["scene"].iloc[0], "all")
    assert frame.people == len(rows)
    size = sample.frames[["width", "height"]].to_numpy()[0]
    assert (frame.metadata.width, frame.metadata.height) == tuple(size)
    measures = person_measures(sample)
    for row, pose, box, rotated in zip(
        rows,
        frame.keypoints.keypoints,
        frame.boxes.detections,
        frame.rotated_boxes.polylines,
        strict=True,
    ):
        keypoints = sample.keypoints[row].astype(float)
        assert pose.visibility == keypoints[:, 2].tolist()
        assert pose.person == sample.people["id"].iloc[row]
        assert pose.track_id == pose.index == sample.people["track_id"].iloc[row]
        assert pose.radius == pytest.approx(measures["radius"].iloc[row])
        assert pose.turn == pytest.approx(measures["turn"].iloc[row])
        np.testing.assert_allclose(np.array(pose.points) * size, keypoints[:, :2], atol=1e-9)
        np.testing.assert_allclose(np.array(box.bounding_box) * [*size, *size], sample.boxes[row])
        turned = sample.people.iloc[row][[c for c in sample.people if c.startswith("rotated_")]]
        corners = rotated_box_corners(turned.to_numpy(dtype=float))
        np.testing.assert_allclose(np.array(rotated.points[0]) * size, corners, atol=1e-9)
    assert frame.joints_hidden == (sample.keypoints[rows, :, 2] == 1).sum()
    assert frame.largest_radius == pytest.approx(measures["radius"].iloc[rows].max())


def test_skeletons_and_sides(fiftyone: Any, sample: PoseDataset) -> None:
    dataset = open_dataset(fiftyone, sample_folder())
    joints = sample.keypoint_set
    assert dataset.default_skeleton.labels == list(joints.joints)
    assert dataset.default_skeleton.edges == [list(edge) for edge in joints.skeleton]
    right = dataset.skeletons["right_side"].edges
    assert [0, 1] in right
    assert all(joints.joints[end].startswith("right_") for edge in right for end in edge)
    assert dataset.skeletons["hidden"].edges == []
    colors = {
        entry["path"]: entry["fieldColor"] for entry in dataset.app_config.color_scheme.fields
    }
    assert colors["right_side"] == "#d55e00"
    assert colors["left_side"] == "#56b4e9"
    frame = dataset.first()
    pose, left = frame.keypoints.keypoints[0], frame.left_side.keypoints[0]
    for name, whole, own in zip(joints.joints, pose.points, left.points, strict=True):
        if name.startswith("left_"):
            assert own == whole
        else:
            assert np.isnan(own).all()


def test_joints_without_label_are_nan(
    fiftyone: Any, make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    source = make_dataset((1, 2))
    dataset = open_dataset(fiftyone, write_folder(tmp_path / "data", person_keypoints=source))
    pose = dataset.first().keypoints.keypoints[0]
    assert np.isnan(pose.points[2]).all()
    assert pose.visibility[1:3] == [1, 0]
    hidden = dataset.first().hidden.keypoints[0]
    assert [not np.isnan(point).any() for point in hidden.points].index(True) == 1
    assert np.isfinite(hidden.points).all(axis=1).sum() == 1


def test_saved_views_filter(fiftyone: Any, sample: PoseDataset) -> None:
    dataset = open_dataset(fiftyone, sample_folder())
    names = {"crowded", "near the rim", "many hidden joints", "findings"}
    assert names | {"scene scene_0002", "scene scene_0005"} <= set(dataset.list_saved_views())
    assert set(dataset.load_saved_view("scene scene_0002").values("scene")) == {"scene_0002"}
    radius = person_measures(sample)["radius"].groupby(sample.frame_rows).max()
    rim = dataset.load_saved_view("near the rim")
    assert len(rim) == (radius >= 0.75).sum() > 0
    assert rim.values("largest_radius") == sorted(rim.values("largest_radius"), reverse=True)
    assert len(dataset.load_saved_view("findings")) == 0


def test_findings_are_tags(fiftyone: Any, data: Path) -> None:
    content = read_json(annotation_file(data))
    content["annotations"][3]["area"] = 0
    write_json(annotation_file(data), content)
    dataset = open_dataset(fiftyone, data)
    (frame,) = dataset.match_tags("area-not-positive")
    (pose,) = [pose for pose in frame.keypoints.keypoints if pose.tags]
    assert (pose.row, pose.tags) == (3, ["area-not-positive"])
    assert dataset.load_saved_view("findings").values("id") == [frame.id]
    # They are not the person's own tags.
    assert corrected_content(dataset, "all") == content


def test_imported_once_and_again_where_the_file_changed(fiftyone: Any, data: Path) -> None:
    first = open_dataset(fiftyone, data)
    identity = first._doc.id
    assert open_dataset(fiftyone, data)._doc.id == identity
    content = read_json(annotation_file(data))
    content["annotations"][0]["keypoints"][0] += 5
    write_json(annotation_file(data), content)
    again = open_dataset(fiftyone, data)
    assert again._doc.id != identity
    assert corrected_content(again, "all") == content
    assert open_dataset(fiftyone, data, reload=True)._doc.id != again._doc.id


def test_corrections_are_not_lost_where_the_file_changed(fiftyone: Any, data: Path) -> None:
    dataset = open_dataset(fiftyone, data)
    frame = dataset.first()
    frame.keypoints.keypoints[0].points[0] = [0.5, 0.5]
    frame.save()
    assert corrections(dataset) == 1
    annotation_file(data).write_text(annotation_file(data).read_text() + "\n")
    with pytest.raises(InputError, match="has changed since it was imported, and 1 of the"):
        open_dataset(fiftyone, data)
    assert corrections(open_dataset(fiftyone, data, reload=True)) == 0


def test_the_sample_comes_back_exactly(fiftyone: Any) -> None:
    dataset = open_dataset(fiftyone, sample_folder())
    assert corrected_content(dataset, "all") == read_json(annotation_file(sample_folder()))
    assert corrections(dataset) == 0


@pytest.mark.parametrize("split", ["train", "val"])
def test_coco_comes_back_exactly(fiftyone: Any, realdata_dir: Path, split: str) -> None:
    dataset = open_dataset(fiftyone, realdata_dir / "tiny_coco")
    assert sorted(dataset.distinct("split")) == ["train", "val"]
    assert {"split train", "split val"} <= set(dataset.list_saved_views())
    file = realdata_dir / "tiny_coco" / "annotations" / f"person_keypoints_{split}2017.json"
    assert corrected_content(dataset, split) == read_json(file)


def test_what_fiftyone_holds_gives_the_numbers_of_the_file(
    fiftyone: Any, realdata_dir: Path
) -> None:
    """Without the copy of the file's part: from points, visibility and boxes alone."""
    dataset = open_dataset(fiftyone, realdata_dir / "tiny_coco")
    file = realdata_dir / "tiny_coco" / "annotations" / "person_keypoints_val2017.json"
    people = {annotation["id"]: annotation for annotation in read_json(file)["annotations"]}
    seen = set()
    for frame in dataset.match({"split": "val"}):
        size = np.array([frame.metadata.width, frame.metadata.height])
        for pose, box in zip(frame.keypoints.keypoints, frame.boxes.detections, strict=True):
            expected = np.array(people[pose.person]["keypoints"], dtype=float).reshape(-1, 3)
            assert pose.visibility == expected[:, 2].tolist()
            points = np.nan_to_num(np.array(pose.points) * size)
            np.testing.assert_allclose(points, expected[:, :2], atol=1e-9)
            pixels = np.array(box.bounding_box) * [*size, *size]
            np.testing.assert_allclose(pixels, people[pose.person]["bbox"], atol=1e-9)
            seen.add(pose.person)
    assert seen == people.keys()


def test_more_people_on_a_frame_than_the_database_holds_are_one_line(
    fiftyone: Any, data: Path
) -> None:
    content = read_json(annotation_file(data))
    person, image = content["annotations"][0], content["images"][0]["id"]
    content["annotations"] = [
        {**person, "id": number, "image_id": image} for number in range(1, 8001)
    ]
    write_json(annotation_file(data), content)
    with pytest.raises(InputError, match=r"its 8000 people are \d+ MB, and .* holds 16 MB a frame"):
        open_dataset(fiftyone, data)


def test_ten_thousand_people_take_less_than_a_minute(
    fiftyone: Any, sample: PoseDataset, tmp_path: Path
) -> None:
    content = read_json(annotation_file(sample_folder()))
    images, people = content["images"], content["annotations"]
    content["images"] = [
        {**images[row % 6], "id": row + 1, "file_name": f"{row}.jpg"} for row in range(1000)
    ]
    content["annotations"] = [
        {**people[row % 60], "id": row + 1, "image_id": row // 10 + 1} for row in range(10_000)
    ]
    write_json(tmp_path / "data" / "annotations" / "person_keypoints.json", content)
    (tmp_path / "data" / "images").mkdir()
    for row in range(1000):
        original = sample.root / images[row % 6]["file_name"]
        (tmp_path / "data" / "images" / f"{row}.jpg").symlink_to(original)
    start = time.perf_counter()
    dataset = open_dataset(fiftyone, tmp_path / "data")
    assert time.perf_counter() - start < 60
    assert sum(dataset.values("people")) == 10_000


def test_ids_that_are_texts(fiftyone: Any, data: Path) -> None:
    content = read_json(annotation_file(data))
    content["images"][0]["id"] = "Lunch3_000001"
    for annotation in content["annotations"]:
        if annotation["image_id"] == 6:
            annotation["image_id"] = "Lunch3_000001"
    write_json(annotation_file(data), content)
    dataset = open_dataset(fiftyone, data)
    assert "Lunch3_000001" in dataset.values("frame_id")
    assert corrected_content(dataset, "all") == content


def test_ids_that_the_database_has_no_numbers_for(fiftyone: Any, data: Path) -> None:
    file = data / "annotations" / "person_keypoints.json"
    content = read_json(file)
    content["annotations"][0]["id"] = 2**63
    write_json(file, content)
    dataset = open_dataset(fiftyone, data)
    assert str(2**63) in dataset.values("keypoints.keypoints.person", unwind=True)


def test_scenes_whose_names_fiftyone_takes_for_one_have_views_each(
    fiftyone: Any, data: Path
) -> None:
    file = data / "annotations" / "person_keypoints.json"
    content = read_json(file)
    for image, scene in zip(
        content["images"], ("hall 1", "hall-1", "大厅", "办公室"), strict=False
    ):
        image["scene"] = scene
    write_json(file, content)
    dataset = open_dataset(fiftyone, data)
    views = [view for view in dataset.list_saved_views() if view.startswith("scene ")]
    assert len(views) == len(dataset.distinct("scene")) >= 4


def test_images_that_are_not_there(
    fiftyone: Any, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = data / "images" / "scene_0002"
    shutil.rmtree(scene)
    assert len(open_dataset(fiftyone, data)) == 6
    assert "3 of 6 images are not there" in capsys.readouterr().err
    shutil.rmtree(data / "images")
    with pytest.raises(InputError, match="6 of 6 images are not there"):
        open_dataset(fiftyone, data, reload=True)


def test_names_are_of_the_path() -> None:
    first, second = dataset_name(Path("one/data ü")), dataset_name(Path("two/data ü"))
    assert first != second
    assert first.startswith("data-")
    assert json.dumps(first).isascii()


def test_a_folder_whose_name_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="its name is not UTF-8: rename it"):
        dataset_name(Path("data" + chr(0xDCFF)))
