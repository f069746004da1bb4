"""A forecast times steps and changes nothing of the run."""

import doctest
import logging

import pytest

from sspcm.config_io import load_config
from sspcm.runs.folder import RunFolder
from sspcm.training import forecast as module
from sspcm.training.train import train


def test_the_examples() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("method", ["sspcm", "pseudo_pose"])
def test_a_run_says_how_long_it_takes_and_learns_the_same(settings, tmp_path, caplog, method):
    settings |= {
        "method.name": method,
        "optimisation.epochs": 3,
        "optimisation.burn_in_epochs": 1,
        "optimisation.epoch_steps": 2,
        "optimisation.milestones": [],
        "evaluation.every": 3,
    }
    train(load_config(overrides=settings), tmp_path / "silent")
    with caplog.at_level(logging.INFO):
        train(load_config(overrides=settings), tmp_path / "told")
    times = "2 x 2" if method == "sspcm" else "2"
    said = [text for text in caplog.messages if text.startswith("about ")]
    assert len(said) == 1
    more = "" if method == "sspcm" else ", labelling the pool"
    assert said[0].endswith(
        f" of training: {times} steps of burn-in, 4 of {method}{more}; scoring comes on top"
    )
    # Lines of the burn-in say so, and repeat nothing of what the run has said.
    assert sum("in the unlabelled pool" in text for text in caplog.messages) == 1
    assert any(text.startswith("burn-in of A: epoch 1/1, ") for text in caplog.messages)
    silent, told = (
        [
            {key: value for key, value in row.items() if key != "seconds"}
            for row in RunFolder(tmp_path / name).read_metrics()
        ]
        for name in ("silent", "told")
    )
    assert silent == told


def test_a_burn_in_that_is_there_takes_no_time(settings, tmp_path, caplog):
    settings |= {
        "optimisation.epochs": 2,
        "optimisation.burn_in_epochs": 1,
        "optimisation.epoch_steps": 2,
        "optimisation.milestones": [],
    }
    said = []
    for method in ("supervised", "sspcm_ema", "pose_dual"):
        with caplog.at_level(logging.INFO):
            config = load_config(overrides=settings | {"method.name": method})
            train(config, tmp_path / method, burn_ins=tmp_path / "burn_ins")
        said.append(next(text for text in caplog.messages if text.startswith("about ")))
        caplog.clear()
    ends = ["2 steps of burn-in, 2 of supervised", "2 steps of sspcm_ema"]
    # B alone is still to be burnt in.
    ends.append("2 steps of burn-in, 2 of pose_dual")
    for text, end in zip(said, ends, strict=True):
        assert text.endswith(f" of training: {end}; scoring comes on top")
