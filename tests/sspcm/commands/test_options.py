"""What -o never writes over, and numbers that are none."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks.commands.main import main as benchmarks
from sspcm.commands.main import main
from wepdtof_pose.commands.main import main as toolkit
from wepdtof_pose.files import NoRoomError

COMMANDS = {
    "evaluate": ["run"],
    "find": ["frames"],
    "rank": ["data", "-n", "3"],
    "pseudo-labels": ["run"],
    "export": ["run"],
}


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("group", [main, toolkit], ids=["sspcm", "wepdtof-pose"])
def test_numbers_are_finite(group: click.Group, value: str) -> None:
    asked = [
        (name, option.opts[0])
        for name, command in group.commands.items()
        for option in command.params
        if isinstance(option.type, click.types.FloatParamType)
    ]
    assert len(asked) > 4
    for name, option in asked:
        done = CliRunner().invoke(group, [name, "in", "-o", "out", f"{option}={value}"])
        assert done.exit_code == 2
        assert f"Invalid value for '{option}': {value}" in done.output


def test_help_lists_options_under_headings() -> None:
    text = CliRunner().invoke(main, ["predict", "--help"]).output
    plain, boxes, networks = re.split(r"^(?:Boxes|Networks):$", text, flags=re.M)
    for section, options in (
        (plain.split("Options:")[1], ["--output", "--track", "--draw", "--help"]),
        (boxes, ["--boxes", "--finder", "--up"]),
        (networks, ["--model", "--network", "--device"]),
    ):
        assert all(option in section for option in options)
    assert text.count("INPUTS...") == 1


@pytest.mark.parametrize("group", [main, toolkit, benchmarks], ids=["sspcm", "toolkit", "bench"])
def test_what_has_to_be_given_is_asked_for(group: click.Group) -> None:
    needed = [
        (command, option)
        for command in group.commands.values()
        for option in command.params
        if option.required
    ]
    assert needed
    for command, option in needed:
        with click.Context(command) as context, pytest.raises(click.MissingParameter):
            option.handle_parse_result(context, {}, [])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("annotations/person_keypoints.json", "holds annotations, and would be written over"),
        ("result.json", "belongs to the run in"),
        ("checkpoints/last.pt", "belongs to the run in"),
    ],
)
def test_annotations_and_files_of_runs_are_not_written_over(
    tmp_path: Path, command: str, name: str, said: str
) -> None:
    (tmp_path / "config.yaml").touch()
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text('{"images": [], "annotations": []}' if "annotations" in name else "of a run")
    before = file.read_bytes()
    done = CliRunner().invoke(main, [command, *COMMANDS[command], "-o", str(file)])
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert file.read_bytes() == before


def test_an_earlier_result_is_written_over(single_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text("{}")
    done = CliRunner().invoke(main, ["evaluate", str(single_run), "-o", str(file)])
    assert done.exit_code == 0, done.output
    assert '"networks"' in file.read_text()


def test_scores_are_said_where_the_file_cannot_be_written(
    single_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(path: Path, *_: object, **__: object) -> None:
        raise NoRoomError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr("wepdtof_pose.files.write_json", fill_up)
    output = tmp_path / "scores.json"
    done = CliRunner().invoke(main, ["evaluate", str(single_run), "-o", str(output)])
    assert done.exit_code == 2
    assert "PCK@0.2" in done.output
    assert "No space left on device" in done.output


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_in_the_way_of_an_output_is_said_before_the_work(
    tmp_path: Path, command: str
) -> None:
    (tmp_path / "file").touch()
    output = tmp_path / "file" / "result.json"
    done = CliRunner().invoke(main, [command, *COMMANDS[command], "-o", str(output)])
    assert done.exit_code == 2, done.output
    assert "file is a file, not a folder" in done.output


def test_weights_are_not_written_over_by_what_is_made_of_them(
    single_run: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes((single_run / "checkpoints" / "last.pt").read_bytes())
    before = weights.read_bytes()
    for command in ("export", "import-weights"):
        done = CliRunner().invoke(main, [command, str(weights), "-o", str(weights)])
        assert done.exit_code == 2, done.output
        assert weights.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("find", "IN", "-o", "IN"),
        ("rank", "data", "-n", "3", "--labelled", "IN", "-o", "IN"),
        ("evaluate", "run", "--detections", "IN", "-o", "folder/../IN"),
    ],
)
def test_a_file_that_is_read_is_not_written_over(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "folder").mkdir()
    file = tmp_path / "boxes.json"
    file.write_text("[]")
    named = [one.replace("IN", str(file)) for one in arguments]
    if named[-1].startswith("folder"):
        named[-1] = f"{tmp_path}/folder/../boxes.json"
    done = CliRunner().invoke(main, named)
    assert done.exit_code == 2
    assert "boxes.json: is the file that is read: name another" in done.output
    assert file.read_text() == "[]"


@pytest.mark.parametrize(
    ("command", "name", "message"),
    [
        (
            "export",
            "clip.mp4",
            "clip.mp4: .mp4 is no format of an export: give the",
        ),
        ("export", "new.txt", "new.txt: .txt is no format of an export"),
        ("export", "new.tflite", "new.tflite: .tflite is no format of an export"),
        ("export", "there", "there: is there already: give the name of an .onnx file"),
        (
            "import-weights",
            "new.onnx",
            "is the name of other weights, but what is",
        ),
        (
            "import-weights",
            "clip.mp4",
            "is the name of a video, but what is written is",
        ),
    ],
)
def test_networks_take_the_name_and_place_of_no_other_file(
    tmp_path: Path, command: str, name: str, message: str
) -> None:
    for there in ("clip.mp4", "there"):
        (tmp_path / there).write_text("a film")
    done = CliRunner().invoke(main, [command, "ceiling-find", "-o", str(tmp_path / name)])
    assert done.exit_code == 2
    assert message in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "there"]
    assert (tmp_path / "clip.mp4").read_text() == "a film"
