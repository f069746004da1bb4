"""Images of tested people are found among those to learn from, whatever they are called there."""

import shutil

import pytest

from sspcm.config import DataConfig
from sspcm.data.overlap import KnownImages
from sspcm.data.sets import make_sets
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json


def test_an_image_is_known_by_its_place_and_by_its_content(tmp_path):
    head = b"the same beginning" * 500
    for name, content in (("a", head + b"1"), ("b", head + b"2"), ("c", b"1" + head), ("e", b"")):
        (tmp_path / name).write_bytes(content)
    shutil.copy(tmp_path / "a", tmp_path / "copy")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    known = KnownImages([tmp_path / "a", tmp_path / "b", tmp_path / "gone", tmp_path / "e"])
    found = {name: known.same_as(tmp_path / name) for name in ("copy", "link", "c", "no", "e")}
    assert found == {
        "copy": tmp_path / "a",
        "link": tmp_path / "b",
        "c": None,
        "no": None,
        "e": tmp_path / "e",
    }
    (tmp_path / "other e").write_bytes(b"")
    assert known.same_as(tmp_path / "other e") is None
    assert known.same_as(tmp_path / "gone") == tmp_path / "gone"


@pytest.fixture
def parted(tiny_fisheye, tmp_path):
    """Writes a data set of these people for training and testing, with images of its own."""

    def write(**splits):
        content = read_json(tiny_fisheye / "annotations" / "person_keypoints.json")
        for split, chosen in splits.items():
            people = [one for one in content["annotations"] if chosen(one)]
            images = {one["image_id"] for one in people}
            rows = [dict(image) for image in content["images"] if image["id"] in images]
            for image in rows:
                name = f"{split}_{image['id']}.jpg"
                target = tmp_path / "data" / "images" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(tiny_fisheye / "images" / image["file_name"], target)
                image["file_name"] = name
            file = tmp_path / "data" / "annotations" / f"person_keypoints_{split}.json"
            write_json(file, content | {"images": rows, "annotations": people})
        return str(tmp_path / "data")

    return write


def test_people_on_copies_of_tested_images_are_not_learned_from(parted):
    path = parted(train=lambda one: one["image_id"] <= 6, val=lambda one: one["image_id"] in (5, 9))
    sets = make_sets(DataConfig(path=path, labels="all"))
    assert set(sets.train.frames["file_name"]) == {
        f"train_{number}.jpg" for number in (1, 2, 3, 4, 6)
    }
    left = sets.left_out["training split: on an image of tested people"]
    assert left > 0
    assert "1 image of tested people among those to learn from" in sets.shared
    assert "train_5.jpg is the file the tested" in sets.shared
    assert sets.record.people_train == len(sets.train)


def test_training_and_test_side_with_the_same_images_are_refused(parted):
    path = parted(train=lambda one: True, val=lambda one: True)
    with pytest.raises(InputError, match=r"nobody to train on: .* images of tested people among"):
        make_sets(DataConfig(path=path, labels="all"))


def test_a_list_of_labelled_people_on_tested_images_is_refused(parted, tmp_path):
    from wepdtof_pose.formats.loading import load_dataset
    from wepdtof_pose.splits.hold_out import subset_record

    path = parted(train=lambda one: one["image_id"] <= 6, val=lambda one: one["image_id"] == 5)
    train = load_dataset(path)["train"]
    rows = (train.people["frame_id"] == 5).to_numpy().nonzero()[0]
    file = tmp_path / "labelled.json"
    write_json(file, subset_record(train, rows, labels="", order="", seed=None))
    with pytest.raises(InputError, match="on images of tested people"):
        make_sets(DataConfig(path=path, labels=str(file)))


def test_a_pool_of_the_same_images_loses_the_tested_people(tiny_fisheye):
    path = str(tiny_fisheye)
    sets = make_sets(DataConfig(path=path, labels="8", unlabelled=path, unlabelled_boxes=True))
    assert len(sets.unlabelled) == 48 - len(sets.tested)
    assert sets.left_out == {"pool: on an image of tested people": len(sets.tested)}
    assert "that is tested" in sets.shared
    tested = {str((sets.test.root / name).resolve()) for name in sets.test.frames["file_name"]}
    learned = {str(sets.train.root / name) for name in sets.train.frames["file_name"]}
    assert not tested & learned
