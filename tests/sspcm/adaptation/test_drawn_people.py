"""Drawn people in the cache: listed, and removed unless they are being drawn."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from sspcm.adaptation import drawn_people
from sspcm.commands.main import main
from wepdtof_pose.locks import exclusive


def test_drawn_people_are_listed_and_removed_unless_they_are_being_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path))
    folder = tmp_path / "crops"
    folder.mkdir()
    for name, size in (("office-100", 2**20), ("sphere-40", 3 * 2**20)):
        (tmp_path / "drawn" / name / "images").mkdir(parents=True)
        (tmp_path / "drawn" / name / "images" / "0.jpg").write_bytes(bytes(size))
        (tmp_path / "drawn" / name / "synthetic.json").touch()
    mine = tmp_path / "drawn" / "mine-1"
    mine.mkdir()
    shown = CliRunner().invoke(main, ["cache"]).output
    assert "drawn office-100    1.05 MB" in shown
    assert f"{tmp_path / 'drawn'}: 2 sets of drawn people, 4.19 MB" in shown
    assert "drawn people" not in CliRunner().invoke(main, ["cache", "--folder", str(folder)]).output
    with exclusive(tmp_path / "drawn" / "sphere-40"):
        cleared = CliRunner().invoke(main, ["cache", "--clear"]).output
    assert "removed: 1 set of drawn people, 1.05 MB; 1 are being drawn and stay" in cleared
    assert not (tmp_path / "drawn" / "office-100").exists()
    assert (tmp_path / "drawn" / "sphere-40" / "images" / "0.jpg").is_file()
    assert mine.is_dir()


def test_two_that_draw_the_same_people_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path))
    at_work, seen = [], []

    def draw(folder: Path, **_: object) -> None:
        at_work.append(folder)
        time.sleep(0.3)
        seen.append(len(at_work))
        at_work.pop()

    monkeypatch.setattr(drawn_people, "generate", draw)
    file = drawn_people.drawn_file(6, "plain")
    file.parent.mkdir(parents=True)
    file.touch()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(drawn_people.draw_people, (6, 6), ("plain", "plain")))
    assert seen == [1, 1]
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["plain-6"]


def test_people_whose_removal_was_stopped_are_still_there_to_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path))
    folder = tmp_path / "drawn" / "office-100"
    for name in ("synthetic.json", "annotations/a.json", "images/1/0.jpg", "images/2/0.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    real, removed = shutil.rmtree, []

    def stopped(path: Path) -> None:
        if removed:
            raise KeyboardInterrupt
        removed.append(path)
        real(path)

    monkeypatch.setattr(shutil, "rmtree", stopped)
    with pytest.raises(KeyboardInterrupt):
        drawn_people.clear_drawn(drawn_people.read_drawn())
    assert (folder / "synthetic.json").is_file()
    monkeypatch.setattr(shutil, "rmtree", real)
    (found,) = drawn_people.read_drawn()
    assert drawn_people.clear_drawn([found]) == (1, found.size)
    assert list((tmp_path / "drawn").iterdir()) == []
    # Another process was faster.
    assert drawn_people.clear_drawn([found]) == (0, 0)
