"""Burn-ins are trained once, shared by what they fit, and the same wherever they were trained."""

from dataclasses import replace

import pytest
import torch

from sspcm.config import NetworkConfig
from sspcm.config_io import load_config
from sspcm.runs.folder import RunFolder
from sspcm.training.burn_in import burn_in_config, burn_in_name
from sspcm.training.train import train

HASHES = {"data_hash": "0", "split_hash": "1", "unlabelled_hash": None, "labels_hash": None}


@pytest.fixture
def two_phases(settings):
    """Configuration keys of a run of two epochs of burn-in and one of the method."""
    return settings | {
        "optimisation.epochs": 3,
        "optimisation.burn_in_epochs": 2,
        "optimisation.burn_in_milestones": [1],
        "optimisation.burn_in_learning_rate": 2e-3,
        "optimisation.epoch_steps": 2,
        "evaluation.every": 1,
    }


def weights(folder):
    return torch.load(RunFolder(folder).last_checkpoint, weights_only=True)["method"]


def test_methods_share_what_a_supervised_run_is_at_that_point(two_phases, tmp_path):
    shared = tmp_path / "burn_ins"
    results = {}
    for name in ("supervised", "sspcm", "pose_dual", "sspcm_ema"):
        config = load_config(overrides=two_phases | {"method.name": name})
        results[name] = train(config, tmp_path / name, burn_ins=shared)
    folders = sorted(path.name for path in shared.iterdir() if path.is_dir())
    assert [name[0] for name in folders] == ["A", "B"]
    started = {path: path.stat().st_mtime for path in shared.rglob("result.json")}

    alone = load_config(
        overrides=two_phases
        | {
            "method.name": "supervised",
            "optimisation.epochs": 2,
            "optimisation.burn_in_epochs": 0,
            "optimisation.milestones": [1],
            "optimisation.learning_rate": 2e-3,
        }
    )
    train(alone, tmp_path / "alone")
    burnt = weights(shared / folders[0])
    for name, value in weights(tmp_path / "alone").items():
        assert torch.equal(value, burnt[name])

    of_a = RunFolder(shared / folders[0]).read_result().last["A"]
    for name, networks in (("supervised", "A"), ("sspcm", "ABC"), ("sspcm_ema", "AEL")):
        record = results[name].burn_in
        assert record.epochs == 2
        assert record.scores.keys() == set(networks)
        assert record.scores["A"]["AP"] == of_a["AP"]
        rows = RunFolder(tmp_path / name).read_metrics()
        assert [row["epoch"] for row in rows] == [1, 2, 3]
        assert rows[0]["learning_rate"] == 2e-3
        assert rows[1]["learning_rate"] == pytest.approx(2e-4)
        assert rows[2]["learning_rate"] == 1e-3
        assert set(rows[1]["scores"]) == set(networks)
    again = load_config(overrides=two_phases | {"method.name": "pose_cons"})
    train(again, tmp_path / "again", burn_ins=shared)
    assert started == {path: path.stat().st_mtime for path in shared.rglob("result.json")}


def test_a_run_alone_keeps_its_burn_in(two_phases, tmp_path):
    config = load_config(overrides=two_phases | {"method.name": "sspcm_ema"})
    train(config, tmp_path / "run")
    (folder,) = (path for path in (tmp_path / "run" / "burn_in").iterdir() if path.is_dir())
    assert RunFolder(folder).finished


def test_what_a_burn_in_depends_on():
    config = load_config(
        overrides={
            "optimisation.burn_in_epochs": 5,
            "optimisation.burn_in_learning_rate": 0.01,
            "optimisation.burn_in_milestones": [4],
        }
    )

    def name(config, role="A", **hashes):
        return burn_in_name(burn_in_config(config, role), HASHES | hashes)

    same = [
        replace(config, method=replace(config.method, name="pose_dual", options={"joints": 3})),
        replace(config, data=replace(config.data, path="elsewhere", cache="here")),
        replace(config, threads=1),
        replace(config, optimisation=replace(config.optimisation, learning_rate=1.0, epochs=20)),
        replace(config, student=NetworkConfig("resnet34")),
    ]
    for other in same:
        assert name(other) == name(config)
    different = [
        replace(config, seed=1),
        replace(config, network=NetworkConfig("resnet34")),
        replace(config, data=replace(config.data, labels="300")),
        replace(config, optimisation=replace(config.optimisation, burn_in_epochs=6)),
        replace(config, optimisation=replace(config.optimisation, burn_in_learning_rate=0.1)),
        replace(config, easy_view=replace(config.easy_view, rotation=10.0)),
        replace(config, method=replace(config.method, recipe="released")),
    ]
    names = [name(other) for other in (config, *different)]
    names += [name(config, "B"), name(config, data_hash="2")]
    assert len(set(names)) == len(names)


def test_c_is_burnt_in_as_a_unless_it_is_another_network():
    config = load_config(overrides={"optimisation.burn_in_epochs": 5})
    assert burn_in_config(config, "C") == burn_in_config(config, "A")
    lighter = replace(config, student=NetworkConfig("resnet18", width=32))
    own = burn_in_config(lighter, "C")
    assert own.network == lighter.student
    assert own.method.options == {"role": "C"}
