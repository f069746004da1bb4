"""Result files of somebody else: their texts mean nothing to a format, bad ones are named."""

import csv
import io
import json
import shlex
import shutil
from pathlib import Path

import matplotlib
import pytest
from click.testing import CliRunner

from benchmarks.analyses.analyses import analyse
from benchmarks.commands.main import main
from benchmarks.plots.curve_plots import draw_learning_curves
from benchmarks.plots.plot_style import STYLE
from benchmarks.report.reproduce import commands
from benchmarks.results.results import read_results
from benchmarks.tables.table_csv import runs_csv, summary_csv
from benchmarks.tables.table_text import latex, markdown
from benchmarks.tables.tables import Report, Table, make_report
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json

DEMO = Path(__file__).parents[3] / "results" / "demo"


@pytest.fixture
def demo(tmp_path):
    return Path(shutil.copytree(DEMO, tmp_path / "demo"))


def change_all(folder, **values):
    for file in folder.glob("cells/*/result.json"):
        write_json(file, read_json(file) | values)


def report_of(text):
    return Report((f"Data `{text}`.",), (text,), (Table("Scores", ("labels",), ((text,),)),))


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a|b", r"| a\|b"),
        (r"a\|b", r"| a\\\|b"),
        ("\x1b[31mred", r"| \\x1b\[31mred"),
        ("two\nlines", r"| two\\nlines"),
        ("<script>", "| &lt;script>"),
        ("![](https://a)", r"| !\[](https://a)"),
        ("< 0.001", "| < 0.001"),
        ("pose_dual ± 1", "| pose_dual ± 1"),
    ],
)
def test_a_cell_of_markdown_holds_any_text(text, cell):
    lines = markdown(report_of(text)).splitlines()
    assert lines[-1].startswith(cell)
    assert len(lines) == 10
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        (r"\input{a}", r"\textbackslash{}input\{a\}"),
        ("$x$", r"\$x\$"),
        ("a & b # c", r"a \& b \# c"),
        ("^^5c", r"\textasciicircum{}\textasciicircum{}5c"),
        ("a_b~c%d", r"a\_b\textasciitilde{}c\%d"),
        ("[1cm]", "{}[1cm]"),
        ("*", "{}*"),
        ("one\n\ntwo", r"one\textbackslash{}n\textbackslash{}ntwo"),
        ("< 1 ± 2", r"$<$ 1 $\pm$ 2"),
    ],
)
def test_a_cell_of_latex_holds_any_text(text, cell):
    lines = latex(report_of(text)).splitlines()
    assert lines[7] == rf"{cell} \\"
    assert lines[2].startswith(r"\caption{Scores. Data \texttt{")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_of_a_csv_is_no_formula_and_numbers_stay_numbers(demo, start):
    change_all(demo, labels=f"{start}1+1")
    found = read_results(demo)
    for text in (summary_csv(found), runs_csv(found)):
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len(rows) >= 2
        for row in rows:
            assert row["labels"] in (f"'{start}1+1", r"'\t1+1", r"'\r1+1")
            assert float(row["steps"]) > 0
    differences = [row["AP difference"] for row in csv.DictReader(io.StringIO(summary_csv(found)))]
    assert [float(value) for value in differences if value]


def test_a_control_character_reaches_neither_terminal_nor_files(demo):
    change_all(demo, labels="\x1b]0;mine\x07\x1b[31m60", split="a\nb")
    for command in (["table", str(demo)], ["compare", str(demo), str(demo)]):
        found = CliRunner().invoke(main, command)
        assert found.exit_code == 0, found.output
        assert found.output.replace("\n", "").isprintable()
        assert r"\x1b" in found.output
    for name in ("table.md", "table.csv", "table.tex", "runs.csv"):
        assert (demo / name).read_text().replace("\n", "").isprintable()


def test_a_dollar_in_a_name_is_no_formula_of_a_plot(demo):
    change_all(demo, labels=r"$\frac$")
    with matplotlib.rc_context(STYLE):
        figure = draw_learning_curves(read_results(demo)).figure
        figure.savefig(io.BytesIO(), format="svg")
    assert figure.axes[0].get_title() == r"\$\frac\$ labels"


def test_commands_to_reproduce_are_words_of_a_shell(demo):
    change_all(demo, labels="$(b)")
    for file in demo.glob("cells/sspcm_ema*/result.json"):
        write_json(file, read_json(file) | {"method": "x; rm -r a"})
    write_json(demo / "comparison.json", {"preset": "`c`"})
    words = shlex.split(commands(read_results(demo))[-1])
    assert "x; rm -r a" in words[words.index("--methods") + 1].split(",")
    assert words[words.index("--ratio") + 1] == "$(b)"
    assert words[words.index("--preset") + 1] == "`c`"


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("metrics.jsonl", DEEP, "line 1: not usable JSON: nested too deeply"),
        ("metrics.jsonl", f"{DEEP}\n", "line 1: not usable JSON: nested too deeply"),
        ("metrics.jsonl", "{]\n{}\n", "line 1: not valid JSON"),
        ("metrics.jsonl", '{"epoch": "1"}\n', "$.epoch"),
        (
            "metrics.jsonl",
            '{"epoch": 2, "learning_rate": 1, "train": {}, "seconds": 1}\n',
            "of epo",
        ),
        ("env.json", DEEP, "nested too deeply"),
        ("env.json", '{"packages": [1]}', "entry 'packages'"),
        ("env.json", '{"threads": "1; rm -r a"}', "entry 'threads'"),
        ("env.json", '{"device": [1]}', "entry 'device'"),
        ("result.json", DEEP, "nested too deeply"),
    ],
    ids=lambda value: value[:30],
)
def test_a_file_of_a_wrong_form_is_one_line_and_code_2(demo, name, text, said):
    file = demo / "cells" / "sspcm_ema-60-seed0" / name
    file.write_text(text)
    found = CliRunner().invoke(main, ["table", str(demo)])
    assert found.exit_code == 2, found.output
    (line,) = found.output.splitlines()
    assert str(file) in line
    assert said in line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update({"PCK@0.2": 2.0}), "PCK@0.2"),
        (lambda s: s.pop("sigma_set"), "sigma_set"),
        (lambda s: s.update(per_joint={"neck": 1}), "per_joint"),
        (lambda s: s.update(by_radius=[{"from": "0"}]), "by_radius"),
        (lambda s: s["per_joint"].popitem(), "other joints"),
        (lambda s: s["by_radius"].pop(), "distances"),
    ],
)
def test_scores_of_a_wrong_form_are_named(demo, change, said):
    file = demo / "cells" / "sspcm_ema-60-seed1" / "result.json"
    content = read_json(file)
    change(content["last"]["L"])
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="network 'L' in 'last'") as raised:
        read_results(demo)
    assert said in str(raised.value)


def test_runs_of_a_line_have_the_same_networks(demo):
    file = demo / "cells" / "sspcm_ema-60-seed1" / "result.json"
    content = read_json(file)
    del content["last"]["L"]
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="sspcm_ema-60-seed1: its networks are not those of"):
        read_results(demo)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("joint_ap.json", DEEP, "nested too deeply"),
        ("joint_ap.json", "[1]", "Expected `object`"),
        ("joint_ap.json", '{"neck": "0.5"}', "Expected `float"),
        ("joint_ap.json", '{"neck": 0.5}', "its joints are not those of the run"),
        ("pck_curve.json", '{"thresholds": [0.1], "PCK": [0.5]}', "its thresholds"),
        ("pseudo_label_quality.json", '{"by": []}', "$.by"),
        ("pseudo_label_quality.json", '{"joints": 1, "accuracy": "1", "by": {}}', "$.accuracy"),
    ],
    ids=lambda value: value[:30],
)
def test_a_measurement_of_a_wrong_form_is_named(demo, name, text, said):
    file = demo / "cells" / "sspcm_ema-60-seed0" / name
    file.write_text(text)
    with pytest.raises(InputError) as raised:
        analyse(read_results(demo))
    assert str(raised.value).startswith(f"{file}: ")
    assert said in str(raised.value)


def test_a_last_line_that_was_cut_short_is_left_out(demo):
    file = demo / "cells" / "sspcm_ema-60-seed0" / "metrics.jsonl"
    whole = file.read_text()
    rows = len(whole.splitlines())
    file.write_text(whole[:-9])
    (cell,) = (c for c in read_results(demo).cells if c.folder == file.parent)
    assert len(cell.metrics) == rows - 1


def test_tables_of_hostile_texts_keep_their_rows(demo):
    plain = markdown(make_report(read_results(demo))).count("\n")
    change_all(demo, labels="a|b\n| c |", split="`d` | <b>")
    assert markdown(make_report(read_results(demo))).count("\n") == plain
