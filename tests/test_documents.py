"""README, documentation, tutorials and containers: what they tell a user to type works."""

from __future__ import annotations

import html
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from typed_lines import PAGES, PROGRAMS, ROOT, TUTORIALS, main_of, typed, words_of

from sspcm.methods import METHODS
from wepdtof_pose.conversion.convert import convert, place
from wepdtof_pose.conversion.registry import READERS, WRITERS
from wepdtof_pose.formats.layout import not_held
from wepdtof_pose.formats.loading import write_coco


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_the_documents_has_these_options(page: Path) -> None:
    for line in typed(page):
        program, *words = words_of(line)
        # The tutorials' other programs.
        if program not in PROGRAMS:
            continue
        group = main_of(program)
        assert words[0] in group.commands, f"{program} {words[0]}"
        # The tutorials' sizes, and their list of settings.
        given = [word for word in words[1:] if word != "$SETTINGS"]
        arguments = [re.sub(r"^\$\w+$", "96", word) for word in given]
        try:
            group.commands[words[0]].make_context(words[0], arguments)
        except click.exceptions.Exit:  # --help
            continue
        except click.ClickException as error:
            pytest.fail(f"{program} {shlex.join(words)}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_the_text_names_have_these_options(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    for program, name, rest in re.findall(rf"`({'|'.join(PROGRAMS)}) ([a-z-]+)([^`]*)`", text):
        options = {
            option
            for parameter in main_of(program).commands[name].params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert set(re.findall(r"(?<=[\s\[])--?[a-z][a-z-]*", rest)) <= options, name + rest


def test_the_documents_have_commands() -> None:
    assert len(list(typed(ROOT / "README.md"))) >= 8
    assert sum(len(list(typed(page))) for page in PAGES) > 70


def test_the_page_of_commands_says_what_help_says(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("latex2mathml")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    pages = import_module("pages")
    for program in PROGRAMS:
        group = main_of(program)
        name, command = sorted(group.commands.items())[0]
        parent = click.Context(group, info_name=program, **group.context_settings)
        shown = click.Context(
            command, parent, name, terminal_width=90, max_content_width=90
        ).get_help()
        assert shown in pages.commands(group.callback.__module__)


def test_each_method_has_its_page_and_is_in_the_list_of_all() -> None:
    folder = ROOT / "docs" / "methods"
    listed = (folder / "index.md").read_text(encoding="utf-8")
    for name in METHODS:
        assert (folder / f"{name}.md").is_file()
        assert f"{name}.md" in listed


def test_the_readme_is_short_and_names_what_is_there() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 110
    # The package is on no index.
    assert not re.search(r"pip install '?wepdtof", text)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert set(re.findall(r"^make ([a-z]+)", text, re.M)) <= set(targets)
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.slow
def test_the_site_is_built_strictly_and_asks_for_nothing_from_the_net(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.findall(r'<(?:script|img|iframe)[^>]* src="?(?:https?:)?//[^" >]+', text), (
            page
        )
        assert not re.findall(r'<link[^>]*stylesheet[^>]*href="?(?:https?:)?//', text), page
        # Marks that nobody has filled.
        assert "<!-- made:" not in text
    assert "sspcm" in (tmp_path / "site" / "search" / "search_index.js").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", [page.stem for page in TUTORIALS])
def test_a_tutorial_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ipykernel")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "tutorials"))
    for key, value in {"PEOPLE": "30", "LABELS": "6", "STEPS": "1", "SIZE": "192"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path / "cache"))
    make = import_module("make")
    notebook = make.run(name, tmp_path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    printed = [[one for one in cell.outputs if one.output_type == "stream"] for cell in code]
    assert max(map(len, printed)) == 1
    shown = [output for cell in code for output in cell.outputs if "data" in output]
    assert any("image/png" in output["data"] or "image/jpeg" in output["data"] for output in shown)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorials_page_has_the_words_of_its_notebook(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jupytext")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "tutorials"))
    text = " ".join(page.read_text("utf-8").split())
    cells = [cell for cell in import_module("make").read(page.stem).cells if cell.source]
    words = [" ".join(cell.source.split()) for cell in cells if cell.cell_type == "markdown"]
    assert len(words) > 3
    for cell in words:
        assert cell in text, f"{cell}\nrun make tutorials"


def pinned() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_lock_file_has_what_setup_cfg_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    stated: list[Requirement] = import_module("lock").stated()
    pins = pinned()
    assert len(stated) > 15
    for requirement in stated:
        assert requirement.name.lower() in pins, f"{requirement}: run make lock"
        assert requirement.specifier.contains(pins[requirement.name.lower()]), f"{requirement}"


def test_what_locked_packages_need_is_locked_too() -> None:
    pins = pinned()
    compared = 0
    for name, version in pins.items():
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if Version(distribution.version).public != version:
            continue
        compared += 1
        for need in map(Requirement, distribution.requires or ()):
            called = canonicalize_name(need.name)
            # What torch brings for CUDA is left to torch.
            if called.startswith(("nvidia-", "cuda-", "triton")):
                continue
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert called in pins, f"{name} needs {need}: run make lock"
                assert need.specifier.contains(pins[called]), f"{name} needs {need}: run make lock"
    assert compared


def test_the_formats_page_knows_all_that_a_format_can_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    """That writers count what is lost is tested in wepdtof_pose/conversion/test_round_trips.py."""
    pytest.importorskip("latex2mathml")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    pages = import_module("pages")
    rows = [row.strip("| ").split(" | ") for row in pages.formats().splitlines()[2:]]
    lost = {row[0].strip("`"): row[4] for row in rows if len(row) == 5}
    assert set(lost) == set(WRITERS)
    assert {name for name, words in lost.items() if words == "nothing is lost"} == {
        "coco",
        "crowdpose",
    }
    (dataset, *_) = pages.sample_with_everything().values()
    everything = not_held(dataset)
    # No names say the mirror pairs of the sample's joints wrongly, and its joints have a name.
    assert len(everything) >= 10, everything
    for name in ("mpii", "yolo"):
        assert "crowd regions (left out)" in lost[name]
    assert "hidden joints (written as visible)" in lost["mpii"]


def test_the_formats_page_says_what_a_conversion_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("latex2mathml")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    pages = import_module("pages")
    rows = [line[2:-2].split(" | ") for line in pages.formats().splitlines()[2:]]
    said = {row[0].strip("`"): (row[2], row[3], html.unescape(row[4])) for row in rows}
    assert {name for name, row in said.items() if row[0] == "yes"} == set(READERS)
    source = tmp_path / "in"
    source.mkdir()
    place(write_coco(pages.sample_with_everything()), source, {})
    for name, (_, written, lost) in said.items():
        if name not in WRITERS:
            assert (written, lost) == ("", "")
            continue
        manifest = convert(
            source,
            tmp_path / name,
            source_format="coco",
            target_format=name,
            keypoints=pages.OWN_JOINTS.get(name),
        )
        assert (written, lost) == ("yes", ", ".join(manifest["not_held"]) or "nothing is lost")


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_a_container_copies_what_is_there(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for line in re.findall(r"^COPY (.+)$", text, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source
    assert "--constraint requirements.lock" in text
    # A tag, and no user with every right.
    assert re.search(r"^FROM \S+:\S+$", text, re.M)
    assert re.search(r"^USER (?!root)", text, re.M)
