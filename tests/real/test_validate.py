"""What validate finds in real files: the defects that are known, and no alarm where none is due."""

from pathlib import Path

import numpy as np
import pytest

from wepdtof_pose.formats.datasets import lsp
from wepdtof_pose.validation.validate import validate, validate_dataset

WEPDTOF = "wepdtof_boxes/ground_truth/WEPDTOF"


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        (f"{WEPDTOF}/call_center.json", {"track-repeated": 557}),
        (f"{WEPDTOF}/printing_store.json", {"track-repeated": 1}),
        (f"{WEPDTOF}/exhibition.json", {}),
        (f"{WEPDTOF}/empty_store.json", {}),
        (f"{WEPDTOF}/street_grocery.json", {}),
        (f"{WEPDTOF}/tech_store.json", {}),
        ("cepdof_sample/annotations/video_0.json", {"track-repeated": 2}),
        ("rapid_sample/tiny_val/one.json", {}),
        ("tiny_coco/annotations/person_keypoints_val2017.json", {}),
        ("mmpose_samples/aic/test_aic.json", {"area-missing": 9, "coco-fields": 9}),
    ],
)
def test_findings(realdata_dir: Path, name: str, counts: dict[str, int]) -> None:
    assert validate(realdata_dir / name).counts == counts


def test_the_known_duplicate_ids(realdata_dir: Path) -> None:
    found = validate(realdata_dir / WEPDTOF / "call_center.json").findings
    assert all(finding.message.startswith("track 33 again on image") for finding in found)
    (found,) = validate(realdata_dir / WEPDTOF / "printing_store.json").findings
    assert found.message == "track 7 again on image 'printing_store_001009'"


@pytest.mark.parametrize("name", ["tiny_coco", "mmpose_samples/coco/test_coco.json"])
def test_images(realdata_dir: Path, name: str) -> None:
    report = validate(realdata_dir / name, images=True)
    assert not report.errors
    assert set(report.counts) <= {"joint-outside-box"}


def test_exchanged_sides_of_lspet(realdata_dir: Path) -> None:
    """Its labels are known to be noisy; the torsos of 307, 470 and 1751 cross in the picture."""
    dataset = lsp.read_lspet(realdata_dir / "lspet").datasets["all"]
    report = validate_dataset(dataset)
    count = report.counts["sides-exchanged"]
    assert 30 < count < 0.03 * len(dataset)
    where = " ".join(f.where for f in report.findings if f.code == "sides-exchanged")
    for row in (307, 470, 1751):
        assert f"annotations[{row}]" in where
    assert np.isfinite(dataset.keypoints).all()
