"""The examples in docs/guide/data.md and in docstrings are run."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "guide" / "data.md"
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "wepdtof_pose").rglob("*.py")
    if re.search("^ *>>> (?!.*SKIP)", path.read_text(encoding="utf-8"), re.MULTILINE)
)


def test_the_document() -> None:
    result = doctest.testfile(str(DOCUMENT), module_relative=False)
    assert result.failed == 0
    assert result.attempted > 25


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert result.attempted > 0
