"""Names of predictions on the command line."""

from pathlib import Path

import pytest

from wepdtof_pose.browse.results_files import named_files
from wepdtof_pose.errors import InputError


@pytest.mark.parametrize(
    ("text", "name", "file"),
    [
        ("a=runs/one.json", "a", "runs/one.json"),
        ("results.json", "results", "results.json"),
        ("runs/sspcm-300/predictions.json", "sspcm_300", "runs/sspcm-300/predictions.json"),
        ("300.json", "run_300", "300.json"),
        ("runs/lr=3/results.json", "results", "runs/lr=3/results.json"),
    ],
)
def test_names(text: str, name: str, file: str) -> None:
    assert named_files([text]) == {name: Path(file)}


def test_a_folder_stands_for_the_predictions_in_it(tmp_path: Path) -> None:
    file = tmp_path / "predictions.json"
    name = next(iter(named_files([str(file)])))
    assert named_files([str(tmp_path)]) == {name: file}
    assert named_files([f"mine={tmp_path}"]) == {"mine": file}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["1a=x.json"], "the name '1a' must be a letter"),
        (["a.b=x.json"], "the name 'a.b' must be a letter"),
        (["a=x.json", "a=y.json"], "the name 'a' is taken"),
        (["a=x.json", "A=y.json"], "the name 'A' is taken"),
        (["one/results.json", "two/results.json"], "the name 'results' is taken"),
    ],
)
def test_refused(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        named_files(texts)
