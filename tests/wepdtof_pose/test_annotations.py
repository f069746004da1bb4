"""The annotation card: what is committed is what its command makes, and what it says is so."""

import filecmp
from pathlib import Path

import mlcroissant
import pytest
import wepdtof_pose.annotations
from wepdtof_pose.annotations import make, sample_folder

from wepdtof_pose.files import file_sha256, read_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.images import read_image
from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.splits.hold_out import read_subset
from wepdtof_pose.validation.validate import validate

CARD = Path(wepdtof_pose.annotations.__file__).parent


def test_the_sample_is_small_and_without_findings() -> None:
    report = validate(sample_folder(), images=True)
    assert not report.counts
    assert report.checked[0]["images"] == 6
    size = sum(path.stat().st_size for path in sample_folder().rglob("*") if path.is_file())
    assert size < 400_000


@pytest.mark.slow
def test_the_command_makes_what_is_committed(tmp_path: Path) -> None:
    make.main(tmp_path)
    for name in ("croissant.json", "sample/annotations/person_keypoints.json"):
        assert filecmp.cmp(tmp_path / name, CARD / name, shallow=False), name
    splits = sorted(path.name for path in (CARD / "splits").iterdir())
    assert sorted(path.name for path in (tmp_path / "splits").iterdir()) == splits
    for path in sample_folder().rglob("*.jpg"):
        other = tmp_path / "sample" / path.relative_to(sample_folder())
        assert abs(read_image(path).astype(int) - read_image(other)).mean() < 2


def test_label_budgets_are_of_the_sample_and_nested() -> None:
    dataset = load_dataset(sample_folder())["all"]
    rows = [read_subset(path, dataset) for path in sorted((CARD / "splits").glob("*.json"))]
    assert [len(r) for r in rows] == [15, 30]
    assert set(rows[0]) < set(rows[1])


def test_the_table_of_joints_is_that_of_the_set() -> None:
    text = (CARD / "README.md").read_text()
    for index, joint in enumerate(get_keypoint_set("wepdtof-pose-14").joints):
        assert f"| {index} | {joint.replace('_', ' ')} |" in text
    sigmas = get_keypoint_set("wepdtof-pose-14").sigmas or ()
    stated = text.split("in this order:")[1].split(". AI")[0].split()
    assert [float(value) for value in stated] == list(sigmas)


def test_croissant_names_the_committed_file() -> None:
    files = read_json(CARD / "croissant.json")["distribution"]
    for file in files:
        assert file_sha256(CARD / file["contentUrl"]) == file["sha256"]


def test_croissant_is_accepted_and_read() -> None:
    dataset = mlcroissant.Dataset(CARD / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    assert len(list(dataset.records("people"))) == 60
