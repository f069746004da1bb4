import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import json_lists
from wepdtof_pose.formats.json_lists import long_lists

CONTENT = {
    "info": {"名": 'ä \\" ]}', "nested": [{"a": []}, [[]]]},
    "a": [{"x": 1.5, "text": "[,]"}, 12, -3.25e-7, [1, [2, {}]], "ü", None, True, 123456],
    "number": 12345,
    "b": [],
    "empty": {},
    "last": 7,
}


@pytest.fixture(params=[1, 2, 3, 5, 64], ids=lambda block: f"block {block}")
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lists, "BLOCK_BYTES", request.param)
    monkeypatch.setattr(json_lists, "ITEMS", 3)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read_again(path: Path) -> tuple[Any, dict[str, list[int]]]:
    """Content put together again, and the lengths of the chunks."""
    with long_lists(path, ("a", "b")) as lists:
        assert lists is not None
        chunks = {key: list(lists.chunks(key)) for key in ("b", "a")}
    found = {key: [one for chunk in parts for one in chunk] for key, parts in chunks.items()}
    return lists.members | found, {key: [len(c) for c in parts] for key, parts in chunks.items()}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "byte order mark"])
def test_chunks_are_what_a_parser_finds(
    tmp_path: Path, ascii_only: bool, indent: int | None, mark: bytes
) -> None:
    text = json.dumps(CONTENT, ensure_ascii=ascii_only, indent=indent)
    content, lengths = read_again(write(tmp_path, mark + text.encode() + b" \n"))
    assert content == CONTENT
    assert lengths == {"a": [3, 3, 2], "b": [0]}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        '{"a": [], "b": 5}',
        '{"a": []}',
        '{"a": [], "a": [], "b": []}',
        '{"a": [1,], "b": []}',
        '{"a": [1 2], "b": []}',
        '{"a": [1], "b": [],}',
        '{"a": [1], "b": []',
        '{"a": [1], "b": []} x',
        '{"a": [1], 5: 6, "b": []}',
        '{"a": [01], "b": []}',
        '{"a": [1], "b": ["\ud800"]}'.encode("utf-8", "surrogatepass"),
        '{"a": ["ä"], "b": []}'.encode("latin-1"),
        '{"a": [' + "1" * 5000 + '], "b": []}',
        '{"a": [' + "[" * 100_000,
    ],
    ids=lambda text: repr(text[:30]),
)
def test_other_files_are_left_to_a_parser(tmp_path: Path, text: str | bytes) -> None:
    with long_lists(write(tmp_path, text), ("a", "b")) as lists:
        assert lists is None


def test_small_and_missing_files_are_left_to_a_parser(tmp_path: Path) -> None:
    for path in (write(tmp_path, json.dumps(CONTENT)), tmp_path / "none.json", tmp_path):
        with long_lists(path, ("a", "b")) as lists:
            assert lists is None


@pytest.mark.usefixtures("small_blocks")
def test_cut_files_are_never_read_as_shorter_ones(tmp_path: Path) -> None:
    text = json.dumps(CONTENT)
    for end in random.Random(0).sample(range(len(text)), 60):
        with long_lists(write(tmp_path, text[:end]), ("a", "b")) as lists:
            assert lists is None


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("items", [[], [1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9]])
def test_a_file_that_changes_is_an_error(tmp_path: Path, items: list[int]) -> None:
    path = write(tmp_path, json.dumps({"a": CONTENT["a"], "b": []}))
    with long_lists(path, ("a", "b")) as lists:
        assert lists is not None
        path.write_text(json.dumps({"a": items, "b": []}) if items else "{")
        with pytest.raises(InputError, match=r"a\.json: was changed while it was read"):
            list(lists.chunks("a"))


@pytest.mark.usefixtures("small_blocks")
def test_a_pipe_is_left_to_a_parser_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with long_lists(tmp_path / "pipe", ("a", "b")) as lists:
        assert lists is None
