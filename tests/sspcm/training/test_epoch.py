"""What an epoch learns from, and what stops it."""

import pytest

from sspcm.config_io import load_config
from sspcm.runs.folder import RunFolder
from sspcm.training.train import train
from wepdtof_pose.errors import InputError


def test_a_run_that_diverges_stops_before_it_saves(settings, tmp_path):
    folder = RunFolder(tmp_path / "run")
    settings |= {"method.name": "supervised", "optimisation.learning_rate": 1e30}
    with pytest.raises(InputError, match=r"not a number in epoch 1: lower optimisation\.learning"):
        train(load_config(overrides=settings), folder.path)
    assert not folder.metrics_file.exists()
    assert not folder.last_checkpoint.exists()


@pytest.mark.parametrize("method", ["pseudo_pose", "data_distill"])
def test_the_teacher_is_burnt_in(settings, tmp_path, method):
    settings |= {
        "method.name": method,
        "optimisation.epochs": 3,
        "optimisation.epoch_steps": 1,
        "optimisation.burn_in_epochs": 2,
    }
    train(load_config(overrides=settings), tmp_path / "run")
    found = [set(row["train"]) for row in RunFolder(tmp_path / "run").read_metrics()]
    assert found[:2] == [{"supervised"}] * 2
    assert found[2] == {"supervised", "pseudo", "joints_kept"}
    settings |= {"method.options": {"teacher_epochs": 1}}
    with pytest.raises(InputError, match="teacher_epochs is 1, but the burn-in alone takes 2"):
        train(load_config(overrides=settings), tmp_path / "shorter")


@pytest.mark.parametrize("method", ["sspcm", "pose_cons", "pose_dual", "multi_augs"])
def test_burn_in_learns_from_labelled_people_alone(settings, tmp_path, method):
    settings |= {
        "method.name": method,
        "optimisation.epochs": 2,
        "optimisation.epoch_steps": 2,
        "optimisation.burn_in_epochs": 1,
    }
    train(load_config(overrides=settings), tmp_path / "run")
    first, second = RunFolder(tmp_path / "run").read_metrics()
    assert set(first["train"]) == {"supervised"}
    assert {"supervised", "consistency"} <= set(second["train"])
