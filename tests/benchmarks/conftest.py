"""A finished comparison of two methods on a tiny set, made once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.commands.main import main
from sspcm.runs.folder import RunFolder

TINY = (
    "data.crop_width=64",
    "data.crop_height=64",
    "network.name=resnet18_lateral",
    "network.pretrained=null",
    "network.frozen_stages=0",
    "network.width=8",
    "network.deconv_channels=8",
    "optimisation.epochs=2",
    "optimisation.burn_in_epochs=0",
    "optimisation.epoch_steps=3",
    "optimisation.batch_size=4",
    "optimisation.milestones=[1]",
    "evaluation.every=1",
    "precision=float32",
    "threads=1",
)


def _arguments(data: Path, output: Path, *more: str) -> list[str]:
    settings = [part for text in TINY for part in ("--set", text)]
    return ["run", "--data", str(data), "-o", str(output), "--device", "cpu", *settings, *more]


@pytest.fixture(scope="session")
def bench_arguments() -> Callable[..., list[str]]:
    """Arguments of `sspcm-bench run` for tiny cells on given data, into a given folder."""
    return _arguments


@pytest.fixture(scope="session")
def comparison(tiny_fisheye: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("comparison") / "tiny"
    more = ("--ratio", "8", "--ratio", "50%", "--seeds", "2", "--preset", "quick")
    found = CliRunner().invoke(main, _arguments(tiny_fisheye, output, *more))
    assert found.exit_code == 0, found.output
    return output


@pytest.fixture
def copied(comparison: Path, tmp_path: Path) -> Path:
    """A copy of the comparison that a test may change."""
    shutil.copytree(comparison, tmp_path / "copy", ignore=shutil.ignore_patterns("crops", "*.pt"))
    return tmp_path / "copy"


@pytest.fixture(scope="session")
def change() -> Callable[[Path, Callable[[dict[str, Any]], object]], None]:
    """Changes the result of a run folder by a function of it."""

    def change_result(cell: Path, by: Callable[[dict[str, Any]], object]) -> None:
        run = RunFolder(cell)
        result = json.loads(run.result_file.read_text())
        by(result)
        run.result_file.write_text(json.dumps(result))

    return change_result
