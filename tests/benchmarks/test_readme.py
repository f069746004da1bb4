import json
from pathlib import Path

import pytest

from benchmarks.readme import update_tables, with_tables
from wepdtof_pose.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["README.md", "docs/results.md"])
def test_the_tables_are_those_of_the_committed_results(name):
    file = ROOT / name
    text = file.read_text(encoding="utf-8")
    assert "<!-- table of " in text
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


def test_a_file_without_a_marked_table_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("nothing here\n")
    with pytest.raises(InputError, match="marks no table"):
        update_tables(tmp_path / "page.md")
