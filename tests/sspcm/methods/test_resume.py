"""A run that stops twice ends bit for bit as one that never stopped, off-line labels included."""

import pytest
import torch

from sspcm.config_io import load_config
from sspcm.methods import METHODS
from sspcm.runs.folder import RunFolder
from sspcm.training.train import train

TINY = {
    "data.labels": "8",
    "data.crop_width": 32,
    "data.crop_height": 32,
    "network.name": "four_layers:network",
    "optimisation.epochs": 4,
    "optimisation.epoch_steps": 2,
    "optimisation.batch_size": 4,
    "optimisation.milestones": [3],
    "evaluation.every": 4,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
}
NETWORK = """
from torch import nn

def network(joints):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Conv2d(8, joints, 3, 2, 1),
    )
"""
OPTIONS = {
    "pseudo_pose": {"score_threshold": 0.0},
    "data_distill": {"score_threshold": 0.0, "scales": [1.0, 1.2]},
    "pose_cons": {"augmentation": "rand_augment"},
    "pose_dual": {},
    "multi_augs": {"views": ["joco", "mu"]},
    "sspcm_ema": {"score_threshold": 0.0},
}


class Killed(BaseException):
    pass


def stop_after(monkeypatch, kind, epochs):
    finish, done = kind.end_epoch, []

    def end_epoch(self):
        if len(done) == epochs:
            raise Killed
        done.append(1)
        finish(self)

    monkeypatch.setattr(kind, "end_epoch", end_epoch)


def rows(folder):
    return [
        {key: value for key, value in row.items() if key != "seconds"}
        for row in RunFolder(folder).read_metrics()
    ]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((name, {}) for name in OPTIONS),
        ("sspcm_ema", {"optimisation.averaging": 0.5, "optimisation.schedule": "cosine"}),
    ],
)
def test_two_stops_change_nothing(tiny_fisheye, tmp_path, monkeypatch, name, changes):
    (tmp_path / "four_layers.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    config = load_config(
        overrides=TINY
        | changes
        | {
            "data.path": str(tiny_fisheye),
            "data.cache": str(tiny_fisheye.parent / "crops"),
            "method.name": name,
            "method.options": OPTIONS[name],
        }
    )
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(config, whole)
    # The first stop is within epoch 2, the second within epoch 4.
    for epochs_before_stop in (1, 2):
        with monkeypatch.context() as patch:
            stop_after(patch, METHODS[name], epochs_before_stop)
            with pytest.raises(Killed):
                train(config, stopped, resume=True)
    train(config, stopped, resume=True)

    assert rows(stopped) == rows(whole)
    assert len(rows(whole)) == 4
    first, second = (
        torch.load(RunFolder(folder).last_checkpoint, weights_only=True)["method"]
        for folder in (whole, stopped)
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first if key != "_extra_state")
    if name in ("pseudo_pose", "data_distill"):
        labels = [state["_extra_state"]["labels"] for state in (first, second)]
        assert torch.equal(labels[0]["joints"], labels[1]["joints"])
        assert rows(whole)[-1]["train"]["joints_kept"] > 0


def test_stops_within_and_after_a_burn_in_change_nothing(tiny_fisheye, tmp_path, monkeypatch):
    (tmp_path / "four_layers.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    config = load_config(
        overrides=TINY
        | {
            "data.path": str(tiny_fisheye),
            "data.cache": str(tiny_fisheye.parent / "crops"),
            "method.name": "sspcm",
            "optimisation.burn_in_epochs": 2,
            "optimisation.averaging": 0.5,
        }
    )
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(config, whole)
    # Within the burn-in of A, within that of B, and within the method's second epoch.
    for kind, epochs_before_stop in (("supervised", 1), ("supervised", 2), ("sspcm", 1)):
        with monkeypatch.context() as patch:
            stop_after(patch, METHODS[kind], epochs_before_stop)
            with pytest.raises(Killed):
                train(config, stopped, resume=True)
    train(config, stopped, resume=True)
    assert rows(stopped) == rows(whole)
    first, second = (
        torch.load(RunFolder(folder).last_checkpoint, weights_only=True)
        for folder in (whole, stopped)
    )
    for key, value in first["method"].items():
        assert key == "_extra_state" or torch.equal(value, second["method"][key])
    for a, b in zip(first["averaged"]["averages"], second["averaged"]["averages"], strict=True):
        assert torch.equal(a, b)
