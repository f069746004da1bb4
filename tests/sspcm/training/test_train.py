"""Training runs end to end: the same numbers after a kill, and on several processes."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from benchmarks.results.results import read_cell
from sspcm.config_io import load_config, to_yaml
from sspcm.hardware import choose_hardware
from sspcm.inference.evaluate import evaluate_networks, load_test_people, own_test_people
from sspcm.inference.open import open_networks
from sspcm.runs.folder import RunFolder
from sspcm.training.train import train
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, sweep, write_json
from wepdtof_pose.formats import coco
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.keypoints import get_keypoint_set


def command(settings, folder, *more):
    file = folder.with_suffix(".yaml")
    file.write_text(to_yaml(load_config(overrides=settings)), encoding="utf-8")
    run = ["-m", "sspcm", "train", "--config", str(file), "-o", str(folder)]
    return [sys.executable, *run, *more]


def rows_without_time(folder):
    rows = RunFolder(folder).read_metrics()
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def result_without_time(folder):
    result = RunFolder(folder).read_result()
    return {
        key: value
        for key, value in result.as_json().items()
        if key not in ("training_seconds", "peak_memory_bytes")
    }


@pytest.mark.parametrize("method", ["supervised", "sspcm"])
def test_a_killed_run_ends_as_an_uninterrupted_one(settings, tmp_path, method):
    settings |= {"method.name": method}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(load_config(overrides=settings), whole)
    process = subprocess.Popen(command(settings, broken), stderr=subprocess.DEVNULL)
    metrics = RunFolder(broken).metrics_file
    deadline = time.monotonic() + 120
    while not metrics.is_file() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert metrics.is_file()
    assert not RunFolder(broken).finished
    train(load_config(overrides=settings), broken, resume=True)
    assert rows_without_time(broken) == rows_without_time(whole)
    assert result_without_time(broken) == result_without_time(whole)
    predictions = [RunFolder(f).predictions_file.read_bytes() for f in (whole, broken)]
    assert predictions[0] == predictions[1]


def test_a_resumed_run_goes_on_with_its_threads_and_keeps_its_peak(settings, tmp_path):
    settings |= {"method.name": "supervised", "threads": 0, "optimisation.epochs": 1}
    run = RunFolder(tmp_path / "run")
    train(load_config(overrides=settings), run.path)
    environment, peak = read_json(run.environment_file), run.read_result().peak_memory_bytes
    write_json(run.environment_file, environment | {"threads": environment["threads"] + 1})
    run.result_file.unlink()
    state = torch.load(run.last_checkpoint, weights_only=True)
    assert state["progress"]["peak_memory"] == pytest.approx(peak, rel=0.3)
    state["progress"]["peak_memory"] = 10**15
    torch.save(state, run.last_checkpoint)
    try:
        result = train(load_config(overrides=settings), run.path, resume=True)
        assert torch.get_num_threads() == environment["threads"] + 1
    finally:
        torch.set_num_threads(environment["threads"])
    assert result.peak_memory_bytes == 10**15


def test_the_log_says_device_and_precision(settings, tmp_path):
    done = subprocess.run(
        command(settings | {"method.name": "supervised"}, tmp_path / "run"),
        capture_output=True,
        text=True,
        check=True,
    )
    device = json.loads((tmp_path / "run" / "env.json").read_text())["device"]
    line = f"supervised, recipe corrected: resnet18 on {device}, float32, 1 thread, 1 process"
    assert line in done.stderr.splitlines()
    # A line an epoch, where no terminal shows the progress bar; scores where there are some.
    epochs = [text for text in done.stderr.splitlines() if text.startswith("epoch ")]
    assert [text.split(",")[0] for text in epochs] == [f"epoch {n}/4" for n in (1, 2, 3, 4)]
    assert ["PCK@0.2 " in text for text in epochs] == [False, True, False, True]
    assert all("supervised loss 0." in text for text in epochs)


def test_the_run_folder_holds_everything(settings, tmp_path):
    folder = tmp_path / "run"
    result = train(load_config(overrides=settings), folder)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "config.yaml",
        "metrics.jsonl",
        "result.json",
        "predictions.json",
        "env.json",
        "keypoints.json",
        "checkpoints/last.pt",
        "checkpoints/best.pt",
    }
    assert list(result.last) == ["A", "B", "mean", "C"]
    assert result.reported == "C"
    assert result.steps == 20
    assert [("scores" in row) for row in RunFolder(folder).read_metrics()] == [
        False,
        True,
        False,
        True,
    ]
    assert yaml.safe_load((folder / "config.yaml").read_text())["method"]["name"] == "sspcm"
    assert len(json.loads((folder / "predictions.json").read_text())) == result.people_test


def test_a_folder_with_another_run_is_refused_with_the_difference(settings, tmp_path):
    folder = tmp_path / "run"
    settings |= {"method.name": "supervised", "optimisation.epochs": 1}
    train(load_config(overrides=settings), folder)
    with pytest.raises(InputError, match="--resume"):
        train(load_config(overrides=settings), folder)
    with pytest.raises(InputError, match=r"seed = 0, not 7"):
        train(load_config(overrides=settings | {"seed": 7}), folder, resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no run"):
        train(load_config(overrides=settings), tmp_path / "other")
    with pytest.raises(InputError, match=r"thesis.txt: the folder cannot be made"):
        train(load_config(overrides=settings), tmp_path / "other" / "thesis.txt")
    # A run that was killed while it made its folder leaves half a configuration.
    killed = RunFolder(tmp_path / "killed")
    killed.path.mkdir()
    (killed.path / ".config.yaml.x1y2z3w4.part").touch()
    (killed.path / ".DS_Store").touch()
    sweep(killed.path)
    killed.prepare(load_config(overrides=settings), resume=True)
    assert {path.name for path in killed.path.iterdir()} == {"config.yaml", ".DS_Store"}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("data_hash", "0", "the annotations of data.path were changed since; restore that"),
        ("processes", 2, "it began with processes = 2, and would go on with 1; restore that"),
        ("device_type", "cuda", "it began with device_type = 'cuda', and would go on with 'cpu'"),
        ("precision", "bfloat16", "it began with precision = 'bfloat16', and would go on with"),
    ],
)
def test_a_run_goes_on_only_as_it_began(single_run, tmp_path, key, value, said):
    folder = tmp_path / "run"
    shutil.copytree(single_run, folder)
    run, config = RunFolder(folder), load_config(single_run / "config.yaml")
    run.result_file.unlink()
    began = read_json(run.environment_file)
    write_json(run.environment_file, began | {key: value})
    with pytest.raises(InputError, match=f"is not the same run any more: {said}"):
        train(config, folder, resume=True)
    # Nor is the record overwritten by the attempt; older folders have none.
    assert read_json(run.environment_file)[key] == value
    write_json(run.environment_file, {k: v for k, v in began.items() if k != key})
    train(config, folder, resume=True)
    assert run.finished


def test_data_without_sigmas_are_refused_before_the_first_epoch(settings, tmp_path, tiny_fisheye):
    people = load_dataset(tiny_fisheye)["all"]
    names = tuple(f"joint {number}" for number in range(14))
    mine = dataclasses.replace(people.keypoint_set, name="mine", joints=names, sigmas=None)
    file = tmp_path / "data" / "annotations" / "person_keypoints.json"
    coco.write(dataclasses.replace(people, keypoint_set=mine, meta={}), file)
    (tmp_path / "data" / "images").symlink_to(people.root)
    settings["data.path"] = str(tmp_path / "data")
    with pytest.raises(InputError, match="sigmas"):
        train(load_config(overrides=settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("index", [2, 7])
def test_a_gpu_that_is_not_there_is_named(monkeypatch, index):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match=f"'cuda:{index}' asked for, but torch sees 2"):
        choose_hardware(f"cuda:{index}", "auto")
    with pytest.raises(InputError, match=f"'cuda:{index}' asked for"):
        choose_hardware("cuda", "float32", local_rank=index)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_said_with_the_option_that_names_another():
    with pytest.raises(InputError, match=r"'cuda' asked for \(--device\), .* no CUDA device here"):
        choose_hardware("cuda", "auto")
    with pytest.raises(InputError, match=r"choose --device cpu or auto, or install"):
        choose_hardware("cuda:0", "auto")
    for name in ("gpu", "mps", "", "cuda:x"):
        with pytest.raises(InputError, match=r"\(--device\): choose --device auto, cpu, cuda or"):
            choose_hardware(name, "auto")


@pytest.mark.parametrize("tested", ["held out", "one person"])
def test_two_processes_agree_and_write_one_run(settings, tmp_path, tiny_fisheye, tested):
    folder = tmp_path / "run"
    settings |= {"optimisation.epochs": 2, "optimisation.epoch_steps": 3}
    if tested == "one person":
        people = load_dataset(tiny_fisheye)["all"]
        coco.write(people, tmp_path / "data" / "annotations" / "train.json")
        one = people.select_people(np.array([0]))
        coco.write(one, tmp_path / "data" / "annotations" / "val.json")
        (tmp_path / "data" / "images").symlink_to(people.root)
        settings["data.path"] = str(tmp_path / "data")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    found = subprocess.run(
        [*torchrun, *command(settings, folder)[1:]],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("written: ") == 1
    assert found.stderr.count("epoch 2/2") == 1
    result = RunFolder(folder).read_result()
    assert result.processes == 2
    assert len(RunFolder(folder).read_metrics()) == 2
    # One process gives the networks that both have trained the same scores.
    networks = open_networks(folder)
    found = evaluate_networks(networks, own_test_people(networks))["networks"]
    assert found.keys() == result.last.keys()
    for name, scores in found.items():
        assert scores["people"] == result.people_test == scores["predictions"]
        for key in ("AP", "AR", "PCK@0.2"):
            assert scores[key] == pytest.approx(result.last[name][key], abs=0.02)
    assert len(json.loads((folder / "predictions.json").read_text())) == result.people_test


@pytest.mark.parametrize(("upright", "rotated"), [(False, False), (True, False), (False, True)])
def test_scores_by_radius_where_the_camera_is_a_ceilings(
    settings, tmp_path, tiny_fisheye, upright, rotated
):
    content = read_json(tiny_fisheye / "annotations" / "person_keypoints.json")
    for image in content["images"]:
        del image["fisheye"]
    for person in content["annotations"]:
        person["category_id"] = 7
        if not rotated:
            del person["rotated_box"]
    content["categories"][0]["id"] = 7
    write_json(tmp_path / "data" / "annotations" / "person_keypoints.json", content)
    (tmp_path / "data" / "images").symlink_to(tiny_fisheye / "images")
    settings |= {
        "data.path": str(tmp_path / "data"),
        "data.upright": upright,
        "method.name": "supervised",
        "optimisation.epochs": 1,
        "optimisation.epoch_steps": 1,
    }
    result = train(load_config(overrides=settings), tmp_path / "run")
    assert ("by_radius" in result.last["A"]) == (upright or rotated)
    # The category is the data set's, so that pycocotools finds the predictions.
    rows = read_json(tmp_path / "run" / "predictions.json")
    assert {row["category_id"] for row in rows} == {7}


def test_auto_is_float32_as_released():
    config = load_config(overrides={"method.recipe": "released"})
    assert (config.precision, config.chosen_precision) == ("auto", "float32")
    assert load_config().chosen_precision == "auto"


@pytest.mark.parametrize("recipe", ["corrected", "released"])
def test_an_unlabelled_set_and_both_recipes_train_to_a_score(settings, tmp_path, recipe):
    settings |= {
        "data.unlabelled": settings["data.path"],
        "method.recipe": recipe,
        "optimisation.epochs": 1,
    }
    result = train(load_config(overrides=settings), tmp_path / "run")
    assert result.trained_keypoint_set == (
        "union-24" if recipe == "released" else "wepdtof-pose-14"
    )
    scores = result.last["C"]
    assert set(scores["per_joint"]) == set(get_keypoint_set("wepdtof-pose-14").joints)
    assert scores["sigma_set"] == "wepdtof-pose-14"


def test_a_run_without_test_people_is_not_evaluated(settings, tmp_path):
    settings |= {"method.name": "supervised", "data.test_fraction": 0, "optimisation.epochs": 2}
    result = train(load_config(overrides=settings), tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    assert (result.last, result.best, result.best_epoch, result.people_test) == ({}, {}, 0, 0)
    assert run.read_result() == result
    assert not any("scores" in row for row in run.read_metrics())
    assert not run.predictions_file.exists()
    networks = open_networks(run.path)
    with pytest.raises(InputError, match="held nobody out for testing: name a data set"):
        own_test_people(networks)
    with pytest.raises(InputError, match="has learned from these people"):
        load_test_people(Path(settings["data.path"]), networks=networks)
    with pytest.raises(InputError, match=r"was not evaluated: data\.test_fraction is 0"):
        read_cell(run.path)
