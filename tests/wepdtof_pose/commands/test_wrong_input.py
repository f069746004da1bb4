"""Commands on damaged files and with wrong options: one clear line, exit code 2, nothing lost."""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from command_line import runner

from wepdtof_pose.commands.main import main
from wepdtof_pose.images import read_image

run = runner(main)


def empty(folder: Path) -> None:
    (folder / "annotations" / "person_keypoints.json").write_text("")


def truncated(folder: Path) -> None:
    file = folder / "annotations" / "person_keypoints.json"
    file.write_text(file.read_text()[:-500])


def short_keypoints(folder: Path) -> None:
    file = folder / "annotations" / "person_keypoints.json"
    content = json.loads(file.read_text())
    content["annotations"][2]["keypoints"].pop()
    file.write_text(json.dumps(content))


def no_annotations(folder: Path) -> None:
    (folder / "annotations" / "person_keypoints.json").unlink()


def broken_image(folder: Path) -> None:
    (folder / "images" / "15.png").write_text("<html>")


def huge_image(folder: Path) -> None:
    header = struct.pack(">I4sIIBBBBB", 13, b"IHDR", 100_000, 100_000, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", zlib.crc32(header[4:]))
    (folder / "images" / "15.png").write_bytes(content + bytes(64))


def missing_image(folder: Path) -> None:
    (folder / "images" / "15.png").unlink()


def two_files(folder: Path) -> None:
    file = folder / "annotations" / "person_keypoints.json"
    for name in ("train.json", "val.json"):
        (folder / "annotations" / name).write_bytes(file.read_bytes())
    file.unlink()


def nothing(folder: Path) -> None:
    pass


CONVERT = ("convert", "DATA", "OUT", "--from", "coco", "--to", "coco")
SPLIT = ("split", "DATA", "-o", "OUT", "--labels")
DRAW = ("visualize", "DATA", "-o", "OUT")


@pytest.mark.parametrize(
    ("damage", "arguments", "error"),
    [
        (empty, ("stats", "DATA"), "person_keypoints.json: the file is empty"),
        (truncated, ("stats", "DATA"), "cut short"),
        (short_keypoints, ("stats", "DATA"), "has 41 numbers instead of 42"),
        (no_annotations, ("stats", "DATA"), "another format: wepdtof-pose convert first"),
        (missing_image, CONVERT, "1 of 3 images are missing"),
        (nothing, (*CONVERT, "--keypoints", "x"), "unknown keypoint set 'x'"),
        (nothing, ("convert", "DATA", "OUT", "--from", "xyz", "--to", "coco"), "format 'xyz'"),
        (nothing, ("convert", "DATA", "OUT", "--from", "lspet", "--to", "coco"), "joints.mat"),
        (nothing, ("convert", "DATA", "DATA", "--from", "coco", "--to", "coco"), "never edited"),
        (nothing, (*SPLIT, "1k"), "asks for 1000 labelled people, but the data has only 6"),
        (nothing, (*SPLIT, "many"), "not understood"),
        (nothing, (*SPLIT, "9" * 5000), "not understood"),
        (nothing, (*SPLIT, "9" * 400 + "%"), "not understood"),
        (nothing, ("stats", "n" * 300), "File name too long"),
        (nothing, ("stats", "DATA", "--plots", "n" * 300), "File name too long"),
        (nothing, (*SPLIT, "2", "--split", "val"), "has no split 'val', only all"),
        (nothing, ("split", "DATA", "-o", "DATA", "--labels", "2"), "is a folder"),
        (nothing, ("split", "DATA", "-o", "OUT", "--test", "1"), "no scenes are known"),
        (nothing, (*DRAW, "--sheet", "--scene", "x"), "no scene 'x'"),
        (nothing, ("validate", "OUT"), "no such file or folder"),
        (two_files, (*SPLIT, "2", "--leave-out-test"), "--leave-out-test is for one file"),
        (nothing, ("validate", "DATA", "--fix", "DATA"), "exists already"),
        (nothing, (*DRAW, "--predictions", "DATA"), "is a folder, not a JSON file"),
        (nothing, ("synth", "DATA", "--people", "2"), "my data ä"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(
    data: Path, tmp_path: Path, damage: Callable, arguments: tuple, error: str
) -> None:
    damage(data)
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    places = {"DATA": data, "OUT": tmp_path / "out"}
    result = run(*(places.get(argument, argument) for argument in arguments))
    assert result.exit_code == 2
    assert "error: " in result.stderr
    assert error in result.stderr
    assert result.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("damage", [missing_image, broken_image, huge_image])
@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ((), ["000_5.png", "002_25.png"]),
        (("--grid",), ["grid.png"]),
        (("--heatmaps",), ["heatmaps.png"]),
        (("--sheet",), ["sheet.png"]),
        (("--video",), ["film.mp4"]),
    ],
    ids=lambda value: "-".join(value),
)
def test_images_that_cannot_be_read_are_left_out_and_named(
    data: Path, tmp_path: Path, damage: Callable, kind: tuple, files: list[str]
) -> None:
    whole, rest = tmp_path / "whole", tmp_path / "rest"
    assert run("visualize", data, "-o", whole, *kind).exit_code == 0
    damage(data)
    result = run("visualize", data, "-o", rest, *kind)
    assert result.exit_code == 1
    assert sorted(p.name for p in rest.iterdir()) == files
    assert result.stderr.count("15.png: ") == 1
    assert result.stderr.endswith("\n1 image left out for these reasons\n")
    if kind:
        assert drawn(rest / files[0]) < drawn(whole / files[0])


def drawn(file: Path) -> int:
    """How many frames a film has, or how many pixels of a page are not background."""
    if file.suffix == ".mp4":
        return round(cv2.VideoCapture(str(file)).get(cv2.CAP_PROP_FRAME_COUNT))
    page = read_image(file)
    return int((page != page[0, 0]).any(axis=2).sum())


@pytest.mark.parametrize("kind", [(), ("--grid",), ("--heatmaps",), ("--sheet",), ("--video",)])
def test_no_frame_at_all_that_can_be_read_is_an_error(
    data: Path, tmp_path: Path, kind: tuple
) -> None:
    for file in (data / "images").iterdir():
        file.write_text("<html>")
    result = run("visualize", data, "-o", tmp_path / "out", *kind)
    assert result.exit_code == 2
    assert not list(tmp_path.glob("out/*"))
    assert "5.png: is not a readable image" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("split", "x"),
        ("synth", "x", "--people", "0"),
        ("stats",),
        ("stats", "--fast"),
        ("split", "x", "-o", "y"),
        ("visualize", "x", "-o", "y", "--grid", "--video"),
        ("split", "x", "-o", "y", "--train", "0.8", "--test", "20"),
        ("split", "x", "-o", "y", "--train", "80", "--val", "30", "--test", "10"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(arguments: tuple) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("visualize", "x", "--scene", "nonsense", "--fps", "3"), "--scene, --fps"),
        (("visualize", "x", "--heatmaps", "--predictions", "p"), "--predictions"),
        (("visualize", "x", "--grid", "--rings"), "--rings"),
        (("visualize", "x", "--sheet", "--fps", "3"), "--fps"),
        (("visualize", "x", "--video", "--seed", "0"), "--seed"),
        (("split", "x", "--train", "1", "--order", "file"), "--order"),
        (("split", "x", "--labels", "1k", "--seed", "1"), "--seed"),
        (("split", "x", "--train", "1", "--leave-out-test"), "--leave-out-test"),
        (("visualize", "x", "--threshold", "0.1"), "--threshold"),
    ],
    ids=str,
)
def test_options_without_effect_are_refused(arguments: tuple, options: str) -> None:
    result = run(*arguments, "-o", "y")
    assert result.exit_code == 2
    assert f"Error: {options}: without effect on " in result.stderr
