"""Tables: what they say, in every format, and what they refuse."""

import csv
import io
import shutil

import numpy as np
import pytest

from benchmarks.layout import ComparisonFolder
from benchmarks.results.results import difference, read_results
from benchmarks.results.statistics import mean_and_spread
from benchmarks.running.estimate import estimate
from benchmarks.tables.table_csv import runs_csv, summary_csv
from benchmarks.tables.table_text import latex, markdown
from benchmarks.tables.tables import Table, learning_rate, make_report
from sspcm.config import OptimisationConfig
from sspcm.runs.folder import RunFolder
from wepdtof_pose.errors import InputError

FACTS = ("data_hash", "split_hash", "recipe")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.5], "50.0"),
        ([0.4, 0.6], "50.0 ± 14.1"),
        ([0.4, 0.5, 0.6], "50.0 ± 10.0"),
        ([0.4, np.nan], "n/a"),
    ],
    ids=["one seed", "two seeds", "three seeds", "undefined"],
)
def test_mean_and_spread_over_seeds(values, text):
    assert mean_and_spread(np.array(values)) == text


@pytest.mark.parametrize(
    ("milestones", "drops"),
    [
        ((), ""),
        ((6,), ", times 0.1 after epoch 6"),
        ((6, 8), ", times 0.1 after epochs 6 and 8"),
        ((6, 18, 22), ", times 0.1 after epochs 6, 18 and 22"),
    ],
)
def test_the_learning_rate_in_words(milestones, drops):
    assert learning_rate(OptimisationConfig(milestones=milestones)) == f"learning rate 0.001{drops}"


def test_a_difference_says_how_many_runs_it_rests_on(copied):
    shutil.rmtree(copied / "cells" / "supervised-8-seed0")
    found = read_results(copied)
    assert " (of 1 runs)" in markdown(make_report(found))
    rows = list(csv.DictReader(io.StringIO(summary_csv(found))))
    assert [(row["runs"], row["pairs"]) for row in rows if row["method"] == "sspcm"] == [
        ("2", "1"),
        ("2", "2"),
    ]


def test_pairs_are_counted_where_a_score_is_undefined(copied, change):
    for path in (copied / "cells").iterdir():
        network = "C" if path.name.startswith("sspcm") else "A"

        def undefine(result, network=network):
            result["last"][network]["PCKh@0.5"] = None

        change(path, undefine)
    rows = list(csv.DictReader(io.StringIO(summary_csv(read_results(copied)))))
    for row in rows:
        assert row["PCKh@0.5 difference"] == ""
        assert row["pairs"] == ("2" if row["method"] == "sspcm" else "")


@pytest.mark.parametrize("name", ["env.json", "metrics.jsonl", "result.json"])
def test_a_damaged_file_of_a_cell_is_named(copied, name):
    (copied / "cells" / "sspcm-8-seed0" / name).write_text("[]\n")
    with pytest.raises(InputError, match=name):
        read_results(copied)


@pytest.mark.parametrize("write", [markdown, latex])
def test_a_text_names_everything_that_its_numbers_depend_on(comparison, write):
    found = read_results(comparison)
    text = write(make_report(found))
    result = found.cells[0].result
    for fact in (*(getattr(result, key) for key in FACTS), "quick", "6 optimiser steps"):
        assert fact in text
    assert "rotation 30" in text


def test_a_line_of_a_csv_names_everything_too(comparison):
    found = read_results(comparison)
    for text, lines in ((summary_csv(found), 4), (runs_csv(found), 2 * 2 * (1 + 4))):
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len(rows) == lines
        for row in rows:
            assert all(row[key] == getattr(found.cells[0].result, key) for key in FACTS)
            assert (row["preset"], row["sigma_set"]) == ("quick", "wepdtof-pose-14")
            assert float(row["steps"]) == 6


def test_the_summary_is_that_of_the_runs(comparison):
    found = read_results(comparison)
    row = next(
        row
        for row in csv.DictReader(io.StringIO(summary_csv(found)))
        if (row["labels"], row["method"]) == ("8", "sspcm")
    )
    runs = [RunFolder(comparison / "cells" / f"sspcm-8-seed{seed}") for seed in (0, 1)]
    values = [run.read_result().last["C"]["PCK@0.2"] for run in runs]
    assert float(row["PCK@0.2"]) == pytest.approx(np.mean(values))
    assert float(row["PCK@0.2 sd"]) == pytest.approx(np.std(values, ddof=1))
    assert row["published AP"] == "n/a"


def test_differences_are_paired_by_seed(comparison):
    found = read_results(comparison)
    backbone = found.backbones[0]
    group, base = (found.find(method, "8", backbone) for method in ("sspcm", "supervised"))
    wanted = group.values("PCK@0.2") - base.values("PCK@0.2")
    assert difference(group, base, "PCK@0.2").mean == pytest.approx(wanted.mean())
    assert difference(base, base, "PCK@0.2") is None


def test_another_baseline_and_score(comparison):
    text = markdown(make_report(read_results(comparison), baseline="sspcm", score="PCK@0.2"))
    assert "Δ to sspcm" in text
    assert "| PCK@0.2 at best AP |" in text
    assert "best PCK" not in text
    with pytest.raises(InputError, match="baseline 'pose_dual'"):
        make_report(read_results(comparison), baseline="pose_dual")
    with pytest.raises(InputError, match="unknown score 'F1'"):
        make_report(read_results(comparison), score="F1")


def test_cells_that_differ_in_steps_or_augmentation_are_flagged(copied, change):
    assert not make_report(read_results(copied)).warnings
    change(copied / "cells" / "sspcm-8-seed1", lambda r: r.update(steps=12))
    config = copied / "cells" / "supervised-8-seed0" / "config.yaml"
    config.write_text(config.read_text().replace("rotation: 30.0", "rotation: 20.0"))
    report = make_report(read_results(copied))
    assert any(
        text.startswith("optimiser steps: 6 in ") and "12 in sspcm-8-seed1" in text
        for text in report.warnings
    )
    assert any(text.startswith("hard view") for text in report.warnings)
    assert "differ in what should be the same" in markdown(report)
    assert "NOT ALIKE" in latex(report)
    assert "optimiser steps" in summary_csv(read_results(copied))


def test_cells_without_a_result_are_said(copied):
    assert "left out" not in markdown(make_report(read_results(copied)))
    (copied / "cells" / "sspcm-8-seed1" / "result.json").unlink()
    text = markdown(make_report(read_results(copied)))
    assert "Cells without a result and left out: sspcm-8-seed1." in text


def test_cells_of_another_pool_or_with_other_options_are_flagged(copied, change):
    change(copied / "cells" / "sspcm-8-seed0", lambda r: r.update(unlabelled_hash="other"))
    change(copied / "cells" / "sspcm-8-seed1", lambda r: r.update(people_unlabelled=1))
    config = copied / "cells" / "sspcm-50pct-seed0" / "config.yaml"
    config.write_text(config.read_text().replace("options: {}", "options: {patches: 3}"))
    found = make_report(read_results(copied)).warnings
    assert [text.split(":")[0] for text in found] == [
        "unlabelled data",
        "people in the pool",
        "options of sspcm",
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *((text, True) for text in ("", "n/a", "58.1 ± 1.6", "-0.2 to 2.1", "< 0.001", "1,120")),
        *((text, True) for text in ("10%", "+0.6", "-2.3 to +1.1")),
        *((text, False) for text in ("all", "resnet18", "3.4, 3.5", "64 x 96")),
    ],
)
def test_what_a_column_of_numbers_holds(text, number):
    assert Table("", ("head",), ((text,),)).is_number(0) is number


def test_cells_of_other_data_are_no_table(copied, change):
    change(copied / "cells" / "sspcm-8-seed1", lambda r: r.update(data_hash="other"))
    with pytest.raises(InputError, match="differ in data_hash"):
        read_results(copied)


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ("deconv_channels: 8", "deconv_channels: 16", ("deconv 16", "deconv 8")),
        ("sigma: null", "sigma: 3.0", ("sigma 1.5", "sigma 3")),
        ("crop_width: 64", "crop_width: 96", ("64 x 64", "96 x 64")),
    ],
)
def test_networks_that_differ_in_one_part_are_rows_of_their_own(copied, before, after, names):
    again = copied / "cells" / "sspcm-8-seed1-other"
    shutil.copytree(copied / "cells" / "sspcm-8-seed1", again)
    config = again / "config.yaml"
    config.write_text(config.read_text().replace(before, after))
    found = read_results(copied)
    assert len(found.backbones) == 2
    for backbone, name in zip(sorted(found.backbones), names, strict=True):
        assert backbone.endswith(name) or f"{name}, 64 x 64" in backbone
    assert sorted(len(group.cells) for group in found.groups) == [1, 2, 2, 2, 2]


@pytest.mark.parametrize("text", ["[]", '{"last": 3}', "3"])
def test_a_result_that_is_none_is_named(copied, text):
    file = copied / "cells" / "sspcm-8-seed1" / "result.json"
    file.write_text(text)
    with pytest.raises(InputError, match="is not the result of a run"):
        read_results(copied)
    with pytest.raises(InputError, match="is not the result of a run"):
        estimate([], ComparisonFolder(copied))


def test_two_cells_that_would_be_the_same_run_are_refused(copied):
    cells = copied / "cells"
    shutil.copytree(cells / "sspcm-8-seed1", cells / "sspcm-8-seed1-again")
    with pytest.raises(InputError, match="a table cannot tell them apart"):
        read_results(copied)


def test_what_older_results_did_not_record_is_not_guessed(copied, change):
    for path in (copied / "cells").iterdir():
        change(path, lambda r: r.pop("peak_memory_bytes"))
    cost = make_report(read_results(copied)).tables[1]
    assert {row[cost.head.index("peak memory (MB)")] for row in cost.rows} == {"n/a"}


def test_latex_has_no_bare_special_letters(comparison):
    body = latex(make_report(read_results(comparison)))
    for line in body.splitlines():
        assert "%" not in line.replace(r"\%", "")
        assert "_" not in line.replace(r"\_", "")
