"""What a run's unlabelled people are taught: numbers of the method, written as COCO results."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import runner

from sspcm.commands.main import main
from sspcm.config_io import load_config
from sspcm.data.sets import make_sets, pool_people
from sspcm.inference.open import open_networks
from sspcm.methods.method import taught_by
from sspcm.training.pool_labels import run_labels
from sspcm.training.train import train
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.scores.predictions import from_results

run = runner(main)


def train_as(tiny_run: Path, folder: Path, **changes: object) -> Path:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    train(load_config(tiny_run / "config.yaml", overrides=named), folder)
    return folder


def test_two_maps_closed_form() -> None:
    own, other = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    own[0, 0, 1, 2], other[0, 0, 5, 5] = 0.8, 0.3
    own[0, 1, 4, 4], other[0, 1, 4, 4] = 0.5, 0.9
    taught = taught_by(own, other)
    assert taught.inconsistency is not None
    assert taught.inconsistency.tolist() == [[5.0, 0.0]]
    assert taught.confidence.tolist() == [[pytest.approx(0.8), 0.5]]
    assert taught.kept.all()
    assert taught_by(own).inconsistency is None


def test_the_command_writes_results_of_every_person_of_the_pool(
    tiny_run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "labels.json"
    done = run("pseudo-labels", tiny_run, "-o", file)
    assert done.exit_code == 0, done.output
    entries = read_json(file)
    config = load_config(tiny_run / "config.yaml")
    people, _ = pool_people(config.data, make_sets(config.data))
    assert done.output == f"{len(people)} people written to {file}\n"
    assert [entry["person_id"] for entry in entries] == people.people["id"].tolist()
    assert sum(entry["labelled"] for entry in entries) == 12
    poses = from_results(entries, people, source="labels")
    assert poses.keypoints.shape == people.keypoints.shape
    # Each lies on its own crop, which is larger than the box.
    middle = people.boxes[:, :2] + people.boxes[:, 2:] / 2
    far = np.abs(poses.keypoints[..., :2] - middle[:, None]).max(axis=(1, 2))
    assert (far < 3 * people.boxes[:, 2:].max(axis=1)).all()
    for entry in entries:
        assert len(entry["inconsistency"]) == len(entry["kept"]) == 14
        assert set(entry["kept"]) <= {0, 1}
        confidence = np.array(entry["keypoints"])[2::3]
        # SSPCM's threshold, below the third decimal of what is written.
        assert all(
            (value > 0.1) == bool(kept)
            for value, kept in zip(confidence, entry["kept"], strict=True)
            if abs(value - 0.1) > 1e-3
        )


def test_decoding_is_taken_and_a_flip_test_refused(tiny_run: Path, tmp_path: Path) -> None:
    found = {}
    for decoding in ("none", "shift"):
        file = tmp_path / f"{decoding}.json"
        assert run("pseudo-labels", tiny_run, "--decoding", decoding, "-o", file).exit_code == 0
        found[decoding] = read_json(file)
    assert found["none"] != found["shift"]
    done = run("pseudo-labels", tiny_run, "--flip-test", "-o", tmp_path / "labels.json")
    assert (done.exit_code, "from one view" in done.output) == (2, True)


def test_inconsistency_is_the_distance_of_the_teachers(tiny_run: Path) -> None:
    networks = open_networks(tiny_run)
    crops = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    taught = networks.method.taught(crops)
    with torch.no_grad():
        maps = networks.method.eval().heatmaps(crops)
    a, b = maps["A"].flatten(2).argmax(dim=2), maps["B"].flatten(2).argmax(dim=2)
    across, down = a % 16 - b % 16, a // 16 - b // 16
    assert taught.inconsistency is not None
    torch.testing.assert_close(taught.inconsistency, (across**2 + down**2).float().sqrt())
    # A checkpoint's past teachers are its present ones: the pair's mean is that of A and B.
    torch.testing.assert_close(taught.heatmaps, maps["mean"])


def test_a_run_writes_them_and_learns_the_same(tiny_run: Path, tmp_path: Path) -> None:
    own = train_as(tiny_run, tmp_path / "run", evaluation__pseudo_labels=True)
    labels, before = read_json(own / "pseudo_labels.json"), read_json(tiny_run / "result.json")
    assert read_json(own / "result.json")["last"] == before["last"]
    assert not (tiny_run / "pseudo_labels.json").exists()
    after = run_labels(open_networks(own))
    # Poses differ where a teacher of the past agreed better than the present one.
    assert [entry["person_id"] for entry in labels] == [entry["person_id"] for entry in after]
    nearer = [
        now >= then
        for one, other in zip(labels, after, strict=True)
        for then, now in zip(one["inconsistency"], other["inconsistency"], strict=True)
    ]
    assert all(nearer)
    assert any(
        one["inconsistency"] != two["inconsistency"] for one, two in zip(labels, after, strict=True)
    )


def test_a_disk_without_room_for_their_crops_says_so_before_training(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for the windows of training, and not for the crops of those to be labelled."""
    room = shutil.disk_usage(tmp_path)

    def usage(folder: Path) -> object:
        stores = list(Path(folder).glob("*.npy"))
        return room if len(stores) < 2 else room._replace(free=0)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    changes = {"evaluation__pseudo_labels": True, "data__cache": str(tmp_path / "crops")}
    with pytest.raises(InputError, match=r"no room for the crops of .* are free"):
        train_as(tiny_run, tmp_path / "run", **changes)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.parametrize("method", ["pose_dual", "pose_cons", "multi_augs", "pseudo_pose"])
def test_other_methods(method: str, tiny_run: Path, tmp_path: Path) -> None:
    own = train_as(
        tiny_run,
        tmp_path / "run",
        method__name=method,
        optimisation__epoch_steps=1,
        method__options={},
    )
    entries = run_labels(open_networks(own))
    alone = method in ("pose_cons", "pseudo_pose")
    assert all((value is None) == alone for entry in entries for value in entry["inconsistency"])


@pytest.mark.parametrize("method", ["supervised", "data_distill"])
def test_a_method_without_them_is_refused_before_it_trains(
    method: str, tiny_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"method {method}: .*pseudo-labels"):
        train_as(tiny_run, tmp_path / "run", method__name=method, evaluation__pseudo_labels=True)
    assert not (tmp_path / "run").exists()


def test_the_command_refuses_a_supervised_run(single_run: Path, tmp_path: Path) -> None:
    done = run("pseudo-labels", single_run, "-o", tmp_path / "labels.json")
    assert done.exit_code == 2
    assert "method supervised: gives no pseudo-labels" in done.output
    assert not (tmp_path / "labels.json").exists()
