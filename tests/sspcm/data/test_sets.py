"""What is labelled, what is the pool, what is tested on; and two data sets with other joints."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from sspcm.assembly import labelled_joints
from sspcm.config import DataConfig, TrainConfig
from sspcm.data.pool import unlabelled_people
from sspcm.data.sets import make_sets, pool_people
from sspcm.inference.evaluate import load_test_people
from wepdtof_pose.commands.main import main as toolkit
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import write_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.splits.hold_out import hold_out, subset_record


def config(data, **values):
    return DataConfig(path=str(data), labels=values.pop("labels", "8"), **values)


@pytest.fixture(scope="module")
def mpii_copy(tiny_fisheye, tmp_path_factory):
    """The tiny set with the joints of MPII, frames and images as they are."""
    folder = tmp_path_factory.mktemp("mpii")
    whole = load_dataset(tiny_fisheye)["all"]
    path = folder / "annotations" / "person_keypoints.json"
    coco.write(whole.with_keypoint_set(get_keypoint_set("mpii-16")), path)
    (folder / "images").symlink_to(whole.root, target_is_directory=True)
    return folder


def test_the_pool_is_all_training_people_labelled_ones_included(tiny_fisheye):
    sets = make_sets(config(tiny_fisheye))
    assert len(sets.labelled) == 8
    assert sets.unlabelled.tolist() == list(range(len(sets.train)))
    frames = set(sets.train.frames["scene"]) & set(sets.test.frames["scene"])
    assert not frames


def test_labelled_people_can_be_left_out_of_the_pool(tiny_fisheye):
    sets = make_sets(config(tiny_fisheye, exclude_labelled=True))
    assert not set(sets.unlabelled) & set(sets.labelled)
    assert len(sets.unlabelled) + 8 == len(sets.train)
    with pytest.raises(InputError, match="leaves no unlabelled people"):
        make_sets(config(tiny_fisheye, exclude_labelled=True, labels="all"))


def test_the_category_of_people_is_named_where_several_have_joints(tiny_fisheye, tmp_path):
    whole = load_dataset(tiny_fisheye)["all"]
    content = coco.to_dict(whole)
    joints = content["categories"][0]["keypoints"]
    content["categories"] = [
        {"id": number, "name": name, "keypoints": joints}
        for number, name in enumerate(("adult", "child"), start=1)
    ]
    for row, person in enumerate(content["annotations"]):
        person["category_id"] = 1 + row % 2
    write_json(tmp_path / "two" / "annotations" / "a.json", content)
    (tmp_path / "two" / "images").symlink_to(whole.root, target_is_directory=True)
    with pytest.raises(InputError, match=r"--category NAME \(sspcm: data\.category"):
        make_sets(config(tmp_path / "two"))
    sets = make_sets(config(tmp_path / "two", category="adult"))
    assert len(sets.train) + len(sets.test) == 24
    assert sets.reading == {"annotations of category 'child'": 24}
    assert len(load_test_people(tmp_path / "two", category="child").people) == 24
    for boxes in (False, True):
        other = config(tiny_fisheye, unlabelled=str(tmp_path / "two"), unlabelled_boxes=boxes)
        with pytest.raises(InputError, match="say which are people"):
            make_sets(other)
        pool = unlabelled_people(replace(other, unlabelled_category="child"), whole.keypoint_set)[0]
        assert len(pool) == 24


@pytest.fixture
def few_labelled(tiny_fisheye, tmp_path):
    """The tiny set where every second person has a box alone, and one is a crowd."""
    whole = load_dataset(tiny_fisheye)["all"]
    whole.keypoints[::2] = 0
    whole.people.loc[0, "iscrowd"] = 1
    coco.write(whole, tmp_path / "few" / "annotations" / "person_keypoints.json")
    (tmp_path / "few" / "images").symlink_to(whole.root)
    return tmp_path / "few"


def test_people_with_a_box_alone_can_be_in_the_pool(few_labelled, tiny_fisheye):
    without = make_sets(config(few_labelled, labels="all"))
    sets = make_sets(config(few_labelled, labels="all", unlabelled_boxes=True))
    usable = sets.train.trainable()
    assert len(without.unlabelled) == len(without.labelled) == usable.sum()
    assert sets.labelled.tolist() == np.flatnonzero(usable).tolist()
    assert len(sets.unlabelled) == len(sets.train) > usable.sum()
    assert not sets.train.people["iscrowd"].any()
    assert sets.record.people_train == without.record.people_train == usable.sum()
    with pytest.raises(InputError, match=f"only {usable.sum()} usable"):
        make_sets(config(few_labelled, labels=str(usable.sum() + 1), unlabelled_boxes=True))
    other = make_sets(config(tiny_fisheye, unlabelled=str(few_labelled), unlabelled_boxes=True))
    # One of the 48 is in a crowd, and ten are on images of tested people.
    assert len(other.unlabelled) == 47 - other.left_out["pool: on an image of tested people"] == 37
    assert other.train.trainable()[other.labelled].all()


def test_a_list_may_not_name_people_with_a_box_alone(few_labelled, tmp_path):
    whole = load_dataset(few_labelled)["all"]
    sets = make_sets(config(few_labelled, labels="all", unlabelled_boxes=True))
    ids = sets.train.people["id"].to_numpy()
    for rows, refused in ((sets.labelled, None), (sets.unlabelled, "cannot be trained on")):
        named = np.flatnonzero(whole.people["id"].isin(ids[rows]))
        file = tmp_path / "listed.json"
        file.write_text(json.dumps(subset_record(whole, named, labels="", order="", seed=None)))
        wanted = config(few_labelled, labels=str(file), unlabelled_boxes=True)
        if refused:
            with pytest.raises(InputError, match=refused):
                make_sets(wanted)
        else:
            assert make_sets(wanted).labelled.tolist() == rows.tolist()


def test_a_pool_without_keypoints_names_the_option(tiny_fisheye, tmp_path):
    whole = load_dataset(tiny_fisheye)["all"]
    whole.keypoints[:] = 0
    coco.write(whole, tmp_path / "annotations" / "person_keypoints.json")
    (tmp_path / "images").symlink_to(whole.root)
    with pytest.raises(InputError, match=r"48 have a box: data\.unlabelled_boxes=true"):
        make_sets(config(tiny_fisheye, unlabelled=str(tmp_path)))
    whole.people["iscrowd"] = 1
    coco.write(whole, tmp_path / "annotations" / "person_keypoints.json")
    with pytest.raises(InputError, match="nobody for the unlabelled pool has a box"):
        make_sets(config(tiny_fisheye, unlabelled=str(tmp_path), unlabelled_boxes=True))


def test_everybody_on_the_test_side_is_kept_for_scoring(few_labelled):
    sets = make_sets(config(few_labelled))
    assert len(sets.test) > len(sets.tested) == sets.test.trainable().sum()
    assert sets.record.people_test == len(sets.tested)


def test_random_budgets_are_nested_and_file_order_is_the_first(tiny_fisheye):
    small = make_sets(config(tiny_fisheye, order="random"))
    large = make_sets(config(tiny_fisheye, order="random", labels="20"))
    assert set(small.labelled) < set(large.labelled)
    assert make_sets(config(tiny_fisheye)).labelled.tolist() == list(range(8))


def test_data_sets_with_other_joints_meet_in_the_union_by_name(tiny_fisheye, mpii_copy):
    sets = make_sets(config(mpii_copy, unlabelled=str(tiny_fisheye)))
    union = get_keypoint_set("union-24")
    assert sets.train.keypoint_set == union
    assert sets.test.keypoint_set.name == "mpii-16"
    assert sets.record.trained_keypoint_set == "union-24"
    known = {union.joints[j] for j in np.flatnonzero(labelled_joints(sets))}
    # As published: all joints of the labelled set, whether or not anybody has them.
    assert known == set(get_keypoint_set("mpii-16").joints)
    assert "nose" not in known
    assert sets.unlabelled.min() >= sets.labelled.max()
    assert all((sets.train.root / name).is_file() for name in sets.train.frames["file_name"])


def test_a_joint_that_none_of_few_labelled_people_has_is_learned_from_all_the_same(
    tiny_fisheye, tmp_path
):
    whole = load_dataset(tiny_fisheye)["all"]
    whole.keypoints[:, 3] = 0
    coco.write(whole, tmp_path / "annotations" / "person_keypoints.json")
    (tmp_path / "images").symlink_to(whole.root)
    sets = make_sets(config(tmp_path, labels="1"))
    assert labelled_joints(sets).all()


def test_an_unlabelled_set_with_the_same_joints_keeps_them(tiny_fisheye):
    sets = make_sets(config(tiny_fisheye, unlabelled=str(tiny_fisheye)))
    assert sets.train.keypoint_set.name == "wepdtof-pose-14"
    # All but the tested people, whose images are not learned from.
    assert len(sets.unlabelled) == len(load_dataset(tiny_fisheye)["all"]) - len(sets.tested)


def test_the_released_recipe_always_trains_the_union(tiny_fisheye):
    sets = make_sets(config(tiny_fisheye), released=True)
    assert len(sets.train.keypoint_set) == 24
    assert len(sets.test.keypoint_set) == 14
    assert labelled_joints(sets).sum() == 14


@pytest.fixture
def two_sides(tiny_fisheye, tmp_path):
    """The tiny set as a data set with annotation files of its own for training and testing."""
    whole = load_dataset(tiny_fisheye)["all"]
    for name, rows in (("train", np.arange(36)), ("val", np.arange(36, 48))):
        coco.write(whole.select_people(rows), tmp_path / "data" / "annotations" / f"{name}.json")
    (tmp_path / "data" / "images").symlink_to(whole.root)
    return tmp_path / "data"


def test_a_list_of_the_toolkit_says_who_is_labelled(two_sides, tmp_path):
    file = tmp_path / "labelled.json"
    options = ["--split", "train", "--labels", "7", "--order", "random", "--seed", "3"]
    done = CliRunner().invoke(toolkit, ["split", str(two_sides), *options, "-o", str(file)])
    assert done.exit_code == 0, done.output
    sets = make_sets(config(two_sides, labels=str(file)))
    named = json.loads(file.read_text())["person_ids"]
    assert sets.train.people["id"].iloc[sets.labelled].tolist() == named
    assert (sets.record.people_labelled, sets.record.labelled_order) == (7, "list")
    assert len(sets.record.labels_hash) == 16
    # Of the 36 on the training split, two are on an image of tested people.
    assert (
        len(sets.unlabelled) == 36 - sets.left_out["training split: on an image of tested people"]
    )


def test_a_list_that_goes_by_the_usual_test_people_names_the_settings(tiny_fisheye, tmp_path):
    whole = load_dataset(tiny_fisheye)["all"]
    file = tmp_path / "labelled.json"
    record = subset_record(whole, hold_out(whole).train, labels="", order="", seed=None)
    file.write_text(json.dumps(record))
    settings = (
        r"where a run has --set data.test_fraction=0.16666666666666666 --set data.test_seed=0"
    )
    with pytest.raises(InputError, match=settings):
        make_sets(config(tiny_fisheye, labels=str(file), test_fraction=0.5, test_seed=1))
    usual = config(tiny_fisheye, labels=str(file), test_fraction=0.16666666666666666)
    assert len(make_sets(usual).labelled)


def test_lists_that_cannot_be_are_refused(tiny_fisheye, two_sides, tmp_path):
    whole = load_dataset(tiny_fisheye)["all"]
    file = tmp_path / "labelled.json"
    rows = np.arange(len(whole))
    file.write_text(json.dumps(subset_record(whole, rows, labels="all", order="file", seed=None)))
    with pytest.raises(InputError, match=r"of the 48 people it names cannot be trained on: they"):
        make_sets(config(tiny_fisheye, labels=str(file)))
    with pytest.raises(InputError, match="was made from"):
        make_sets(config(two_sides, labels=str(file)))
    with pytest.raises(InputError, match="no such file"):
        make_sets(config(two_sides, labels="nowhere.json"))
    # Those that are not held out are fine.
    train = make_sets(config(tiny_fisheye)).train.people["id"]
    rows = np.flatnonzero(whole.people["id"].isin(train))[::3]
    file.write_text(json.dumps(subset_record(whole, rows, labels="?", order="file", seed=None)))
    sets = make_sets(config(tiny_fisheye, labels=str(file)))
    assert sets.train.people["id"].iloc[sets.labelled].tolist() == whole.people["id"][rows].tolist()


def test_joints_outside_the_union_are_named(tiny_fisheye, tmp_path):
    content = json.loads((tiny_fisheye / "annotations" / "person_keypoints.json").read_text())
    content["categories"][0]["keypoints"][13] = "tail"
    content["categories"][0].pop("keypoint_set", None)
    (tmp_path / "animals.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="has no tail"):
        make_sets(config(tiny_fisheye, unlabelled=str(tmp_path / "animals.json")))


def test_further_labelled_data_sets_are_labelled_by_joint_name(tiny_fisheye, mpii_copy):
    sets = make_sets(config(tiny_fisheye, test_fraction=0.0, more_labelled=(str(mpii_copy),)))
    more = sets.train.select_people(sets.more)
    whole = load_dataset(tiny_fisheye)["all"]
    assert more.keypoint_set == whole.keypoint_set
    known = np.isin(whole.keypoint_set.joints, get_keypoint_set("mpii-16").joints)
    np.testing.assert_array_equal(more.keypoints[:, known], whole.keypoints[:, known])
    assert not more.keypoints[:, ~known].any()
    assert sets.labelled.tolist() == [*range(8), *sets.more.tolist()]
    # The pool is still the people of data.path, in its own ids.
    assert sets.unlabelled.tolist() == list(range(len(whole)))
    people, rows = pool_people(config(tiny_fisheye), sets)
    assert people.people["id"].tolist() == whole.people["id"].tolist()
    assert rows.tolist() == sets.unlabelled.tolist()
    assert sets.record.people_labelled == 8 + len(whole)
    assert sets.record.labels_hash != make_sets(config(tiny_fisheye)).record.labels_hash


def test_joints_that_the_first_data_set_does_not_name_are_counted(tiny_fisheye, tmp_path):
    whole = load_dataset(tiny_fisheye)["all"]
    coco.write(
        whole.with_keypoint_set(get_keypoint_set("coco-17")),
        tmp_path / "annotations" / "person_keypoints.json",
    )
    (tmp_path / "images").symlink_to(whole.root)
    sets = make_sets(config(tmp_path, test_fraction=0.0, more_labelled=(str(tiny_fisheye),)))
    unknown = ~np.isin(whole.keypoint_set.joints, get_keypoint_set("coco-17").joints)
    labels = int((whole.keypoints[:, unknown, 2] > 0).sum())
    assert sets.reading["joints that data.path does not name"] == labels > 0


def test_images_of_tested_people_are_no_further_labels(tiny_fisheye, tmp_path):
    coco.write(
        make_sets(config(tiny_fisheye)).test, tmp_path / "annotations" / "person_keypoints.json"
    )
    (tmp_path / "images").symlink_to(load_dataset(tiny_fisheye)["all"].root)
    with pytest.raises(InputError, match=r"nobody to learn from: .* of tested people among"):
        make_sets(config(tiny_fisheye, more_labelled=(str(tmp_path),)))


def test_few_further_labels_can_be_drawn_more_often(tiny_fisheye, mpii_copy):
    sets = make_sets(config(tiny_fisheye, test_fraction=0.0, more_labelled=(str(mpii_copy),)))
    few = replace(sets, labelled=np.r_[:90, 100:103], more=np.arange(100, 103))
    assert few.labelled_draws(0.0).tolist() == few.labelled.tolist()
    draws = few.labelled_draws(0.25)
    assert np.isin(draws, few.more).mean() == pytest.approx(0.25)
    again = (str(mpii_copy), f"{tiny_fisheye}/../{tiny_fisheye.name}")
    with pytest.raises(InputError, match=r"'data\.more_labelled' names .*, as data\.path does"):
        TrainConfig(data=config(tiny_fisheye, more_labelled=again))
    with pytest.raises(InputError, match=r"'data\.more_share' needs data\.more_labelled"):
        TrainConfig(data=DataConfig(more_share=0.5))


def test_nobody_need_be_held_out(tiny_fisheye):
    sets = make_sets(config(tiny_fisheye, test_fraction=0.0))
    assert (len(sets.tested), len(sets.test), sets.record.people_test) == (0, 0, 0)
    assert sets.record.split == "nobody held out"
    assert len(sets.train) == len(load_dataset(tiny_fisheye)["all"])
