import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wepdtof_pose.cores import orderly_end
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import (
    file_sha256,
    make_folder,
    read_json,
    replacing,
    replacing_folder,
    size_in_words,
    sweep,
    temporary_folder,
    write_json,
)


def test_sizes_are_told_apart_however_small() -> None:
    sizes = (0, 812, 999, 999.6, 2_500_000, 5 * 2**30)
    assert [*map(size_in_words, sizes)] == ["0 B", "812 B", "999 B", "1 kB", "2.5 MB", "5.37 GB"]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b'{"a": [1, 2', "cut short"),
        (b'{"a": 1, "b', "cut short"),
        (b'{"a": [1, 2,], "b": 3}', "the comma before it is one too many"),
        (b'{"a" 1, "bcdefgh": [1, 2, 3]}', "line 1, column 6$"),
        ("名".encode("gbk") + b"{}", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"1" * 5000 + b"]", "not usable JSON"),
    ],
    ids=["empty", "blank", "list cut", "text cut", "comma", "wrong", "gbk", "deep", "long number"],
)
def test_broken_json(tmp_path: Path, content: bytes, error: str) -> None:
    file = tmp_path / "broken.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=error) as raised:
        read_json(file)
    assert str(file) in str(raised.value)


@pytest.mark.parametrize("name", ["nothing.json", "."])
def test_json_that_is_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"no such file|is a folder"):
        read_json(tmp_path / name)


def test_json_round_trip_with_and_without_byte_order_mark(tmp_path: Path) -> None:
    content = {"名": [1, 2.5, None, "ä"]}
    write_json(tmp_path / "neu" / "a.json", content)
    assert read_json(tmp_path / "neu" / "a.json") == content
    (tmp_path / "b.json").write_text(json.dumps(content), encoding="utf-8-sig")
    assert read_json(tmp_path / "b.json") == content


@pytest.mark.parametrize(
    ("content", "said"),
    [(float("nan"), "not JSON compliant"), ("\ud800", r'"\ud800" is not UTF-8')],
    ids=["NaN", "lone surrogate"],
)
def test_what_has_no_json_form_leaves_the_old_file(
    tmp_path: Path, content: object, said: str
) -> None:
    file = tmp_path / "a.json"
    write_json(file, 1)
    with pytest.raises(InputError, match=f"cannot be written as JSON: .*{said}"):
        write_json(file, [content])
    assert read_json(file) == 1
    assert list(tmp_path.iterdir()) == [file]


def test_replacing_is_all_or_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with replacing(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(
    tmp_path: Path, there: bool
) -> None:
    target, link = tmp_path / "disk" / "real.json", tmp_path / "here" / "link.json"
    link.parent.mkdir()
    link.symlink_to(Path("../disk/real.json"))
    if there:
        write_json(target, "old")
    write_json(link, "new")
    assert link.is_symlink()
    assert not target.is_symlink()
    assert read_json(target) == read_json(link) == "new"
    assert below(tmp_path) == ["disk", "disk/real.json", "here", "here/link.json"]


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "round.json").symlink_to("round.json")
    write_json(tmp_path / "round.json", 1)
    assert read_json(tmp_path / "round.json") == 1


def test_a_full_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="a: cannot be written: No space"),
        replacing(tmp_path / "a"),
    ):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("name", ["folder", "file/below"])
def test_places_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"is a folder|cannot be made"):
        write_json(tmp_path / name, 1)


@pytest.mark.parametrize("name", ["file", "file/below", "link"])
def test_what_is_in_the_way_of_a_folder_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    what = "a link to nothing" if name == "link" else "a file"
    with pytest.raises(InputError, match=f"{name}: the folder cannot be made: {what} is in the"):
        make_folder(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "refused"),
    [
        ("weights.new", b"PK\x03\x04 weights", True),
        ("film", b"RIFF", True),
        ("notes", b"\n  to do: everything", True),
        ("boxes", b' \n[{"bbox": []}]', False),
        ("empty", b"", False),
        ("cut.json", b"\0\0", False),
    ],
)
def test_json_takes_the_place_of_no_other_file(
    tmp_path: Path, name: str, content: bytes, refused: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    if refused:
        with pytest.raises(InputError, match=f"{name}: is there already and holds no JSON"):
            write_json(tmp_path / name, 1)
    else:
        write_json(tmp_path / name, 1)
    assert (tmp_path / name).read_bytes() == (content if refused else b"1\n")


def test_annotations_are_replaced_by_annotations_alone(tmp_path: Path) -> None:
    file = tmp_path / "person_keypoints.json"
    write_json(file, {"images": [], "annotations": []}, indent=1)
    for content in ({"person_ids": [1], "images": 3}, [{"image_id": 1}]):
        with pytest.raises(InputError, match=r"holds annotations, and would be written over"):
            write_json(file, content)
    write_json(file, {"images": [{"id": 1}], "annotations": []})
    assert read_json(file)["images"] == [{"id": 1}]
    tasks = tmp_path / "tasks.json"
    write_json(tasks, [{"data": {"id": 1, "image": "a.jpg"}, "annotations": [{"result": []}]}])
    with pytest.raises(InputError, match=r"holds annotations, and would be written over"):
        write_json(tasks, {"person_ids": [1]})
    write_json(tmp_path / "record.json", {"annotations": 2, "images": [3]})
    write_json(tmp_path / "record.json", {"images": 3})


def killed(code: str) -> None:
    """Run Python that ends itself as kill -9 would."""
    start = "import os, signal\nfrom pathlib import Path\nfrom wepdtof_pose import files\n"
    end = "\nos.kill(os.getpid(), signal.SIGKILL)"
    code = start + textwrap.dedent(code).replace("DIE", end.strip())
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_replacing_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for text in ("first", "second"):
        with replacing_folder(out) as folder:
            (folder / text).write_text(text)
        assert below(tmp_path) == ["out", f"out/{text}"]


def test_what_a_killed_run_left_is_cleared_up(tmp_path: Path) -> None:
    killed(
        f"""
        with files.replacing_folder(Path({str(tmp_path / "out")!r})) as folder:
            (folder / "half").write_text("half")
            DIE
        """
    )
    killed(
        f"""
        with files.replacing(Path({str(tmp_path / "file")!r})) as temporary:
            temporary.write_text("half")
            DIE
        """
    )
    assert len(below(tmp_path)) == 5  # half a folder and what is in it, half a file, two locks
    with replacing_folder(tmp_path / "out") as folder:
        (folder / "whole").write_text("")
    write_json(tmp_path / "file", 1)
    assert below(tmp_path) == ["file", "out", "out/whole"]


@pytest.mark.parametrize("succeeds", [True, False])
def test_the_old_folder_survives_a_kill_between_the_renames(tmp_path: Path, succeeds: bool) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("old")
    killed(
        f"""
        rename = Path.replace
        def replace(path, target):
            if path.name.endswith(".part"):
                DIE
            return rename(path, target)
        Path.replace = replace
        with files.replacing_folder(Path({str(out)!r})) as folder:
            (folder / "new").write_text("")
        """
    )
    assert not out.exists()
    with contextlib.suppress(RuntimeError), replacing_folder(out) as folder:
        assert (out / "old").read_text() == "old"
        (folder / "new").write_text("")
        if not succeeds:
            raise RuntimeError
    assert below(tmp_path) == ["out", "out/new" if succeeds else "out/old"]


def test_what_is_the_users_own_stays(tmp_path: Path) -> None:
    mine = [".out.old", ".out.part", ".out.backup12.old", ".out.backup12.part.txt"]
    for name in mine:
        (tmp_path / name).mkdir()
        (tmp_path / name / "backup").write_text("mine")
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / ".out2.part").symlink_to(victim)
    for out in (tmp_path / "out", tmp_path / "out2"):
        with replacing_folder(out) as folder:
            (folder / "new").write_text("")
        assert not out.is_symlink()
    assert not below(victim)
    for name in mine:
        assert (tmp_path / name / "backup").read_text() == "mine"


def test_a_folder_that_may_not_be_replaced(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise InputError(f"{path}: exists")

    out = tmp_path / "out"
    with replacing_folder(out, allowed=refuse):
        pass
    with pytest.raises(InputError, match="out: exists"), replacing_folder(out, allowed=refuse):
        pass
    assert below(tmp_path) == ["out"]


def test_errors_name_the_output_and_not_its_temporary_place(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with (
        pytest.raises(InputError, match=f"^{out}/a.json: cannot be written as JSON"),
        replacing_folder(out) as folder,
    ):
        write_json(folder / "a.json", float("nan"))
    with (
        pytest.raises(InputError, match=f"^{out}: cannot be written: No space"),
        replacing_folder(out),
    ):
        raise OSError(28, "No space left on device", str(tmp_path / "source.jpg"))
    assert not below(tmp_path)


def test_a_long_name(tmp_path: Path) -> None:
    for name in ("a" * 255, "名" * 85):
        write_json(tmp_path / name, 1)
    assert below(tmp_path) == ["a" * 255, "名" * 85]


def test_replacing_folder_keeps_the_old_one_on_an_error(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "kept").write_text("")

    def fail() -> None:
        with replacing_folder(out) as folder:
            (folder / "half").write_text("")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "kept"]


def test_replacing_folder_puts_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rename = tmp_path / "out", Path.replace
    out.mkdir()
    (out / "kept").write_text("")

    def refuse(path: Path, target: Path) -> Path:
        if path.suffix == ".part":
            raise OSError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match="be written: Permission denied"), replacing_folder(out):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "kept"]


def test_sha256_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert file_sha256(tmp_path / "a").startswith("e3b0c44298fc1c14")


HOLD_A_FOLDER = """
import os, signal, sys, time
from pathlib import Path
from wepdtof_pose.files import temporary_folder
with temporary_folder(Path(sys.argv[1])) as folder:
    (folder / "a").write_text("a")
    print("held", flush=True)
    time.sleep(60)
"""


def test_temporary_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    (tmp_path / "wepdtof-pose-mine").mkdir()
    (tmp_path / "wepdtof-pose-link").symlink_to(tmp_path / "wepdtof-pose-mine")
    command = [sys.executable, "-c", HOLD_A_FOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        at_work = set(tmp_path.glob("*/files"))
        with temporary_folder(tmp_path) as folder:
            assert set(tmp_path.glob("*/files")) == at_work | {folder}
        process.kill()
        process.wait()
    assert set(tmp_path.glob("*/files")) == at_work
    with temporary_folder(tmp_path) as folder:
        assert set(tmp_path.glob("*/files")) == {folder}
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["wepdtof-pose-link", "wepdtof-pose-mine"]


def test_sweeping_removes_what_is_ours_alone(tmp_path: Path) -> None:
    ours = ["a/.b.json.abcd_123.part", ".config.yaml.lock"]
    others = ["c.part", ".notes.part", "a/.b.json.part", "lock"]
    (tmp_path / "a").mkdir()
    for name in (*ours, *others):
        (tmp_path / name).write_text("")
    sweep(tmp_path, older_than=60)
    assert all((tmp_path / name).exists() for name in ours)
    sweep(tmp_path)
    assert below(tmp_path) == sorted(["a", *others])


def test_a_pipe_or_a_device_in_the_place_of_a_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for name, what in (("pipe", "a pipe"), ("zero", "a device")):
        with pytest.raises(InputError, match=rf"{name}\.json: is {what} and no JSON file"):
            read_json(tmp_path / f"{name}.json")


def test_a_pipe_that_the_shell_opened_is_read() -> None:
    read, write = os.pipe()
    os.write(write, b"[1]")
    os.close(write)
    assert read_json(Path(f"/dev/fd/{read}")) == [1]
    os.close(read)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"\x1f\x8b\x08\x00", "gzip file, unpack it"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x80\x04\x95", "pickle, which is never read"),
        ("{}".encode("utf-16"), "UTF-16 text: save it as UTF-8"),
        ('{"a": 1'.encode("utf-16-le"), "UTF-16 text: save it as UTF-8"),
        ('{"a": 1'.encode("utf-16-be"), "UTF-16 text: save it as UTF-8"),
        (b"\0" * 99, "nothing but zeros"),
        (b"MATLAB 5.0 MAT-file", "MATLAB"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page: download the file itself"),
        (b"<annotations/>", "wepdtof-pose convert --from cvat"),
        (b"{'images': []}", "json.dump"),
        (b"// made by hand\n{}", "comments"),
        (b'{"a": 1}\n{"a": 2}\n', "JSON lines"),
        (b"image,x,y\na.jpg,1,2\n", "CSV"),
        (b"train: images\nval: images\n", "--from yolo"),
    ],
)
def test_what_is_no_json_is_named(tmp_path: Path, content: bytes, error: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=error):
        read_json(tmp_path / "a.json")


def test_pipes_and_devices_are_not_replaced_by_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/null"), Path("/dev/stdout")):
        with pytest.raises(InputError, match=f"{path}: is a pipe or a device, not a file"):
            write_json(path, [])
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert (tmp_path / "link").is_symlink()


@pytest.mark.usefixtures("heard_interrupts")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_while_folders_are_exchanged_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").write_text("old")
    rename, remove = Path.replace, shutil.rmtree

    def with_signals(done: Callable[..., Any]) -> Callable[..., Any]:
        def do(*args: Any, **kwargs: Any) -> Any:
            os.kill(os.getpid(), number)
            found = done(*args, **kwargs)
            os.kill(os.getpid(), number)
            return found

        return do

    @orderly_end()
    def write() -> None:
        with replacing_folder(tmp_path / "out") as folder:
            (folder / "new.txt").write_text("new")

    monkeypatch.setattr(Path, "replace", with_signals(rename))
    monkeypatch.setattr(shutil, "rmtree", with_signals(remove))
    with pytest.raises(KeyboardInterrupt):
        write()
    assert below(tmp_path) == ["out", "out/new.txt"]


def test_an_old_folder_whose_place_is_taken_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").write_text("old")
    real = Path.replace

    def taken(path: Path, target: Path) -> Path:
        moved = real(path, target)
        if path == tmp_path / "out":  # somebody else puts a folder there
            path.mkdir()
            (path / "foreign.txt").write_text("foreign")
        return moved

    monkeypatch.setattr(Path, "replace", taken)
    with (
        pytest.raises((OSError, InputError)),
        replacing_folder(tmp_path / "out") as folder,
    ):
        (folder / "new.txt").write_text("new")
    assert {path.name for path in tmp_path.rglob("*.txt")} == {"old.txt", "foreign.txt"}
