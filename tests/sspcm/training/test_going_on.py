"""Runs that go on: by themselves, to more epochs, with data that were moved, from damaged files."""

import json
import shutil

import pytest
import torch
from click.testing import CliRunner

from sspcm.commands.main import main
from sspcm.config_io import load_config
from sspcm.data.sets import make_sets
from sspcm.runs.folder import RunFolder
from sspcm.training.train import train
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json


@pytest.fixture
def short(settings):
    """A supervised run of two epochs."""
    return settings | {"method.name": "supervised", "optimisation.epochs": 2}


def command(*arguments):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def rows_of(folder):
    rows = RunFolder(folder).read_metrics()
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_a_finished_run_goes_on_longer_as_if_it_had_never_ended(short, tmp_path):
    whole, grown = tmp_path / "whole", tmp_path / "grown"
    train(load_config(overrides=short | {"optimisation.epochs": 4}), whole)
    train(load_config(overrides=short), grown)
    before = read_json(grown / "result.json")
    found = command("--resume", "-o", grown, "--set", "optimisation.epochs=4")
    assert found.exit_code == 0, found.output
    assert rows_of(grown) == rows_of(whole)
    assert read_json(grown / "result.json")["last"] == read_json(whole / "result.json")["last"]
    assert read_json(grown / "result.2-epochs.json") == before
    assert load_config(grown / "config.yaml").optimisation.epochs == 4
    with pytest.raises(InputError, match=r"optimisation.epochs = 4, not 3"):
        train(load_config(overrides=short | {"optimisation.epochs": 3}), grown, resume=True)


def test_a_run_that_ended_before_it_learned_may_be_begun_again(short, tmp_path):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "run"
    with pytest.raises(InputError, match=r"--set data\.cache=FOLDER"):
        train(load_config(overrides=short | {"data.cache": str(tmp_path / "file")}), folder)
    assert RunFolder(folder).config_file.is_file()
    train(load_config(overrides=short | {"optimisation.epochs": 1}), folder)
    assert len(rows_of(folder)) == 1
    assert load_config(RunFolder(folder).config_file).optimisation.epochs == 1
    own = tmp_path / "own"
    own.mkdir()
    (own / "config.yaml").write_text("# somebody's own\n")
    for held in (folder, own):
        with pytest.raises(InputError, match="already holds a run"):
            train(load_config(overrides=short), held)
    assert (own / "config.yaml").read_text() == "# somebody's own\n"


def test_resume_alone_takes_the_configuration_of_the_folder(short, tmp_path):
    folder = tmp_path / "run"
    train(load_config(overrides=short), folder)
    result = (folder / "result.json").read_text()
    (folder / "result.json").unlink()
    found = command("--resume", "-o", folder)
    assert found.exit_code == 0, found.output
    again, before = json.loads((folder / "result.json").read_text()), json.loads(result)
    assert again["last"] == before["last"]


def test_a_run_of_which_a_file_was_not_copied_is_refused(single_run, tmp_path, caplog):
    folder = tmp_path / "run"
    shutil.copytree(single_run, folder)
    (folder / "result.json").unlink()
    (folder / "metrics.jsonl").unlink()
    config = load_config(folder / "config.yaml")
    said = r"metrics\.jsonl: has 0 epochs, but .*last\.pt is of epoch 1: one of them was not copied"
    with pytest.raises(InputError, match=said):
        train(config, folder, resume=True)
    assert not (folder / "result.json").exists()
    shutil.copy(single_run / "metrics.jsonl", folder)
    (folder / "checkpoints" / "last.pt").unlink()
    assert train(config, folder, resume=True).epochs == 1
    assert f"{folder / 'checkpoints' / 'last.pt'} is not there: the run begins anew" in caplog.text


def test_a_schedule_that_depends_on_the_epochs_is_not_grown(short, tmp_path):
    folder = tmp_path / "run"
    train(load_config(overrides=short | {"method.name": "pseudo_pose"}), folder)
    longer = short | {"method.name": "pseudo_pose", "optimisation.epochs": 4}
    with pytest.raises(InputError, match=r"network\.pretrained=.*run/checkpoints/last\.pt"):
        train(load_config(overrides=longer), folder, resume=True)
    assert RunFolder(folder).finished
    assert load_config(folder / "config.yaml").optimisation.epochs == 2


@pytest.fixture
def moved(short, tiny_fisheye, tmp_path, monkeypatch):
    """A run in the middle, made with a relative path, whose data then got another name."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_fisheye, "d200")
    train(load_config(overrides=short | {"data.path": "d200"}), tmp_path / "run")
    RunFolder(tmp_path / "run").result_file.unlink()
    (tmp_path / "d200").rename(tmp_path / "other")
    return tmp_path / "run"


def test_data_that_were_moved_are_named_with_data(moved, tmp_path):
    found = command("--resume", "-o", moved)
    assert found.exit_code == 2
    assert "the run's data d200 are not here" in found.output
    assert "--data" in found.output
    found = command("--resume", "-o", moved, "--data", tmp_path / "other")
    assert found.exit_code == 0, found.output
    assert load_config(moved / "config.yaml").data.path == str(tmp_path / "other")


def test_other_data_under_a_new_name_are_refused(moved, tmp_path):
    file = tmp_path / "other" / "annotations" / "person_keypoints.json"
    content = read_json(file)
    content["annotations"][0]["area"] += 1
    file.write_text(json.dumps(content))
    found = command("--resume", "-o", moved, "--data", tmp_path / "other")
    assert found.exit_code == 2
    assert "the annotations of data.path were changed since" in found.output
    assert load_config(moved / "config.yaml").data.path == "d200"


@pytest.mark.parametrize("place", ["d200", "other"])
def test_a_finished_run_is_not_taken_for_one_of_other_data(short, tiny_fisheye, tmp_path, place):
    for name in ("d200", "other"):
        shutil.copytree(tiny_fisheye, tmp_path / name)
    arguments = [
        f"--set={key}={json.dumps(value)}" for key, value in short.items() if key != "data.path"
    ]
    folder = tmp_path / "run"
    assert command(*arguments, "--data", tmp_path / "d200", "-o", folder).exit_code == 0
    result = (folder / "result.json").read_text()
    file = tmp_path / place / "annotations" / "person_keypoints.json"
    content = read_json(file)
    content["annotations"][0]["area"] += 1
    file.write_text(json.dumps(content))
    found = command(*arguments, "--data", tmp_path / place, "--resume", "-o", folder)
    assert found.exit_code == 2
    assert "the annotations of data.path were changed since" in found.output
    assert (folder / "result.json").read_text() == result


@pytest.mark.parametrize(
    "damage", ["shapes", "lacking", "progress", "progress text", "groups", "moments"]
)
def test_a_checkpoint_of_another_form_is_one_line(short, tmp_path, single_run, damage):
    folder = tmp_path / "run"
    shutil.copytree(single_run, folder)
    run = RunFolder(folder)
    run.result_file.unlink()
    state = torch.load(run.last_checkpoint, weights_only=True)
    name = next(iter(state["method"]))
    if damage == "shapes":
        state["method"][name] = torch.zeros(1)
    elif damage == "lacking":
        del state["method"][name]
    elif damage == "progress":
        del state["progress"]
    elif damage == "progress text":
        state["progress"]["epoch"] = "one"
    elif damage == "groups":
        del state["optimiser"]["param_groups"]
    else:
        state["optimiser"]["state"][0]["exp_avg"] = torch.zeros(3)
    torch.save(state, run.last_checkpoint)
    with pytest.raises(InputError, match="does not fit the run's configuration") as raised:
        train(run.load_config(), folder, resume=True)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kept", [0, 5000])
def test_a_checkpoint_that_was_cut_short_says_how_to_begin_anew(tmp_path, single_run, kept):
    folder = tmp_path / "run"
    shutil.copytree(single_run, folder)
    run = RunFolder(folder)
    result = read_json(run.result_file)["last"]
    run.result_file.unlink()
    run.last_checkpoint.write_bytes(run.last_checkpoint.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"last\.pt: .*remove it to begin the run anew"):
        train(run.load_config(), folder, resume=True)
    run.last_checkpoint.unlink()
    assert train(run.load_config(), folder, resume=True).last == result


def test_the_result_says_what_the_run_said_first(short, tmp_path):
    config = load_config(overrides=short | {"optimisation.epochs": 1})
    result = train(config, tmp_path / "run")
    sets = make_sets(config.data)
    assert result.summary is not None
    assert (result.summary.labelled, result.summary.test) == (12, len(sets.tested))
    assert read_json(tmp_path / "run" / "result.json")["summary"]["doubts"] == [
        "optimisation.milestones: the learning rate does not drop at 2, as the run has 1 epochs"
    ]
