"""The report: self-contained, and opened in a real browser."""

import html
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.commands.main import main
from benchmarks.report.reproduce import commands
from benchmarks.results.results import read_results

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1400",
)
SECTIONS = (
    "Summary",
    "What was measured",
    "Scores of the reported networks",
    "Cost",
    "Every network",
    "Plots",
    "Sample predictions",
    "Hardest cases",
    "Environment",
    "Commands to reproduce",
)


@pytest.fixture(scope="module")
def report(comparison):
    found = CliRunner().invoke(main, ["report", str(comparison)])
    assert found.exit_code == 0, found.output
    return comparison / "report.html"


def test_it_has_every_section_and_loads_nothing(report):
    text = report.read_text(encoding="utf-8")
    assert tuple(re.findall("<h2>(.*?)</h2>", text)) == SECTIONS
    sources = re.findall(r'(?:src|href)="([^"]{0,20})', text)
    assert len(sources) == 1 + 7 + 2 * 6
    assert all(source.startswith("data:") for source in sources)
    assert "<script" not in text
    assert "url(" not in text


def commands_of(page):
    text = html.unescape(page.read_text(encoding="utf-8"))
    block = re.search(r"<pre>(.*?)</pre>", text, re.S)[1]
    return [shlex.split(line) for line in block.splitlines()]


def test_its_commands_have_the_cells_of_the_comparison(report, comparison):
    run, table, again = commands_of(report)
    assert run[-2:] == ["-o", f"{comparison.name}-again"]
    # A finished folder has nothing left to run, if the command means the same cells.
    found = CliRunner().invoke(main, [*run[1:-1], str(comparison)])
    assert found.exit_code == 0, found.output
    assert found.output.count("already there") == 8
    assert table == ["sspcm-bench", "table", run[-1]]
    assert again == ["sspcm-bench", "report", run[-1]]


def test_commands_of_copied_results_run_in_a_folder_of_their_own(tmp_path, monkeypatch):
    demo = Path(__file__).parents[3] / "results" / "demo"
    copy = tmp_path / "my demo"
    shutil.copytree(demo, copy)
    arguments = ["report", str(copy), "--baseline", "sspcm_ema", "--score", "PCK@0.2"]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 0, found.output
    run, table, again = commands_of(copy / "report.html")
    options = ["my demo-again", "--baseline", "sspcm_ema", "--score", "PCK@0.2"]
    assert [table[2:], again[2:]] == [options, options]
    monkeypatch.chdir(tmp_path)
    # The committed cells were trained two at a time on two cores.
    assert run[:2] == ["OMP_NUM_THREADS=1", "sspcm-bench"]
    found = CliRunner().invoke(main, [*run[2:], "--dry-run"])
    assert found.exit_code == 0, found.output
    assert "4 cells, 4 to run" in found.output
    assert not Path("my demo-again").exists()


@pytest.mark.parametrize(
    ("left_out", "cells"),
    [
        (("sspcm-8-seed0", "supervised-8-seed0"), 6),
        (("sspcm-8-seed0",), 7),
        (("supervised-50pct-seed0", "sspcm-8-seed1"), 6),
    ],
)
def test_commands_mean_the_cells_that_are_there_and_no_others(
    comparison, tmp_path, monkeypatch, left_out, cells
):
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns("crops", "*.pt", *left_out)
    shutil.copytree(comparison, copy, ignore=ignored)
    monkeypatch.chdir(tmp_path)
    names = []
    for words in map(shlex.split, commands(read_results(copy))):
        if words[0] == "echo":
            Path(words[-1]).write_text(words[1])
            continue
        found = CliRunner().invoke(main, [*words[1:], "--dry-run"])
        assert found.exit_code == 0, found.output
        names += [line.split()[0] for line in found.output.splitlines() if " missing " in line]
    assert sorted(names) == sorted(path.name for path in (copy / "cells").iterdir())
    assert len(names) == cells


def test_results_without_data_and_predictions_say_so(tmp_path):
    demo = Path(__file__).parents[3] / "results" / "demo"
    shutil.copytree(demo, tmp_path / "demo")
    (tmp_path / "demo" / "cells" / "begun").mkdir()
    found = CliRunner().invoke(main, ["report", str(tmp_path / "demo")])
    assert found.exit_code == 0, found.output
    text = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert "Not shown" in text
    assert "has no predictions.json" in text
    assert "Cells without a result and left out: begun." in text


@pytest.mark.browser
def test_chromium_shows_it_without_an_error_or_a_request(report, tmp_path):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        browser.get("about:blank")
        browser.get_log("performance")
        browser.get_log("browser")
        browser.get(report.as_uri())
        browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
        assert browser.get_log("browser") == []
        assert requests_of(browser) == {report.as_uri()}
        pictures = browser.execute_script(
            "return [...document.images].map(i => [i.complete, i.naturalWidth])"
        )
        assert len(pictures) == 7 + 2 * 6
        assert all(complete and width > 0 for complete, width in pictures)
        wide = browser.execute_script(
            "return [document.documentElement.scrollWidth, window.innerWidth]"
        )
        assert wide[0] <= wide[1]
    finally:
        browser.quit()


def requests_of(browser):
    """Addresses that the page asked for, without those that are data themselves."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    found = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    return {url for url in found if not url.startswith("data:")}


def test_the_page_takes_the_place_of_no_result(tmp_path):
    for name in ("comparison.json", "table.md"):
        (tmp_path / name).write_text("{}")
        found = CliRunner().invoke(main, ["report", str(tmp_path), "-o", str(tmp_path / name)])
        assert found.exit_code == 2
        assert f"{name}: give the name of an .html file" in found.output
        assert (tmp_path / name).read_text() == "{}"
