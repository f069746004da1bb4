"""Cells in processes: failures, locks, threads, and what is prepared once."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmarks.commands.main import main
from benchmarks.report.reproduce import commands
from benchmarks.results.results import read_results
from benchmarks.running import runner
from sspcm.config_io import load_config
from sspcm.data import sets as sets_module
from sspcm.data.sets import make_sets
from wepdtof_pose.commands.main import main as toolkit
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.locks import LockedError, exclusive
from wepdtof_pose.splits.hold_out import subset_record


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry run"])
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("file", "file is a file, not a folder"),
        ("file/below", "file is a file, not a folder"),
        ("mine", "supervised-8-seed0: is not empty and holds no run; name another folder"),
        ("taken", "supervised-8-seed0 is a file, not a folder"),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused_at_once(
    tiny_fisheye, tmp_path, bench_arguments, place, message, dry
):
    (tmp_path / "file").write_text("")
    notes = tmp_path / "mine" / "cells" / "supervised-8-seed0" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    (tmp_path / "taken" / "cells").mkdir(parents=True)
    (tmp_path / "taken" / "cells" / "supervised-8-seed0").write_text("")
    before = sorted(tmp_path.rglob("*"))
    more = ("--ratio", "8", "--methods", "supervised", "--preset", "quick", *dry)
    found = CliRunner().invoke(main, bench_arguments(tiny_fisheye, tmp_path / place, *more))
    assert found.exit_code == 2
    assert message in found.output
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_left_to_run_does_not_change_a_cell(
    tiny_fisheye, tmp_path, bench_arguments, monkeypatch
):
    """With one cell missing, a job must not get the cores of all."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    output = tmp_path / "out"
    more = ("--ratio", "8", "--methods", "supervised", "--seeds", "2", "--preset", "quick")
    arguments = bench_arguments(tiny_fisheye, output, *more, "--set", "threads=0", "--jobs", "2")
    assert CliRunner().invoke(main, arguments).exit_code == 0
    cell = output / "cells" / "supervised-8-seed1"
    before = [(cell / name).read_text() for name in ("env.json", "predictions.json")]
    shutil.rmtree(cell)
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert [(cell / name).read_text() for name in ("env.json", "predictions.json")] == before


def test_data_that_changed_under_their_path_are_refused_before_anything_is_trained(
    copied, tiny_fisheye, tmp_path, bench_arguments
):
    data = tmp_path / tiny_fisheye.name
    shutil.copytree(tiny_fisheye, data)
    more = ("--ratio", "9", "--methods", "supervised", "--preset", "quick")
    for file in (data / "annotations").glob("*.json"):
        content = json.loads(file.read_text())
        content["annotations"][0]["bbox"][2] += 1
        file.write_text(json.dumps(content))
    for config in (copied / "cells").glob("*/config.yaml"):
        config.write_text(config.read_text().replace(str(tiny_fisheye), str(data)))
    for dry in ((), ("--dry-run",)):
        found = CliRunner().invoke(main, bench_arguments(data, copied, *more, *dry))
        assert found.exit_code == 2
        assert "was made with data_hash" in found.output
        assert not (copied / "cells" / "supervised-9-seed0").exists()


def test_a_list_of_people_that_changed_is_not_taken_for_the_same_budget(
    tiny_fisheye, tmp_path, bench_arguments
):
    listed = tmp_path / "listed.json"
    options = ["--labels", "8", "--order", "random", "--leave-out-test"]

    def run_with_list(seed, methods):
        split = ["split", str(tiny_fisheye), *options, "--seed", seed, "-o", str(listed)]
        listed.unlink(missing_ok=True)
        assert CliRunner().invoke(toolkit, split).exit_code == 0
        more = ("--ratio", str(listed), "--methods", methods, "--preset", "small")
        return CliRunner().invoke(main, bench_arguments(tiny_fisheye, tmp_path / "runs", *more))

    found = run_with_list("1", "supervised")
    assert found.exit_code == 0, found.output
    found = run_with_list("2", "supervised,sspcm")
    assert found.exit_code == 2
    assert "was made with labels_hash" in found.output
    cells = [path.name for path in (tmp_path / "runs" / "cells").iterdir()]
    assert len(cells) == 1
    assert run_with_list("1", "supervised,sspcm").exit_code == 0


def test_a_comparison_is_the_same_by_another_path_and_after_a_move(
    copied, tiny_fisheye, tmp_path, bench_arguments, monkeypatch
):
    more = ("--ratio", "8", "--preset", "quick", "--dry-run")
    configs = list((copied / "cells").glob("*/config.yaml"))
    monkeypatch.chdir(tiny_fisheye.parent)
    for path in (tiny_fisheye.name, str(tmp_path / "gone" / tiny_fisheye.name)):
        for config in configs:
            config.write_text(config.read_text().replace(str(tiny_fisheye), path))
        found = CliRunner().invoke(main, bench_arguments(tiny_fisheye, copied, *more))
        assert found.exit_code == 0, found.output
        assert "2 cells, 0 to run" in found.output
        for config in configs:
            config.write_text(config.read_text().replace(f"path: {path}", f"path: {tiny_fisheye}"))


def test_data_that_were_renamed_are_the_same_and_changed_ones_are_not(
    copied, tiny_fisheye, tmp_path, bench_arguments
):
    more = ("--ratio", "8", "--preset", "quick", "--dry-run")
    renamed = tmp_path / "of_another_name"
    shutil.copytree(tiny_fisheye, renamed)
    found = CliRunner().invoke(main, bench_arguments(renamed, copied, *more))
    assert found.exit_code == 0, found.output
    assert "2 cells, 0 to run" in found.output
    file = next((renamed / "annotations").glob("*.json"))
    content = read_json(file)
    content["annotations"][0]["area"] += 1
    write_json(file, content)
    found = CliRunner().invoke(main, bench_arguments(renamed, copied, *more))
    assert found.exit_code == 2
    assert "was made with data.path" in found.output


def test_a_list_of_people_in_a_folder(tiny_fisheye, tmp_path, bench_arguments):
    config = load_config(overrides={"data.path": str(tiny_fisheye), "data.labels": "8"})
    sets = make_sets(config.data)
    whole = load_dataset(tiny_fisheye)["all"]
    ids = sets.train.people["id"].iloc[sets.labelled]
    rows = np.flatnonzero(whole.people["id"].isin(ids))
    labelled = tmp_path / "lists" / "mine.json"
    write_json(labelled, subset_record(whole, rows, labels="8", order="file", seed=None))
    more = ("--ratio", str(labelled), "--methods", "supervised", "--preset", "quick")
    found = CliRunner().invoke(main, bench_arguments(tiny_fisheye, tmp_path / "out", *more))
    assert found.exit_code == 0, found.output
    assert len(read_results(tmp_path / "out").cells) == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--ratio", "banana"), "'banana' is not understood"),
        (("--ratio", "5k"), "asks for 5000 labelled people"),
        (("--ratio", "8", "--data", "nowhere"), "nowhere: no such file or folder"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_impossible_budgets_and_data_are_refused_at_once(tmp_path, monkeypatch, more, message, dry):
    monkeypatch.setattr(runner, "generate", lambda *_, **__: pytest.fail("made data"))
    arguments = ["run", "--preset", "quick", *more, "-o", str(tmp_path / "out"), *dry]
    found = CliRunner().invoke(main, arguments)
    assert (found.exit_code, message in found.output) == (2, True), found.output


@pytest.mark.parametrize("more", [[], ["--set", "data.upright=false"]], ids=["unsaid", "not so"])
def test_crops_of_people_seen_from_a_ceiling_are_turned(
    tiny_fisheye, tmp_path, bench_arguments, more, monkeypatch
):
    read = []
    monkeypatch.setattr(
        sets_module, "load_dataset", lambda *of, **how: read.append(of) or load_dataset(*of, **how)
    )
    arguments = bench_arguments(tiny_fisheye, tmp_path / "out", "--methods", "supervised", *more)
    done = CliRunner().invoke(
        main, [*arguments, "--preset", "quick", "--labels", "8", "--labels", "50%"]
    )
    assert done.exit_code == 0, done.output
    assert len(read) == 1
    assert done.output.count("crops are turned head up") == (not more)
    comparison = read_results(tmp_path / "out")
    assert [cell.config.data.upright for cell in comparison.cells] == [not more] * 2
    (again,) = commands(comparison)
    assert f"data.upright={'false' if more else 'true'}" in again


def test_a_failed_cell_leaves_its_log_and_a_second_run_does_what_is_missing(
    tiny_fisheye, tmp_path, bench_arguments, monkeypatch
):
    output, weights = tmp_path / "out", tmp_path / "warm.pt"
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "methods: [supervised]\nlabels: [8]\npreset: quick\n"
        f"networks: {{warm: {{network.pretrained: {weights}}}, plain: {{}}}}\n"
    )
    arguments = bench_arguments(tiny_fisheye, output, "--grid", str(grid))
    first = CliRunner().invoke(main, arguments)
    assert first.exit_code == 1
    log = output / "logs" / "supervised-8-seed0-warm.log"
    assert f"failed, see {log}" in first.output
    assert "warm.pt" in log.read_text()
    assert "supervised-8-seed0: done" in first.output
    assert "| 8 " in first.output

    shutil.copy(output / "cells" / "supervised-8-seed0" / "checkpoints" / "last.pt", weights)
    second = CliRunner().invoke(main, arguments)
    assert second.exit_code == 0, log.read_text()
    assert "supervised-8-seed0: already there" in second.output
    found = read_results(output)
    assert len(found.backbones) == 2
    assert "| backbone " in second.output

    monkeypatch.chdir(tmp_path)
    again = [shlex.split(line) for line in commands(found)]
    assert [words[0] for words in again] == ["echo", "sspcm-bench", "sspcm-bench"]
    Path(again[0][-1]).write_text(again[0][1])
    for words in again[1:]:
        assert words[-1] == "out-again"
        third = CliRunner().invoke(main, [*words[1:-1], str(output)])
        assert third.exit_code == 0, third.output
        assert third.output.count("already there") == 1


def test_another_preset_or_configuration_needs_another_folder(
    comparison, tiny_fisheye, bench_arguments
):
    more = ("--ratio", "9", "--seeds", "1", "--methods", "supervised", "--preset", "small")
    found = CliRunner().invoke(main, bench_arguments(tiny_fisheye, comparison, *more))
    assert found.exit_code == 2
    assert "comparison at preset 'quick'" in found.output
    more = ("--ratio", "8", "--preset", "quick", "--set", "optimisation.learning_rate=0.1")
    found = CliRunner().invoke(main, bench_arguments(tiny_fisheye, comparison, *more))
    assert found.exit_code == 2
    assert "holds a run with optimisation.learning_rate" in found.output


def test_the_folder_of_a_single_run_is_none_of_a_comparison(
    comparison, tiny_fisheye, bench_arguments
):
    run = next(path for path in (comparison / "cells").iterdir() if path.is_dir())
    before = sorted(run.rglob("*"))
    more = ("--ratio", "8", "--preset", "quick")
    found = CliRunner().invoke(main, bench_arguments(tiny_fisheye, run, *more))
    assert found.exit_code == 2
    assert f"{run}: is the folder of a single run" in found.output
    assert sorted(run.rglob("*")) == before


def test_data_of_another_folder_are_refused_before_anything_is_made(
    comparison, tiny_fisheye, bench_arguments, monkeypatch
):
    monkeypatch.setattr(runner, "generate", lambda *_, **__: pytest.fail("made data"))
    before = sorted(comparison.rglob("*"))
    for more, message in (
        (("--data", "elsewhere"), "elsewhere: no such file or folder"),
        (("--set", "data.test_seed=1"), "was made with data.test_seed = 0, not 1"),
        (("--preset", "small"), "comparison at preset 'quick'"),
    ):
        arguments = bench_arguments(tiny_fisheye, comparison, "--ratio", "9", "--preset", "quick")
        found = CliRunner().invoke(main, [*arguments, *more])
        assert found.exit_code == 2, found.output
        assert message in found.output
    without = [word for word in arguments if word not in ("--data", str(tiny_fisheye))]
    found = CliRunner().invoke(main, without)
    assert found.exit_code == 2
    assert "was made with data.path" in found.output
    assert sorted(comparison.rglob("*")) == before


@pytest.mark.parametrize(
    ("more", "device"),
    [
        ((), "auto"),
        (("--set", "device=cpu"), "cpu"),
        (("--set", "device=cuda", "--device", "cpu"), "cpu"),
    ],
)
def test_the_device_is_that_of_the_option_or_the_setting(tmp_path, monkeypatch, more, device):
    seen = []

    def unfinished(cells, *_, **__):
        seen.append(cells)
        return []

    monkeypatch.setattr(runner, "unfinished", unfinished)
    arguments = [
        "run",
        "--preset",
        "quick",
        "--ratio",
        "60",
        "-o",
        str(tmp_path / "out"),
        "--dry-run",
    ]
    found = CliRunner().invoke(main, [*arguments, *more])
    assert found.exit_code == 0, found.output
    assert {cell.config.device for cell in seen[0]} == {device}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused_at_once(tmp_path):
    arguments = ["run", "--preset", "quick", "--ratio", "60", "-o", str(tmp_path / "out")]
    found = CliRunner().invoke(main, [*arguments, "--device", "cuda"])
    assert found.exit_code == 2
    assert "torch sees no CUDA device" in found.output
    assert not (tmp_path / "out").exists()


def test_two_runs_on_a_fresh_folder_make_the_data_once(tmp_path, monkeypatch):
    """The second one does not touch what the first one is making."""
    making = []

    def generate(folder, **_):
        making.append(folder)
        with pytest.raises(LockedError), exclusive(tmp_path / "locks" / "data", patience=0):
            pass

    monkeypatch.setattr(runner, "generate", generate)
    runner.make_fisheye(tmp_path, preset="quick")
    assert making == [tmp_path / "data" / "fisheye-1000"]
