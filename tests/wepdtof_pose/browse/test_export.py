"""The way back: what was corrected in FiftyOne, in a file."""

import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.browse import fields, opening
from wepdtof_pose.browse.corrections import corrections
from wepdtof_pose.browse.export import export_corrections
from wepdtof_pose.browse.opening import open_dataset
from wepdtof_pose.browse.storage import insert
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.splits.hold_out import read_subset

pytestmark = pytest.mark.fiftyone


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample_folder(), tmp_path / "data"))


def written(fiftyone: Any, data: Path, **options: Any) -> Any:
    out = data.parent / "out.json"
    export_corrections(fiftyone, data, out, **{"split": None, "tag": None, **options})
    return read_json(out)


def original(data: Path) -> Any:
    return read_json(data / "annotations" / "person_keypoints.json")


def test_corrected_poses_keep_all_that_was_not_touched(fiftyone: Any, data: Path) -> None:
    dataset = open_dataset(fiftyone, data)
    frame = dataset.first()
    size = np.array([frame.metadata.width, frame.metadata.height])
    moved, hidden, gone = frame.keypoints.keypoints[:3]
    moved.points[0] = (np.array([100, 50]) / size).tolist()
    hidden.visibility[4] = 1
    gone.points[5] = [float("nan"), float("nan")]
    frame.boxes.detections[0].bounding_box = [0.25, 0.25, 0.5, 0.5]
    frame.save()

    content, before = written(fiftyone, data), original(data)
    expected = {annotation["id"]: annotation for annotation in before["annotations"]}
    expected[moved.person]["keypoints"][:2] = [100, 50]
    expected[moved.person]["bbox"] = [*(0.25 * size), *(0.5 * size)]
    expected[hidden.person]["keypoints"][14] = 1
    expected[gone.person]["keypoints"][15:18] = [0, 0, 0]
    expected[gone.person]["num_keypoints"] -= 1
    assert content == before
    # It can be read again, and is another data set.
    out = load_dataset(data.parent / "out.json")["all"]
    assert out.content_hash() != load_dataset(data)["all"].content_hash()


def test_people_deleted_and_added(fiftyone: Any, data: Path) -> None:
    dataset = open_dataset(fiftyone, data)
    frame = dataset.first()
    size = np.array([frame.metadata.width, frame.metadata.height])
    deleted = frame.keypoints.keypoints.pop(0)
    frame.boxes.detections = frame.boxes.detections[1:]
    points = np.full((14, 2), np.nan)
    points[3:5] = np.array([[10, 20], [40, 80]]) / size
    frame.keypoints.keypoints.append(
        fiftyone.Keypoint(label="person", points=points.tolist(), tags=["new"])
    )
    frame.save()

    before, content = original(data), written(fiftyone, data)
    kept = [entry for entry in before["annotations"] if entry["id"] != deleted.person]
    assert content["annotations"][:-1] == kept
    added = content["annotations"][-1]
    assert added["id"] == 1 + max(annotation["id"] for annotation in before["annotations"])
    assert added["image_id"] == frame.frame_id
    assert added["bbox"] == [10, 20, 30, 60]
    assert added["keypoints"] == [0] * 9 + [10, 20, 2, 40, 80, 2] + [0] * 27
    assert (added["num_keypoints"], added["tags"]) == (2, ["new"])


def test_tags_of_frames_and_people_come_back_and_are_read_again(fiftyone: Any, data: Path) -> None:
    dataset = open_dataset(fiftyone, data)
    frame = dataset.first()
    frame.tags.append("blurred")
    frame.keypoints.keypoints[0].tags.append("wrong side")
    frame.boxes.detections[1].tags.append("too large")
    frame.save()
    people = [label.person for label in frame.keypoints.keypoints[:2]]
    content = written(fiftyone, data)
    assert [image.get("tags") for image in content["images"]].count(["blurred"]) == 1
    tags = {a["id"]: a["tags"] for a in content["annotations"] if "tags" in a}
    assert tags == {people[0]: ["wrong side"], people[1]: ["too large"]}

    (data.parent / "images").symlink_to(data / "images")
    again = open_dataset(fiftyone, data.parent / "out.json")
    assert len(again.match_tags("blurred")) == 1
    assert again.count_label_tags("keypoints") == {"wrong side": 1, "too large": 1}
    export_corrections(
        fiftyone, data.parent / "out.json", data.parent / "twice.json", split=None, tag=None
    )
    assert read_json(data.parent / "twice.json") == content


def test_numbers_of_many_digits_come_back_untouched(fiftyone: Any, data: Path) -> None:
    content = original(data)
    for number, annotation in enumerate(content["annotations"]):
        annotation["keypoints"][0] = 12.34567 + number
    content["images"][0]["tags"] = "night"
    write_json(data / "annotations" / "person_keypoints.json", content)
    dataset = open_dataset(fiftyone, data)
    assert corrections(dataset) == 0
    assert "n" not in dataset.count_sample_tags()
    assert written(fiftyone, data) == content


def test_annotations_that_are_no_people_are_said_to_be_missing(
    fiftyone: Any, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = original(data)
    content = original(data)
    content["categories"].append({"id": 2, "name": "car"})
    content["annotations"].append({**content["annotations"][0], "id": 900, "category_id": 2})
    write_json(data / "annotations" / "person_keypoints.json", content)
    open_dataset(fiftyone, data)
    assert written(fiftyone, data) == before
    assert "1 annotation of other categories than people's in" in capsys.readouterr().err


def test_a_frame_that_was_deleted_is_a_correction(fiftyone: Any, data: Path) -> None:
    dataset = open_dataset(fiftyone, data)
    dataset.delete_samples([dataset.first().id])
    assert corrections(dataset) == 1
    assert len(written(fiftyone, data)["images"]) == len(original(data)["images"]) - 1


def test_an_import_that_was_cut_short_is_not_exported(
    fiftyone: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(dataset: Any, documents: Any) -> None:
        insert(dataset, islice(documents, 2))
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "insert", half)
    with pytest.raises(KeyboardInterrupt):
        open_dataset(fiftyone, data)
    with pytest.raises(InputError, match="was cut short"):
        written(fiftyone, data)
    monkeypatch.undo()
    open_dataset(fiftyone, data)
    assert written(fiftyone, data) == original(data)


def test_a_tag_as_a_label_list(fiftyone: Any, data: Path) -> None:
    dataset = open_dataset(fiftyone, data)
    frame = dataset.first()
    chosen = frame.keypoints.keypoints[2]
    chosen.tags.append("label me")
    frame.save()
    whole = dataset.match({"frame_id": {"$ne": frame.frame_id}}).first()
    whole.tags.append("label me")
    whole.save()
    record = written(fiftyone, data, tag="label me")
    expected = {chosen.person, *(label.person for label in whole.keypoints.keypoints)}
    assert set(record["person_ids"]) == expected
    assert record["order"] == "tag label me"
    people = load_dataset(data)["all"]
    rows = read_subset(data.parent / "out.json", people)
    assert set(people.people["id"].iloc[rows]) == expected


def test_no_label_list_of_a_file_that_has_changed(fiftyone: Any, data: Path) -> None:
    dataset = open_dataset(fiftyone, data)
    frame = dataset.first()
    frame.right_side.keypoints[0].tags.append("label me")
    frame.save()
    person = frame.right_side.keypoints[0].person
    content = original(data)
    content["annotations"][0]["id"], content["annotations"][1]["id"] = (
        content["annotations"][i]["id"] for i in (1, 0)
    )
    write_json(data / "annotations" / "person_keypoints.json", content)
    with pytest.raises(InputError, match="has changed since it was imported"):
        written(fiftyone, data, tag="label me")
    assert not (data.parent / "out.json").exists()
    kept = [a["id"] for a in written(fiftyone, data)["annotations"] if "tags" in a]
    assert kept == [person]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tag": "nothing"}, "nobody has the tag 'nothing'"),
        ({"split": "val"}, "has no split 'val', only all"),
    ],
)
def test_refused(fiftyone: Any, data: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match="was not opened"):
        written(fiftyone, data)
    open_dataset(fiftyone, data)
    with pytest.raises(InputError, match=message):
        written(fiftyone, data, **options)
    file = data / "annotations" / "person_keypoints.json"
    with pytest.raises(InputError, match="is the file that is read"):
        export_corrections(fiftyone, data, file, split=None, tag=None)


@pytest.mark.parametrize("tag", [None, "label me"])
def test_only_its_own_earlier_exports_are_written_over(
    fiftyone: Any, data: Path, tag: str | None
) -> None:
    for reload in (False, False, True):
        frame = open_dataset(fiftyone, data, reload=reload).first()
        frame.tags.append("label me")
        frame.save()
        again = written(fiftyone, data, tag=tag)
    again["by hand"] = True
    others = {
        "settings.json": {"a": 1},
        "another_set.json": original(data),
        "another_list.json": {"person_ids": [1]},
        "out.json": again,
    }
    for name, content in others.items():
        other = data.parent / name
        write_json(other, content)
        with pytest.raises(InputError, match=f"{name}: is there already and is no earlier export"):
            export_corrections(fiftyone, data, other, split=None, tag=tag)
        assert read_json(other) == content


def test_an_export_of_an_earlier_version_is_moved_away(fiftyone: Any, data: Path) -> None:
    dataset = open_dataset(fiftyone, data)
    content = written(fiftyone, data)
    # Earlier versions did not note what they exported.
    dataset.reload()
    del dataset.info[fields.INFO]["exports"]
    dataset.save()
    with pytest.raises(InputError, match=r"an earlier version wrote is not recognised\): move it"):
        written(fiftyone, data)
    out = data.parent / "out.json"
    out.rename(data.parent / "before.json")
    assert written(fiftyone, data) == content
    assert written(fiftyone, data) == content


def test_a_split_of_several(fiftyone: Any, realdata_dir: Path, tmp_path: Path) -> None:
    path, out = realdata_dir / "tiny_coco", tmp_path / "val.json"
    open_dataset(fiftyone, path)
    with pytest.raises(InputError, match=r"several splits \(train, val\)"):
        export_corrections(fiftyone, path, out, split=None, tag=None)
    assert export_corrections(fiftyone, path, out, split="val", tag=None) == 127
    assert read_json(out) == read_json(path / "annotations" / "person_keypoints_val2017.json")
