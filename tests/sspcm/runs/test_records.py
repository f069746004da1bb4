"""What a run's result is read as: ours and older ones, and what others wrote or damaged."""

from pathlib import Path

import pytest

from sspcm.runs.records import read_run_result
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json

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
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_result_of_another_form_is_one_line_that_names_the_entry(tmp_path, change, said):
    file = tmp_path / "result.json"
    write_json(file, read_json(COMMITTED[0]) | change)
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
