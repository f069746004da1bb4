"""What a run's result is read as: ours and older ones, and what others wrote or damaged."""

import dataclasses
import json
from pathlib import Path

import pytest

from sspcm.runs.folder import RunFolder
from sspcm.runs.records import read_environment, read_epoch_rows, read_run_result
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.keypoints import get_keypoint_set

COMMITTED = sorted((Path(__file__).parents[3] / "results").glob("**/result.json"))


def test_every_committed_result_is_read_and_written_back_alike():
    assert len(COMMITTED) > 100
    for file in COMMITTED:
        content = read_json(file)
        assert read_run_result(file).as_json() == content
        assert list(read_run_result(file).as_json()) == list(content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": 60}, "labels"),
        ({"labels": [1]}, "labels"),
        ({"reported": "Z"}, "no scores of the reported network 'Z'"),
        ({"steps": "many"}, "steps"),
        ({"steps": 10**400}, "steps"),
        ({"training_seconds": "long"}, "training_seconds"),
        ({"training_seconds": 10**400}, "is not the result of a run"),
        ({"last": []}, "last"),
        ({"last": {"A": [], "B": {}, "C": {}, "mean": {}}}, "last"),
        ({"best": None}, "best"),
        ({"seed": "\ud800"}, "is not the result of a run"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_result_of_another_form_is_one_line_that_names_the_entry(tmp_path, change, said):
    file = tmp_path / "result.json"
    file.write_text(json.dumps(read_json(COMMITTED[0]) | change))
    with pytest.raises(InputError) as raised:
        read_run_result(file)
    assert str(file) in str(raised.value)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", ["high", True, [1], 10**400], ids=lambda v: type(v).__name__)
def test_a_score_that_is_no_number_is_named(tmp_path, value):
    file, content = tmp_path / "result.json", read_json(COMMITTED[0])
    content["last"][content["reported"]]["AP50"] = value
    write_json(file, content)
    with pytest.raises(InputError, match="score 'AP50' of network"):
        read_run_result(file)


def test_half_a_surrogate_pair_in_an_environment_is_one_line(tmp_path):
    file = tmp_path / "env.json"
    file.write_text(json.dumps({"threads": "\ud800"}))
    with pytest.raises(InputError, match="entry 'threads'"):
        read_environment(file)


@pytest.mark.parametrize(
    "change",
    [
        {"sigmas": [10**400]},
        {"skeleton": [[0, 17]]},
        {"flip_pairs": [[0, float("inf")]]},
        {"skeleton": [[float("nan"), 1]]},
        {"sigmas": 3},
        {"joints": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_joints_of_another_form_are_one_line(change, tmp_path):
    content = dataclasses.asdict(get_keypoint_set("coco-17"))
    run = RunFolder(tmp_path)
    write_json(run.keypoints_file, content)
    assert run.read_keypoint_set() == get_keypoint_set("coco-17")
    run.keypoints_file.write_text(json.dumps(content | change))
    with pytest.raises(InputError, match=r"keypoints\.json: is not a keypoint set"):
        run.read_keypoint_set()


def test_rows_of_an_epoch_hold_numbers_of_json_alone(tmp_path):
    row = {"epoch": 1, "learning_rate": 0.1, "train": {}, "seconds": 1.0}
    file = tmp_path / "metrics.jsonl"
    file.write_text(json.dumps(row) + "\n" + json.dumps(row | {"epoch": 2, "own": float("nan")}))
    assert read_epoch_rows(file) == [row]  # the last line may have been cut short
    file.write_text(json.dumps(row | {"own": float("inf")}) + "\n")
    with pytest.raises(InputError, match=r"metrics.jsonl: line 1: .*Infinity is no number of JSON"):
        read_epoch_rows(file)
