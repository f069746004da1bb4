"""`wepdtof-pose download` as people call it: terms, steps, archives, links, and being killed."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from command_line import runner

from wepdtof_pose.commands.main import main
from wepdtof_pose.download import archives, install
from wepdtof_pose.download.install import SEQUENCES
from wepdtof_pose.download.sources import read_registry
from wepdtof_pose.errors import InputError
from wepdtof_pose.locks import exclusive

run = runner(main, "download")


def wepdtof(**changes: bytes | None) -> dict[str, bytes]:
    """The files of a made-up WEPDTOF; `changes` by path with "__" for "/" replace or drop some."""
    files = {"__MACOSX/WEPDTOF/._annotations": b"junk", "WEPDTOF/.DS_Store": b"junk"}
    for sequence in SEQUENCES:
        name = f"{sequence}_000007"
        content = {
            "images": [{"file_name": f"{name}.jpg", "id": name, "width": 9, "height": 9}],
            "annotations": [{"image_id": name, "bbox": [4, 4, 2, 3, -30.5], "person_id": 1}],
        }
        files[f"WEPDTOF/annotations/{sequence}.json"] = json.dumps(content).encode()
        files[f"WEPDTOF/frames/{sequence}/{name}.jpg"] = b"pixels"
        files[f"WEPDTOF/ROI_maps/{sequence}.png"] = b"pixels"
    return {n: c for n, c in {**files, **changes}.items() if c is not None}


def pose(numbers: int = 42, *, name: str = "数_1.jpg", encoding: str = "utf-8") -> dict[str, bytes]:
    content = {
        "images": [{"id": 0, "file_name": f"train2017/{name}", "width": 9, "height": 9}],
        "annotations": [{"id": 1, "image_id": 0, "keypoints": [1] * numbers, "备注": "人"}],
        "categories": [{"id": 1, "name": "person"}],
    }
    text = json.dumps(content, ensure_ascii=False)
    return {
        "coco/annotations/person_keypoints_train2017.json": text.encode(encoding),
        "coco/images/train2017/数_1.jpg": b"pixels",
    }


@pytest.fixture
def zip_file(tmp_path: Path, make_zip: Callable) -> Callable[..., Path]:
    def write(files: dict[str, bytes], name: str = "from afar ä.zip") -> Path:
        (tmp_path / name).write_bytes(make_zip(files))
        return tmp_path / name

    return write


@pytest.mark.parametrize("source", ["wepdtof", "wepdtof-pose"])
def test_terms_steps_and_the_way_to_start_today(source: str, root: Path) -> None:
    result = run("--source", source, "--root", root)
    assert result.exit_code == 2
    for said in ("Licence: ", "n/a", "Please cite: ", "Steps:", "--archive FILE", "synth fisheye"):
        assert said in result.output
    assert not root.exists()


def test_terms_must_be_accepted(root: Path, zip_file: Callable) -> None:
    archive = zip_file(wepdtof())
    result = run("--source", "wepdtof", "--root", root, "--archive", archive)
    assert result.exit_code == 2
    assert "add --accept-license" in result.output
    assert not root.exists()


@pytest.mark.parametrize("answer", ["y", "n"])
def test_terms_on_a_terminal(
    root: Path, zip_file: Callable, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)
    arguments = ["download", "--source", "wepdtof", "--root", str(root)]
    result = CliRunner().invoke(
        main, [*arguments, "--archive", str(zip_file(wepdtof()))], input=f"{answer}\n"
    )
    assert result.exit_code == (0 if answer == "y" else 2), result.output
    assert (root / "wepdtof").exists() == (answer == "y")


def test_a_wepdtof_archive(root: Path, zip_file: Callable, tree: Callable) -> None:
    archive = zip_file(wepdtof())
    before = archive.read_bytes()
    options = ("--source", "wepdtof", "--root", root, "--accept-license", "--archive", archive)
    result = run(*options)
    assert result.exit_code == 0, result.output
    assert "16 people on 16 frames" in result.output
    found = tree(root / "wepdtof")
    assert len(found) == 48
    assert found["frames/warehouse/warehouse_000007.jpg"] == b"pixels"
    record = json.loads((root / "downloads.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(before).hexdigest()
    assert record == {f"wepdtof/{archive.name}": {"sha256": digest, "size": len(before)}}
    assert sorted(p.name for p in root.iterdir()) == ["downloads.json", "wepdtof"]
    assert archive.read_bytes() == before
    assert "there already" in run(*options).output
    zip_file(wepdtof(**{"WEPDTOF/more.txt": b"x"}))
    again = run(*options)
    assert again.exit_code == 2
    assert "when first seen" in again.output


def test_annotations_and_frames_in_two_archives(root: Path, zip_file: Callable) -> None:
    files = wepdtof()
    first = zip_file({n: c for n, c in files.items() if "annotations/" in n}, "a.zip")
    second = zip_file(
        {n.removeprefix("WEPDTOF/"): c for n, c in files.items() if "/frames/" in n}, "b.zip"
    )
    options = ("--source", "wepdtof", "--root", root, "--accept-license", "--archive", first)
    alone = run(*options)
    assert alone.exit_code == 2
    assert "none of the images of call_center is there" in alone.output
    assert run(*options, "--archive", second).exit_code == 0


BAD_WEPDTOF: dict[str, tuple[dict[str, Any], str]] = {
    "a sequence lacks": (
        {"WEPDTOF/annotations/it_office.json": None},
        "annotations/ lacks it_office",
    ),
    "its frames lack": (
        {"WEPDTOF/frames/it_office/it_office_000007.jpg": None},
        "none of the images of it_office is there",
    ),
    "frames of another": (
        {
            "WEPDTOF/frames/it_office/it_office_000007.jpg": None,
            "WEPDTOF/frames/it_office/x.jpg": b"x",
        },
        "none of the images of it_office is there",
    ),
    "no JSON": ({"WEPDTOF/annotations/it_office.json": b"{"}, "not valid JSON"),
    "a list": ({"WEPDTOF/annotations/it_office.json": b"[]"}, "annotations/ lacks it_office"),
    "plain boxes": (
        {
            "WEPDTOF/annotations/it_office.json": b'{"images": [{"id": 1, "file_name": "a.jpg", '
            b'"width": 9, "height": 9}], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}'
        },
        "'bbox' has 4 numbers, not 5 (cx, cy, w, h, angle)",
    ),
}


@pytest.mark.parametrize("case", BAD_WEPDTOF)
def test_a_wrong_wepdtof_leaves_nothing(root: Path, zip_file: Callable, case: str) -> None:
    changes, message = BAD_WEPDTOF[case]
    archive = zip_file(wepdtof(**changes))
    result = run("--source", "wepdtof", "--root", root, "--accept-license", "--archive", archive)
    assert result.exit_code == 2
    assert message in result.output
    assert not list(root.iterdir())


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_a_wepdtof_pose_archive(
    root: Path, zip_file: Callable, tree: Callable, encoding: str
) -> None:
    archive = zip_file(pose(encoding=encoding))
    result = run("--root", root, "--accept-license", "--archive", archive)
    assert result.exit_code == 0, result.output
    assert "train: 1 person on 1 frame" in result.output
    assert set(tree(root / "wepdtof-pose")) == {
        "annotations/person_keypoints_train2017.json",
        "images/train2017/数_1.jpg",
    }


@pytest.mark.parametrize(
    ("names", "images", "expected"),
    [
        (["train/a.jpg"], {"t.zip": ["train/a.jpg"]}, ["train/a.jpg"]),
        (["train\\a.jpg"], {"t.zip": ["all/train/a.jpg"]}, ["train/a.jpg"]),
        (["a.jpg"], {"t.zip": ["train/a.jpg"]}, ["a.jpg"]),
        (
            ["a.jpg"],
            {"t.zip": ["x/train/a.jpg"], "v.zip": ["val/a.jpg"]},
            "two archives hold a.jpg",
        ),
        (["x" * 300], {"t.zip": ["images/a.jpg"]}, "'file_name' is not a usable file name"),
    ],
)
def test_images_in_archives_of_their_own_lie_where_the_annotations_name_them(
    root: Path,
    zip_file: Callable,
    tree: Callable,
    names: list[str],
    images: dict[str, list[str]],
    expected: list[str] | str,
) -> None:
    person = {"id": 1, "image_id": 0, "keypoints": [1] * 42}
    content = {
        "images": [{"id": k, "file_name": n, "width": 9, "height": 9} for k, n in enumerate(names)],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person"}],
    }
    annotations = {"coco/annotations/people.json": json.dumps(content).encode()}
    given = [zip_file(annotations, "annotations.zip")]
    given += [zip_file(dict.fromkeys(files, b"x"), name) for name, files in images.items()]
    options = [word for archive in given for word in ("--archive", archive)]
    result = run("--root", root, "--accept-license", *options)
    if isinstance(expected, str):
        assert expected in result.output
        return
    assert result.exit_code == 0, result.output
    assert set(tree(root / "wepdtof-pose")) == {"annotations/people.json", *expected}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (pose(51), "51 numbers instead of 42"),
        (pose(name="elsewhere.jpg"), "none of the images of train is there"),
        ({"a.json": b"{}"}, "'images' is missing"),
        ({"a.json": b"\xff\xff"}, "is not UTF-8 or GB18030 text"),
        (wepdtof(), "one of 16 annotation files"),
    ],
)
def test_a_wrong_wepdtof_pose(
    root: Path, zip_file: Callable, files: dict[str, bytes], message: str
) -> None:
    result = run("--root", root, "--accept-license", "--archive", zip_file(files))
    assert result.exit_code == 2
    assert message in result.output
    assert not (root / "wepdtof-pose").exists()


def test_a_direct_link(root: Path, server: Any, make_zip: Callable) -> None:
    content = make_zip(wepdtof())
    url = server.serve("/WEPDTOF.zip", content, cuts=[1000])
    options = ("--source", "wepdtof", "--root", root, "--accept-license", "--url", url)
    wrong = run(*options, "--sha256", "0" * 64)
    assert wrong.exit_code == 2
    assert "expected 0000" in wrong.output
    assert "synth fisheye" in wrong.output
    result = run(*options, "--sha256", hashlib.sha256(content).hexdigest().upper())
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in root.iterdir()) == ["downloads.json", "wepdtof"]


def test_a_download_is_kept_where_the_disk_is_at_fault_and_removed_where_it_is(
    root: Path, server: Any, make_zip: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = read_registry()["wepdtof"]
    url = server.serve("/WEPDTOF.zip", make_zip(wepdtof()))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(archives, "_write", full)
        with pytest.raises(InputError, match=r"not unpacked: No space left on device$"):
            install.download(source, root, url=url)
    install.download(source, root, url=url)
    assert len(server.pages["/WEPDTOF.zip"].requests) == 1
    bad = server.serve("/other.zip", make_zip({"other.txt": b"x"}))
    with pytest.raises(InputError, match=r"\(the downloaded archive was removed\)"):
        install.download(source, root / "second", url=bad)
    assert not list(root.glob("second/downloads/*/*"))


def test_what_another_link_of_the_same_name_left_is_not_taken(
    root: Path, server: Any, make_zip: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    one = server.serve("/one/download", make_zip({"other.txt": b"x"}))
    two = server.serve("/two/download", make_zip(wepdtof()))
    source = read_registry()["wepdtof"]
    with monkeypatch.context() as patch:
        patch.setattr(install, "unpack", killed)
        with pytest.raises(KeyboardInterrupt):
            install.download(source, root, url=one)
    install.download(source, root, url=two)
    assert len(server.pages["/two/download"].requests) == 1
    assert (root / "wepdtof" / "annotations").is_dir()


def test_a_link_whose_file_changed_since_first_seen(
    root: Path, server: Any, make_zip: Callable
) -> None:
    import shutil

    url = server.serve("/W.zip", make_zip(wepdtof()))
    options = ("--source", "wepdtof", "--root", root, "--accept-license", "--url", url)
    assert run(*options).exit_code == 0
    shutil.rmtree(root / "wepdtof")
    server.serve("/W.zip", make_zip(wepdtof(**{"WEPDTOF/more.txt": b"x"})))
    assert run(*options).exit_code == 2
    assert not (root / "wepdtof").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--source", "nowhere"], "there is no source 'nowhere', only wepdtof-pose, wepdtof, coco"),
        (["--url", "ftp://a/b"], "is not a URL"),
        (["--url", "http://[a/b"], "is not a URL"),
        (["--sha256", "12"], "is not a SHA-256"),
        (["--archive", "nowhere.zip"], "nowhere.zip: no such file"),
        (["--archive", "."], "is no file"),
        (["--archive", "a", "--url", "http://127.0.0.1:9/"], "either --archive or --url"),
        (["--source", "coco", "--only", "val2016"], "has no file 'val2016.zip', only annotations_"),
        (["--registry", "nowhere.json"], "nowhere.json: no such file"),
    ],
)
def test_wrong_usage(options: list[str], message: str, tmp_path: Path) -> None:
    result = run("--accept-license", "--root", tmp_path / "r", *options)
    assert result.exit_code == 2
    assert message in result.output


def test_two_at_a_time_are_refused(tmp_path: Path, zip_file: Callable) -> None:
    with exclusive(tmp_path / "r" / "downloads"):
        result = run("--root", tmp_path / "r", "--accept-license", "--archive", zip_file(pose()))
    assert result.exit_code == 2
    assert "another download into this folder is running" in result.output
