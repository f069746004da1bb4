import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.commands.main import main
from benchmarks.tables.readme import update_tables, with_tables
from wepdtof_pose.errors import InputError

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["README.md", "docs/results.md"])
def test_the_tables_are_those_of_the_committed_results(name):
    file = ROOT / name
    text = file.read_text(encoding="utf-8")
    assert "<!-- end of table -->" in text
    assert with_tables(text, file.parent) == text


def test_a_marked_table_is_replaced_and_the_rest_stays(comparison, tmp_path):
    file = tmp_path / "page.md"
    file.write_text(f"before\n<!-- table of {comparison} -->\nold\n<!-- end of table -->\nafter\n")
    assert update_tables(file) == 1
    text = file.read_text()
    assert text.startswith("before\n")
    assert text.endswith("<!-- end of table -->\nafter\n")
    assert "old" not in text
    assert "| 8 " in text
    assert with_tables(text, tmp_path) == text


def test_a_summary(comparison, tmp_path):
    marked = f"<!-- summary of {comparison} by PCK@0.2 -->\n<!-- end of table -->\n"
    text = with_tables(marked, tmp_path)
    (head,) = (line for line in text.splitlines() if line.startswith("| labels"))
    columns = [column.strip() for column in head.strip("|").split("|")]
    assert columns[:4] == ["labels", "method", "runs", "PCK@0.2"]
    assert not {"network", "AP50", "AR", "published AP", "PCK@0.2 at best AP"} & set(columns)
    assert "Data `" in text
    assert "Cost:" not in text
    assert with_tables(text, tmp_path) == text


@pytest.mark.parametrize("score", ["", " by PCK@0.2"])
def test_a_table_against_another_baseline(comparison, tmp_path, score):
    marked = f"<!-- summary of {comparison}{score} against sspcm -->\n<!-- end of table -->\n"
    text = with_tables(marked, tmp_path)
    assert "| Δ to sspcm |" in text
    assert ("| PCK@0.2 " in text.partition("Δ")[0]) == bool(score)
    with pytest.raises(InputError, match="no cell of the baseline 'other'"):
        with_tables(marked.replace("sspcm", "other"), tmp_path)


def test_a_summary_has_no_scores_from_before_the_end(tmp_path):
    results = Path(__file__).parents[3] / "results" / "lspet"
    found = {
        what: with_tables(f"<!-- {what} of {results} -->\n<!-- end of table -->\n", tmp_path)
        for what in ("summary", "scores")
    }
    assert "supervised, end of burn-in" in found["scores"]
    assert "end of burn-in" not in found["summary"]
    assert "| supervised " in found["summary"]
    assert "Scores of" in found["scores"]
    assert "Scores of" not in found["summary"]


def test_scores_alone(comparison, tmp_path):
    marked = f"<!-- scores of {comparison} by PCK@0.2 -->\n<!-- end of table -->\n"
    text = with_tables(marked, tmp_path)
    assert "Scores of the reported networks" in text
    assert "95 % interval" in text
    assert "Cost:" not in text
    assert "Every network:" not in text
    assert with_tables(text, tmp_path) == text


def test_a_folder_of_speed_measurements_is_a_table_too(tmp_path):
    result = {
        "environment": {"device": "a CPU", "cores": 2, "threads": 2, "packages": {"torch": "2"}}
        | {"precision": "float32"},
        "peak_memory_bytes": 2**30,
        "scores": {"people_per_second": {"ours": 90.0, "looped": 10.0}, "looped_over_ours": 9.0},
    }
    (tmp_path / "speed").mkdir()
    (tmp_path / "speed" / "speed.json").write_text(json.dumps(result))
    text = with_tables("<!-- table of speed -->\nold\n<!-- end of table -->\n", tmp_path)
    assert "a CPU, 2 cores" in text
    assert "9.0 x" in text
    assert "old" not in text
    (tmp_path / "speed" / "speed.json").write_text(json.dumps(result | {"scores": {}}))
    with pytest.raises(InputError, match=r"speed\.json: is not a result of .*scores"):
        with_tables("<!-- table of speed -->\n<!-- end of table -->\n", tmp_path)


def test_a_comparison_of_choices_is_a_table_too(tmp_path):
    scores = {
        choice: {"AP": ap, "PCK@0.2": 0.5}
        for choice, ap in (("first", 0.1), ("random", 0.2), ("ranked", 0.25))
    }
    result = {"labels": 12, "first": 6, "people_train": 100, "people_test": 20, "preset": "quick"}
    result |= {"steps": 5, "seeds": [scores]}
    folder = tmp_path / "choice"
    folder.mkdir()
    (folder / "label_choice.json").write_text(json.dumps(result))
    mark = "<!-- table of choice -->\nold\n<!-- end of table -->\n"
    text = with_tables(mark, tmp_path)
    assert "| ranked - random | 5.0 | 0.0 |" in text
    assert "old" not in text
    del result["seeds"]
    (folder / "label_choice.json").write_text(json.dumps(result))
    with pytest.raises(
        InputError, match=r"label_choice\.json: is not a result of sspcm-bench rank"
    ):
        with_tables(mark, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one\n<!-- table of X -->\nprose\n<!-- table of Y -->\n<!-- end of table -->\n", "line 2"),
        ("one\n<!-- scores of X -->\nprose\n", r"line 2: <!-- scores of X --> has no <!-- end"),
        ("<!-- end of table -->\n", "line 1: <!-- end of table --> has no beginning"),
    ],
    ids=["before the next", "at the end", "an end alone"],
)
def test_a_mark_without_its_partner_changes_nothing(tmp_path, text, message):
    file = tmp_path / "page.md"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        update_tables(file)
    assert file.read_text() == text


def test_a_mark_within_a_line_is_prose(comparison, tmp_path):
    prose = "Write `<!-- table of FOLDER -->` and `<!-- end of table -->`.\n"
    begin = f"{prose}<!-- table of {comparison} -->\n"
    text = with_tables(f"{begin}<!-- end of table -->\n", tmp_path)
    assert text.startswith(f"{begin}\nData")


@pytest.mark.parametrize(
    "option", [("--score", "AP"), ("--baseline", "sspcm"), ("--format", "csv")], ids=lambda o: o[0]
)
def test_options_of_one_table_do_not_go_with_a_file(tmp_path, option):
    found = CliRunner().invoke(main, ["table", "--into", str(tmp_path / "page.md"), *option])
    assert found.exit_code == 2
    assert f"{option[0]} does not go with --into" in found.output


def test_a_file_without_a_marked_table_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("nothing here\n")
    with pytest.raises(InputError, match="marks no table"):
        update_tables(tmp_path / "page.md")


@pytest.mark.parametrize(
    ("ends", "mark"),
    [("\n", b""), ("\r\n", b""), ("\r\n", b"\xef\xbb\xbf"), ("\n", b"\xef\xbb\xbf")],
)
def test_line_ends_and_links_stay_as_they_are(comparison, tmp_path, ends, mark):
    folder = tmp_path / "a comparison by hand"
    folder.symlink_to(comparison)
    (tmp_path / "elsewhere").mkdir()
    page, link = tmp_path / "elsewhere" / "page.md", tmp_path / "page.md"
    marks = "<!-- table of a comparison by hand by AP -->", "<!-- end of table -->"
    page.write_bytes(mark + ends.join(["before", marks[0], "old", marks[1], "after", ""]).encode())
    link.symlink_to(page)
    done = CliRunner().invoke(main, ["table", "--into", str(link)])
    assert done.exit_code == 0, done.output
    assert done.output == f"{link}: 1 table\n"
    assert link.is_symlink()
    content = page.read_bytes()
    assert content.startswith(mark + f"before{ends}".encode())
    assert content.count(b"\n") == content.count(ends.encode()) > 8
    assert not content.removeprefix(mark).startswith(b"\xef\xbb\xbf")
    assert b"| 8 " in content
    assert b"old" not in content


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("nowhere", r"page.md: line 2: .*nowhere: holds no comparison"),
        ("cut", r"page.md: line 2: .*label_choice.json: not valid JSON"),
        ("cut by ZZ", r"page.md: line 2: .*label_choice.json: not valid JSON"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line(tmp_path, folder, message):
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "label_choice.json").write_text('{"seeds": ')
    file = tmp_path / "page.md"
    file.write_text(f"before\n<!-- table of {folder} -->\nold\n<!-- end of table -->\n")
    before = file.read_bytes()
    with pytest.raises(InputError, match=message):
        update_tables(file)
    assert file.read_bytes() == before
