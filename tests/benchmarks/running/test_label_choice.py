"""Ranked labels against random ones: who is chosen, what is trained, what the table says."""

import pytest

from benchmarks.running.label_choice import ChoiceSetting, choice_table, compare_choices
from sspcm.data.sets import make_sets
from sspcm.runs.folder import RunFolder
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json

TINY = {
    "data.crop_width": 64,
    "data.crop_height": 64,
    "network.name": "resnet18",
    "network.width": 8,
    "network.deconv_channels": 8,
    "network.pretrained": None,
    "network.frozen_stages": 0,
    "optimisation.epochs": 1,
    "optimisation.burn_in_epochs": 0,
    "optimisation.epoch_steps": 2,
    "optimisation.batch_size": 4,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
}


@pytest.mark.slow
def test_both_choices_hold_the_first_labels_and_cost_the_same(tiny_fisheye, tmp_path):
    setting = ChoiceSetting(first=6, labels=14, seeds=[0], preset="quick", settings=TINY)
    said = []
    found = compare_choices(setting, tiny_fisheye, tmp_path, say=said.append)
    people = {}
    for choice, count in (("first", 6), ("random", 14), ("ranked", 14)):
        sets = make_sets(RunFolder(tmp_path / f"{choice}-seed0").load_config().data)
        people[choice] = set(sets.train.people["id"].iloc[sets.labelled].tolist())
        assert len(people[choice]) == count
        held_out = set(sets.test.people["id"].tolist())
        assert not people[choice] & held_out
    assert people["first"] < people["random"]
    assert people["first"] < people["ranked"]
    assert people["ranked"] != people["random"]
    assert [row["seed"] for row in found["seeds"]] == [0]
    assert said[0].startswith("seed 0: first AP ")
    again = compare_choices(setting, tiny_fisheye, tmp_path, say=said.append)
    assert again == found == read_json(tmp_path / "label_choice.json")


def test_the_table_has_means_spreads_and_the_difference_of_each_seed():
    def scores(ap):
        return {"AP": ap, "PCK@0.2": 0.5}

    found = {
        "first": 60,
        "labels": 120,
        "preset": "quick",
        "people_train": 700,
        "people_test": 300,
        "steps": 400,
        "seeds": [
            {"seed": 0, "first": scores(0.1), "random": scores(0.2), "ranked": scores(0.25)},
            {"seed": 1, "first": scores(0.2), "random": scores(0.4), "ranked": scores(0.43)},
        ],
    }
    lines = choice_table(found).splitlines()
    assert lines[4] == "| first 60 alone | 15.0 ± 7.1 | 50.0 ± 0.0 |"
    assert lines[-1] == "| ranked - random | 4.0 ± 1.4 | 0.0 ± 0.0 |"


def test_the_choice_must_add_labels():
    with pytest.raises(InputError, match="60 labels in all must be more than the 60"):
        ChoiceSetting(first=60, labels=60, seeds=[0], preset="quick", settings={})


@pytest.mark.parametrize(
    ("labels", "settings", "error"),
    [
        (5000, {}, "'5000' asks for 5000 labelled people, but the data has only"),
        (14, {"data.test_fraction": 0}, "nobody is held out"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused_before_anything_is_trained(
    tiny_fisheye, tmp_path, labels, settings, error
):
    setting = ChoiceSetting(6, labels, seeds=[0], preset="quick", settings={**TINY, **settings})
    with pytest.raises(InputError, match=error):
        compare_choices(setting, tiny_fisheye, tmp_path / "out")
    assert not (tmp_path / "out").exists()
