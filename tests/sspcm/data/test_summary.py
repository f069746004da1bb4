"""What a run says before it starts, and what it refuses to start with."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sspcm.config import TrainConfig
from sspcm.config_io import load_config
from sspcm.data.sets import make_sets
from sspcm.data.summary import summarise, summary_lines
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json


@pytest.fixture
def changed(tiny_fisheye, tmp_path):
    """Writes the tiny set with its content changed by a function, and gives a configuration."""

    def write(by, **settings):
        content = read_json(tiny_fisheye / "annotations" / "person_keypoints.json")
        by(content)
        write_json(tmp_path / "data" / "annotations" / "person_keypoints.json", content)
        (tmp_path / "data" / "images").symlink_to(tiny_fisheye / "images")
        more = {key.replace("__", "."): value for key, value in settings.items()}
        return load_config(
            overrides={"data.path": str(tmp_path / "data"), "data.labels": "all", **more}
        )

    return write


def summary_of(config: TrainConfig):
    return summarise(config, make_sets(config.data))


def test_the_counts_of_a_sound_data_set_have_no_doubts(changed):
    found = summary_of(changed(lambda content: None))
    assert found.labelled == found.pool
    assert found.labelled + found.test == 48
    assert (found.left_out, found.shared_images, found.findings) == ({}, "", {})
    assert found.joints_in_crops["labelled"] > 0.95
    assert found.doubts == []
    assert list(summary_lines(found)) == [
        f"{found.labelled} labelled people, {found.pool} in the unlabelled pool, "
        f"{found.test} to test on"
    ]


def test_what_the_reader_left_out_or_derived_is_said_apart(changed):
    def another_category(content):
        content["categories"].append({"id": 7, "name": "dog"})
        first = content["annotations"][0]
        content["annotations"].append({**first, "id": 9999, "category_id": 7})
        del first["bbox"]

    found = summary_of(changed(another_category))
    assert found.reading == {
        "annotations of category 'dog'": 1,
        "boxes that are the extent of the joints": 1,
    }
    assert list(summary_lines(found))[1] == (
        "on reading left out: 1 annotation of category 'dog'; "
        "derived: 1 box that is the extent of the joints"
    )


def test_people_without_area_are_counted_and_named(changed):
    def half(content):
        for person in content["annotations"][::2]:
            person["area"] = 0

    found = summary_of(changed(half))
    assert found.labelled + found.test == 24
    assert sum(found.left_out.values()) == 24
    lines = list(summary_lines(found))
    assert lines[1].endswith(" (test split: area 0)")
    assert "24 area-not-positive" in lines[-1]
    assert "wepdtof-pose validate" in lines[-1]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [("area", 0, r"48 \(area 0\)"), ("iscrowd", 1, r"48 \(crowds\)")],
)
def test_nobody_usable_says_why(changed, field, value, reason):
    def everybody(content):
        for person in content["annotations"]:
            person[field] = value

    with pytest.raises(InputError, match=f"48 of 48 people cannot be used: {reason}"):
        make_sets(changed(everybody).data)


def test_a_test_split_without_people_says_so(changed):
    config = changed(lambda content: None)
    folder = Path(config.data.path) / "annotations"
    content = read_json(folder / "person_keypoints.json")
    (folder / "person_keypoints.json").rename(folder / "person_keypoints_train.json")
    write_json(folder / "person_keypoints_val.json", {**content, "annotations": []})
    count = len(content["images"])
    with pytest.raises(InputError, match=rf"test on \(nobody is annotated on its {count} images\)"):
        make_sets(config.data)


def test_a_pool_that_nobody_learns_from_is_said(changed, tiny_fisheye):
    pool = {"data__unlabelled": str(tiny_fisheye / "images"), "data__unlabelled_boxes": True}
    config = changed(lambda content: None, **pool, method__name="supervised")
    assert any("data.unlabelled are not used" in doubt for doubt in summary_of(config).doubts)
    config = replace(config, method=replace(config.method, name="sspcm"))
    assert not any("data.unlabelled are" in doubt for doubt in summary_of(config).doubts)


def test_people_with_a_box_alone_name_the_option(changed):
    def quarter(content):
        for number, person in enumerate(content["annotations"]):
            if number % 4:
                person["keypoints"] = [0] * len(person["keypoints"])

    config = changed(quarter)
    found = summary_of(config)
    (doubt,) = (text for text in found.doubts if "data.unlabelled_boxes=true" in text)
    only = found.left_out["training split: a box and no labelled joint"]
    assert doubt.startswith(f"{only} people of the training split have a box")
    more = load_config(
        overrides={
            "data.path": config.data.path,
            "data.labels": "all",
            "data.unlabelled_boxes": True,
        }
    )
    taken = summary_of(more)
    assert taken.pool == found.labelled + only
    assert not any("data.unlabelled_boxes" in text for text in taken.doubts)


def test_images_of_a_pool_that_cannot_be_read_are_in_the_record(changed, tiny_fisheye, tmp_path):
    shutil.copytree(tiny_fisheye / "images", tmp_path / "photos")
    broken = [tmp_path / "photos" / f"broken_{number}.jpg" for number in range(7)]
    for file in broken:
        file.write_bytes(b"\xff\xd8")
    pool = {"data__unlabelled": str(tmp_path / "photos"), "data__unlabelled_boxes": True}
    found = summary_of(changed(lambda content: None, **pool))
    assert found.reading == {"images that cannot be read": 7}
    assert [line.partition(": ")[0] for line in found.unread] == list(map(str, broken))
    lines = list(summary_lines(found))
    assert lines[2:9] == [
        "on reading left out: 7 images that cannot be read",
        *(f"not wholly read: {line}" for line in found.unread[:5]),
        "7 inputs were not wholly read: all of them are named in result.json",
    ]


@pytest.mark.parametrize("change", ["joints", "boxes"])
def test_joints_outside_of_their_crops_are_refused(changed, change):
    def elsewhere(content):
        for person in content["annotations"]:
            if change == "joints":
                numbers = person["keypoints"]
                person["keypoints"] = [
                    value if place % 3 == 2 else value / 16 for place, value in enumerate(numbers)
                ]
            else:
                person["bbox"] = [*person["bbox"][:2], 2, 2]
                person.pop("rotated_box", None)

    with pytest.raises(InputError, match=r"% of the joints of labelled people lie in the crops"):
        summary_of(changed(elsewhere))


def test_unpaired_joints_and_unreached_milestones_are_doubts(changed):
    def rename(content):
        names = content["categories"][0]["keypoints"]
        content["categories"][0] = {
            "id": content["categories"][0]["id"],
            "name": "mouse",
            "keypoints": [
                name.replace("left_", "left").replace("right_", "right") for name in names
            ],
        }

    config = changed(rename, optimisation__epochs=80)
    found = summary_of(config)
    assert "leftshoulder" in found.joints_without_partner
    assert any("no partner in a mirror" in doubt for doubt in found.doubts)
    assert any("does not drop at 90, as the run has 80 epochs" in doubt for doubt in found.doubts)
    never = {"easy_view.flip_probability": 0.0, "evaluation.flip_test": False}
    plain = load_config(overrides={"data.path": config.data.path, "data.labels": "all", **never})
    assert not any("mirror" in doubt for doubt in summary_of(plain).doubts)


def test_joints_that_nobody_labelled_has_are_a_doubt(changed):
    def without_necks(content):
        neck = content["categories"][0]["keypoints"].index("neck")
        for person in content["annotations"][:10]:
            person["keypoints"][3 * neck : 3 * neck + 3] = [0, 0, 0]
            person["num_keypoints"] = sum(v > 0 for v in person["keypoints"][2::3])

    expected = ["no labelled person has neck: the networks cannot learn where that is"]
    few = changed(without_necks, data__labels="3")
    assert summary_of(few).doubts == expected
    assert summary_of(replace(few, data=replace(few.data, labels="all"))).doubts == []
