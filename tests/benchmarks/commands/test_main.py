"""The command sspcm-bench: what it writes, what it does not do twice, what it refuses."""

import csv
import subprocess
import sys

import pytest
from click.testing import CliRunner

from benchmarks.commands.main import main
from benchmarks.plots.plots import draw_plots
from benchmarks.report.report import write_report
from benchmarks.results.results import read_results
from benchmarks.tables.compare import comparison_text
from sspcm.commands.main import main as sspcm
from sspcm.runs.folder import RunFolder
from wepdtof_pose import __version__
from wepdtof_pose.errors import InputError


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_every_cell_is_a_finished_run(comparison):
    names = {path.name for path in (comparison / "cells").iterdir()}
    assert names == {
        f"{method}-{labels}-seed{seed}"
        for method in ("supervised", "sspcm")
        for labels in ("8", "50pct")
        for seed in (0, 1)
    }
    assert all(RunFolder(comparison / "cells" / name).finished for name in names)


def test_a_second_run_repeats_nothing(comparison, tiny_fisheye, bench_arguments):
    files = sorted(p for p in (comparison / "cells").rglob("*") if p.is_file())
    before = [file.stat().st_mtime_ns for file in files]
    more = ("--labels", "8", "--ratio", "50%", "--seeds", "2", "--preset", "quick")
    found = CliRunner().invoke(main, bench_arguments(tiny_fisheye, comparison, *more))
    assert found.exit_code == 0
    assert found.output.count("already there") == 8
    assert [file.stat().st_mtime_ns for file in files] == before


def test_a_table_is_shown_where_its_folder_cannot_be_written(copied):
    (copied / "table.md").unlink(missing_ok=True)
    (copied / "table.md").mkdir()
    found = run("table", copied)
    assert found.exit_code == 2
    assert "| labels | method" in found.output
    assert "table.md: is a folder" in found.output


def test_the_table_names_what_it_was_measured_on(comparison):
    found = run("table", comparison)
    assert found.exit_code == 0
    result = RunFolder(comparison / "cells" / "sspcm-8-seed0").read_result()
    facts = (result.data_hash, result.split_hash, "corrected", "quick", "wepdtof-pose-14")
    assert all(f"`{fact}`" in found.output for fact in facts)
    rows = [line for line in found.output.splitlines() if line.startswith("| 8 ")]
    assert len(rows) == 2 + 2 + (1 + 4)
    for style, name in (("markdown", "md"), ("csv", "csv"), ("latex", "tex")):
        printed = run("table", comparison, "--format", style).output.strip()
        assert (comparison / f"table.{name}").read_text().strip() == printed


def test_the_csv_has_a_line_for_every_network_of_every_cell(comparison):
    run("table", comparison)
    with (comparison / "runs.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 * 2 * (1 + 4)
    result = RunFolder(comparison / "cells" / "sspcm-8-seed1").read_result()
    row = next(r for r in rows if (r["labels"], r["seed"], r["network"]) == ("8", "1", "C"))
    assert float(row["last PCK@0.2"]) == result.last["C"]["PCK@0.2"]


def test_methods_with_one_seed_see_the_same_people(comparison):
    results = [
        RunFolder(comparison / "cells" / f"{method}-8-seed0").read_result()
        for method in ("supervised", "sspcm")
    ]
    for key in ("data_hash", "split_hash", "people_labelled", "people_test", "steps"):
        assert getattr(results[0], key) == getattr(results[1], key)


def test_plots_are_pictures(comparison):
    found = run("plot", comparison)
    assert found.exit_code == 0
    names = ("label_budgets", "learning_curves", "pck_curves", "joints", "radius", "pseudo_labels")
    for name in names:
        assert (comparison / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (comparison / "plots" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert (comparison / "cells" / "sspcm-8-seed0" / "pseudo_label_quality.json").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--methods", "sspcm,magic"), "unknown method 'magic'"),
        (("--preset", "huge"), "unknown preset 'huge'"),
        (("--ratio", "1k"), "1000"),
        (("--set", "optimisation.epoch=3"), "unknown config key 'optimisation.epoch'"),
        (("--set", "nonsense"), "KEY=VALUE"),
        (("--set", "seed=7"), "use --seeds"),
        (("--set", "data.sigma=2020-13-45"), "must be of type float, not '2020-13-45'"),
        (("--data", ""), "'data' must be a text, not ''"),
        (("--network", "resnet19"), "unknown network 'resnet19'"),
    ],
    ids=[
        "method",
        "preset",
        "impossible budget",
        "config key",
        "setting",
        "axis",
        "date",
        "no data",
        "network",
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(
    tiny_fisheye, tmp_path, bench_arguments, more, message
):
    arguments = bench_arguments(tiny_fisheye, tmp_path / "out", "--ratio", "8")
    if "--ratio" in more:
        arguments = bench_arguments(tiny_fisheye, tmp_path / "out")
    found = CliRunner().invoke(main, [*arguments, *more])
    assert found.exit_code == 2
    assert message in found.output
    assert len(found.output.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "cells").exists()


@pytest.mark.parametrize("command", ["table", "plot", "report", "compare"])
def test_an_unknown_score_is_refused(comparison, command):
    folders = (comparison, comparison) if command == "compare" else (comparison,)
    found = run(command, *folders, "--score", "F1")
    assert found.exit_code == 2
    assert "'F1' is not one of" in found.output


def test_an_unknown_score_is_refused_from_python_too(comparison, tmp_path):
    for refused in (
        lambda: list(draw_plots(read_results(comparison), score="F1")),
        lambda: write_report(comparison, tmp_path / "report.html", score="F1"),
        lambda: comparison_text(comparison, comparison, score="F1"),
    ):
        with pytest.raises(InputError, match="unknown score 'F1'"):
            refused()


def test_a_folder_without_a_comparison(tmp_path):
    for command in ("table", "plot", "report"):
        found = run(command, tmp_path)
        assert found.exit_code == 2
        assert "holds no comparison" in found.output
    (tmp_path / "config.yaml").write_text("")
    assert "is a single run, not a comparison: sspcm evaluate" in run("table", tmp_path).output


def test_help_is_quick_to_load_and_imports_no_torch():
    modules = "benchmarks.commands.main, sspcm.commands.main"
    code = f"import sys; import {modules}; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "False"


@pytest.mark.parametrize(("command", "name"), [(main, "sspcm-bench"), (sspcm, "sspcm")])
def test_version(command, name):
    assert CliRunner().invoke(command, ["--version"]).output == f"{name}, version {__version__}\n"
