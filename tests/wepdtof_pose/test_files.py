import json
from pathlib import Path

import numpy as np
import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import (
    file_sha256,
    read_image,
    read_json,
    replacing,
    replacing_folder,
    write_image,
    write_json,
)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b'{"a": [1, 2', "cut short"),
        (b'{"a": 1, "b', "cut short"),
        (b'{"a" 1, "bcdefgh": [1, 2, 3]}', "line 1, column 6$"),
        ("名".encode("gbk") + b"{}", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"1" * 5000 + b"]", "not usable JSON"),
    ],
    ids=["empty", "blank", "list cut", "text cut", "wrong", "gbk", "deep", "long number"],
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


@pytest.mark.parametrize("content", [float("nan"), "\ud800"], ids=["NaN", "lone surrogate"])
def test_what_has_no_json_form_leaves_the_old_file(tmp_path: Path, content: object) -> None:
    file = tmp_path / "a.json"
    write_json(file, 1)
    with pytest.raises(InputError, match="cannot be written as JSON"):
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


def test_replacing_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for text in ("first", "second"):
        # What a killed run left must not get into the result.
        (tmp_path / ".out.part").mkdir()
        (tmp_path / ".out.part" / "leftover").write_text("")
        with replacing_folder(out) as folder:
            (folder / text).write_text(text)
        assert [path.name for path in out.iterdir()] == [text]
    assert list(tmp_path.iterdir()) == [out]


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
        if path.name == ".out.part":
            raise OSError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match="be written: Permission denied"), replacing_folder(out):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "kept"]


def test_image_round_trip_under_a_name_that_is_not_ascii(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    write_image(tmp_path / "Bild 名.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "Bild 名.png"), image)


@pytest.mark.parametrize(
    ("content", "error"),
    [(None, "no such image"), (b"", "is empty"), (b"<html>", "not a readable image")],
)
def test_broken_images(tmp_path: Path, content: bytes | None, error: str) -> None:
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=error):
        read_image(tmp_path / "a.jpg")


def test_sha256_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert file_sha256(tmp_path / "a").startswith("e3b0c44298fc1c14")
