"""The long lists of a large file, as texts."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco, coco_tables
from wepdtof_pose.formats.coco_tables import Blocks, long_lists

CONTENT: dict[str, Any] = {
    "info": {"名": 'ä \\" ]}', "nested": [{"a": []}, [[]]]},
    "a": [
        {"x": 1.5, "text": "[,]", "y": -3.25e-7},
        {"nested": [{"a": [1, {}]}, {"b": {}}], "text": "}, {"},
        {},
        {"ü": "ü", "none": None, "true": True},
        {"number": 123456},
        {"ends": "\\"},
    ],
    "number": 12345,
    "b": [],
    "empty": {},
    "last": 7,
}


@pytest.fixture(params=[1, 2, 3, 64], ids=lambda rows: f"{rows} rows")
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coco_tables, "BLOCK_ROWS", request.param)
    monkeypatch.setattr(coco_tables, "SMALL_FILE", 1)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read_again(path: Path) -> tuple[Any, int]:
    """Content put together again, and the number of blocks of the first list."""
    lists = long_lists(path, ("a", "b"))
    assert lists is not None
    blocks = {key: list(Blocks(key, "", rows).blocks()) for key, rows in lists[1].items()}
    found = {
        key: [row for part in parts for row in json.loads(part)] for key, parts in blocks.items()
    }
    return lists[0] | found, len(blocks["a"])


ROW = '{{"id": {0}, "image_id": 1, "bbox": [1, 2, 30, 40], "category_id": 1{1}}}'
TWICE = {
    "a list": ("", ', "annotations": []'),
    "a field": (', "bbox": [1, 2, 30, 41]', ""),
    "another field": (', "mine": 1, "mine": 2', ""),
    "a nested field": (', "mine": [{"a": 1, "a": 2}]', ""),
}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("where", TWICE)
def test_a_key_that_is_there_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, large: bool
) -> None:
    monkeypatch.setattr(coco_tables, "SMALL_FILE", 1 if large else 1 << 20)
    field, member = TWICE[where]
    image = '{"id": 1, "file_name": "a\\": b.jpg", "width": 90, "height": 80}'
    category = '{"id": 1, "name": "person", "keypoints": ["a"]}'

    def content(field: str, member: str) -> Path:
        rows = ", ".join(
            ROW.format(n, field if n == 2 else ', "keypoints": [5, 6, 2]') for n in (1, 2)
        )
        return write(
            tmp_path,
            f'{{"images": [{image}], "annotations": [{rows}], "categories": [{category}]{member}}}',
        )

    with pytest.raises(InputError, match=r"an object.* has '\w+' twice, with different values"):
        coco.read(content(field, member))
    # Said twice in the same way, there is nothing to lose.
    assert len(coco.read(content(', "mine": 1, "mine": 1', ', "info": {}, "info": {}'))) == 2


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "byte order mark"])
def test_blocks_are_what_a_parser_finds(
    tmp_path: Path, ascii_only: bool, indent: int | None, mark: bytes
) -> None:
    text = json.dumps(CONTENT, ensure_ascii=ascii_only, indent=indent)
    content, blocks = read_again(write(tmp_path, mark + text.encode() + b" \n"))
    assert content == CONTENT
    assert blocks == -(-len(CONTENT["a"]) // coco_tables.BLOCK_ROWS)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("space", ["", " ", " \n\t"])
def test_white_space_anywhere(tmp_path: Path, space: str) -> None:
    text = '{ "a" : [ {"x" : 1.25e-1} , {"x":-10 } ] , "b":[ ], "last" : [{"y": "]"}, {}, 12345] }'
    content, _ = read_again(write(tmp_path, text.replace(" ", space)))
    assert content == json.loads(text)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        '{"a": [], "b": 5}',
        '{"a": []}',
        '{"a": [1], "b": []}',
        '{"a": [{},], "b": []}',
        '{"a": [{} {}], "b": []}',
        '{"a": [{}, 5], "b": []',
        '{"a": [{}]], "b": []}',
        '{"a": [{}], "b": [],}',
        '{"a": [{}], "b": []',
        '{"a": [{}], "b": []} x',
        '{"a": [{}], 5: 6, "b": []}',
        '{"a": [{"x": 01}], "b": []}',
        '{"a": [{"x": NaN}], "b": []}',
        '{"a": [{}], "b": ["\ud800"]}'.encode("utf-8", "surrogatepass"),
        '{"a": [{"x": "ä"}], "b": []}'.encode("latin-1"),
        '{"a": [{}], "b": [], "c": ' + "1" * 5000 + "}",
        '{"a": [{"x": ' + "[" * 100_000,
    ],
    ids=lambda text: repr(text[:30]),
)
def test_other_files_are_left_to_a_parser(tmp_path: Path, text: str | bytes) -> None:
    assert long_lists(write(tmp_path, text), ("a", "b")) is None


def test_small_and_missing_files_are_left_to_a_parser(tmp_path: Path) -> None:
    for path in (write(tmp_path, json.dumps(CONTENT)), tmp_path / "none.json", tmp_path):
        assert long_lists(path, ("a", "b")) is None


@pytest.mark.usefixtures("small_blocks")
def test_cut_files_are_never_read_as_shorter_ones(tmp_path: Path) -> None:
    text = json.dumps(CONTENT)
    for end in random.Random(0).sample(range(len(text)), 60):
        assert long_lists(write(tmp_path, text[:end]), ("a", "b")) is None


@pytest.mark.usefixtures("small_blocks")
def test_a_pipe_is_left_to_a_parser_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert long_lists(tmp_path / "pipe", ("a", "b")) is None
