"""The examples in docs/guide/data.md and in docstrings are run."""

import doctest
import importlib
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "guide" / "data.md"
MODULES = [
    *(
        "fisheye.lenses",
        "fisheye.people",
        "keypoints",
        "palette",
        "splits.hold_out",
        "splits.label_budgets",
    ),
    *("statistics.tables", "validation.findings"),
    *("validation.left_right", "validation.schema", "validation.validate"),
]


def test_the_document() -> None:
    result = doctest.testfile(str(DOCUMENT), module_relative=False)
    assert result.failed == 0
    assert result.attempted > 25


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"wepdtof_pose.{name}"))
    assert result.failed == 0
    assert result.attempted > 0
