"""The cache of crops: what is listed, what is removed, and what never is."""

import os
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from sspcm.commands.main import main
from sspcm.data.crop_cache import clear_cache, read_cache
from sspcm.data.crop_store import cache_folder
from wepdtof_pose.errors import InputError
from wepdtof_pose.locks import exclusive

STORES = ("0123456789abcdef01234567.npy", "f" * 24 + ".npy")
OTHERS = ("notes.txt", "data.npy", "0123.npy", "F" * 24 + ".npy")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of two stores of 1 MiB, with files beside them that are not the cache's."""
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path))
    folder = tmp_path / "crops"
    folder.mkdir()
    for day, name in enumerate(STORES):
        (folder / name).write_bytes(bytes(2**20))
        os.utime(folder / name, (86400 * day, 86400 * day))
    for name in OTHERS:
        (folder / name).write_text("mine")
    (folder / "photos").mkdir()
    (folder / ("a" * 24 + ".npy")).symlink_to(folder / "notes.txt")
    return folder


def test_stores_are_listed_last_used_first(folder: Path) -> None:
    assert cache_folder(None) == folder
    assert cache_folder("elsewhere") == Path("elsewhere")
    found = read_cache(folder)
    assert [store.path.name for store in found.stores] == list(reversed(STORES))
    assert found.size == 2 * 2**20
    assert len(found.others) == len(OTHERS) + 2
    os.utime(folder / STORES[0])
    assert read_cache(folder).stores[0].path.name == STORES[0]


def test_only_what_is_ours_is_removed(folder: Path) -> None:
    old, young = folder / f".{STORES[0]}.abcd1234.part", folder / f".{STORES[1]}.abcd1234.part"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert clear_cache(read_cache(folder)) == (2, 2 * 2**20)
    left = {path.name for path in folder.iterdir()}
    assert left == {*OTHERS, "photos", "a" * 24 + ".npy", young.name}


def test_a_store_that_is_being_built_stays(folder: Path) -> None:
    held, done = threading.Event(), threading.Event()

    def build() -> None:
        with exclusive((folder / STORES[0]).with_suffix("")):
            held.set()
            done.wait(60)

    thread = threading.Thread(target=build)
    thread.start()
    try:
        assert held.wait(60)
        assert clear_cache(read_cache(folder)) == (1, 2**20)
        assert (folder / STORES[0]).is_file()
    finally:
        done.set()
        thread.join()


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert read_cache(tmp_path / "none").stores == ()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be read as a folder"):
        read_cache(tmp_path / "file")


def test_the_command(folder: Path) -> None:
    shown = CliRunner().invoke(main, ["cache"]).output.splitlines()
    assert shown[0].startswith(STORES[1])
    assert "last used 1970-01-0" in shown[0]
    assert shown[-1] == f"{folder}: 2 stores of crops, 2.1 MB; 6 other files, which are left alone"
    cleared = CliRunner().invoke(main, ["cache", "--clear"]).output
    assert cleared.startswith(f"removed: 2 stores of crops, 2.1 MB, from {folder}; 6 other files")
    again = CliRunner().invoke(main, ["cache", "--folder", str(folder)]).output
    assert again.startswith(f"{folder}: 0 stores of crops, 0 B")
    for more in ((), ("--clear",)):
        none = CliRunner().invoke(main, ["cache", "--folder", str(folder / "none"), *more])
        assert (none.exit_code, none.output.strip()[-14:]) == (2, "no such folder")


def test_two_that_clear_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = read_cache(folder)
    real = Path.stat

    def vanishing(path: Path, **options: bool) -> os.stat_result:
        found = real(path, **options)
        if path.parent == folder and options.get("follow_symlinks", True):
            path.unlink(missing_ok=True)
            return real(path, **options)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_file", lambda path: path.name in STORES)
        patch.setattr(Path, "is_symlink", lambda path: False)
        patch.setattr(Path, "stat", vanishing)
        assert read_cache(folder).stores == ()
    # What the one has found, the other has removed since.
    for path in (*cache.leftovers, *(store.path for store in cache.stores)):
        path.unlink(missing_ok=True)
    assert clear_cache(cache) == (0, 0)
