"""A finished comparison of two methods on a tiny set, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.cli import main

TINY = (
    "data.crop_width=64",
    "data.crop_height=64",
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
