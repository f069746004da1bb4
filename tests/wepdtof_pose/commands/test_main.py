"""The commands on real files: what they say and how they end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from command_line import require_helpful, runner

from wepdtof_pose.commands.main import main
from wepdtof_pose.commands.shared import CommandGroup
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.images import read_image
from wepdtof_pose.splits.hold_out import hold_out, read_subset
from wepdtof_pose.splits.partitions import read_partition

run = runner(main)


def test_help_of_every_command_has_an_example_and_needs_nothing_heavy() -> None:
    require_helpful(
        "wepdtof_pose", heavy=("numpy", "pandas", "cv2", "torch", "matplotlib", "scipy")
    )


def test_a_wrong_path_in_a_real_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wepdtof_pose", "stats", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "wepdtof-pose: error: nowhere: no such file or folder\n"


def test_a_damaged_picture_is_named_by_us_alone(data: Path) -> None:
    """OpenCV would add lines about its own source code."""
    photo = data / "images" / "5.png"
    photo.write_bytes(photo.read_bytes()[:-40])
    command = [sys.executable, "-m", "wepdtof_pose", "validate", str(data), "--images"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "5.png" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["stats", "--help"], ["stats"]])
def test_a_disk_that_is_full_is_one_line(arguments: list[str], data: Path, tmp_path: Path) -> None:
    named = [str(data)] if arguments == ["stats"] else []
    command = [sys.executable, "-m", "wepdtof_pose", *arguments, *named]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False
        )
        unheard = subprocess.run([*command[:3], "stats", "nowhere"], stderr=full, check=False)
    assert (done.returncode, unheard.returncode) == (2, 2)
    where = "" if arguments == ["stats", "--help"] else "standard output: "
    assert done.stderr == f"wepdtof-pose: error: {where}No space left on device\n"


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals")
@pytest.mark.parametrize(
    ("by", "code", "line"),
    [
        (signal.SIGINT, 130, b"wepdtof-pose: interrupted"),
        (signal.SIGTERM, 143, b"wepdtof-pose: terminated"),
    ],
)
def test_a_signal_is_one_line(tmp_path: Path, by: signal.Signals, code: int, line: bytes) -> None:
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from wepdtof_pose.commands.main import main; main(prog_name='wepdtof-pose')"
    )
    command = ["synth", "out", "--people", "100", "--size", "96", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *command],
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        start_new_session=True,
    )
    assert process.stderr
    assert process.stderr.readline().startswith(b"synth: ")
    os.killpg(process.pid, by)  # as a terminal does, or Slurm
    *_, last = said = process.communicate(timeout=60)[1].splitlines()
    assert (process.returncode, last) == (code, line)
    assert all(line.startswith(b"synth: ") for line in said[:-1])


def test_ctrl_c_while_a_compiled_module_is_imported() -> None:
    @click.group(cls=CommandGroup)
    def group() -> None:
        pass

    @group.command()
    def command() -> None:
        raise ImportError("initialization failed") from KeyboardInterrupt()

    done = CliRunner().invoke(group, ["command"])
    assert (done.exit_code, done.stderr) == (130, "group: interrupted\n")


def test_version() -> None:
    assert run("--version").output.startswith("wepdtof-pose, version ")


def test_stats(data: Path) -> None:
    output = run("stats", data).output
    assert "all (wepdtof-pose-14, hash " in output
    words = [line.split() for line in output.splitlines()]
    assert ["usable", "people", "6"] in words
    assert ["scenes", "n/a"] in words
    assert ["right_elbow", "6", "6", "0"] in words
    assert ["right_wrist", "0", "0", "0"] in words
    assert ["half", "50.0", "50.5", "50.2"] in words


@pytest.mark.parametrize("order", ["file", "random"])
def test_split(data: Path, tmp_path: Path, order: str) -> None:
    file = tmp_path / "new folder" / "labelled.json"
    seed = () if order == "file" else ("--seed", 4)
    result = run("split", data, "--labels", "50%", "--order", order, *seed, "-o", file)
    assert result.output == f"3 of 6 usable people written to {file}\n"
    record = read_json(file)
    assert record["seed"] == (4 if order == "random" else None)
    assert len(set(record["person_ids"])) == 3
    if order == "file":
        assert record["person_ids"] == [100, 101, 102]


def test_convert_then_draw(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(
        *("convert", data, out, "--from", "coco", "--to", "coco", "--keypoints", "coco-17")
    )
    # 12 of the 14 joints are in both sets, and the right wrist is not labelled.
    assert "all: 6 people on 3 frames, 66 labelled joints of coco-17" in result.output
    assert "dropped, not in coco-17: head_top (6 labels)" in result.output
    result = run("visualize", out, "-o", tmp_path / "v", "--limit", 2)
    files = [Path(line) for line in result.output.splitlines()]
    assert len(files) == 2
    assert read_image(files[0]).shape == (864, 1152, 3)


def test_pictures_are_not_drawn_among_the_images_of_the_data_set(
    data: Path, tmp_path: Path
) -> None:
    content = read_json(data / "annotations" / "person_keypoints.json")
    name = Path(content["images"][0]["file_name"])
    (data / "images" / name).rename(data / "images" / "grid.png")
    content["images"][0]["file_name"] = "grid.png"
    write_json(data / "annotations" / "person_keypoints.json", content)
    before = (data / "images" / "grid.png").read_bytes()
    result = run("visualize", data, "-o", data / "images", "--grid")
    assert result.exit_code == 2
    assert "holds images of the data set: name another folder" in result.output
    assert (data / "images" / "grid.png").read_bytes() == before


def test_grid_with_predictions(data: Path, tmp_path: Path) -> None:
    content = read_json(data / "annotations" / "person_keypoints.json")
    results = [
        {"image_id": row["image_id"], "category_id": 1, "keypoints": row["keypoints"], "score": 0.5}
        for row in content["annotations"]
    ]
    write_json(tmp_path / "predictions.json", results)
    options = ("-o", tmp_path / "v", "--grid", "--predictions", tmp_path / "predictions.json")
    pictures = []
    for seed in (1, 1):
        result = run("visualize", data, *options, "--limit", 2, "--seed", seed)
        assert result.output == f"{tmp_path / 'v' / 'grid.png'}\n"
        pictures.append((tmp_path / "v" / "grid.png").read_bytes())
    assert pictures[0] == pictures[1]
    assert read_image(tmp_path / "v" / "grid.png").shape[1] == 2 * (2 * 240 + 8) + 8
    run("visualize", data, "-o", tmp_path / "v", "--predictions", tmp_path / "predictions.json")
    assert len(list((tmp_path / "v").glob("0*.png"))) == 3


def test_validate(data: Path, tmp_path: Path) -> None:
    result = run("validate", data, "--images")
    assert result.exit_code == 0
    assert result.output.startswith("person_keypoints.json: 6 people on 3 images\n")
    missing_area(data)
    result = run("validate", data, "--places", 1)
    assert result.exit_code == 1
    assert "error           6  area-missing:" in result.output
    assert "... and 5 more" in result.output
    result = run("validate", data, "--json", "--fix", tmp_path / "fi xed")
    content = json.loads(result.output)
    assert (result.exit_code, content["errors"]) == (1, 6)
    assert [change["code"] for change in content["fixed"]["changes"]] == ["area-missing"] * 6
    assert "area-missing" not in content["fixed"]["remaining"]
    result = run("validate", tmp_path / "fi xed", "--images")
    assert result.exit_code == 0


def test_sides_and_stratified_labels(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    scenes = ["a", "b", "a", "c"]
    data = write_folder(tmp_path / "set", a=make_dataset([2, 2, 2, 2], scenes=scenes))
    file = tmp_path / "sides.json"
    result = run("split", data, "--train", 50, "--val", 25, "--test", 25, "-o", file)
    assert result.output.splitlines()[0] == "train: 4 usable people, 1 scene"
    assert set(read_json(file)["sides"]) == {"train", "val", "test"}
    result = run("split", data, "--labels", "50%", "--order", "stratified", "-o", file)
    assert result.output == f"4 of 8 usable people written to {file}\n"
    record = read_json(file)
    assert (record["order"], record["by"], record["seed"]) == ("stratified", "person", 0)


def test_sides_as_a_folder_that_is_data_again(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    dataset = make_dataset([2, 0, 2, 2, 2], scenes=["a", "a", "b", "a", "c"])
    data, out = write_folder(tmp_path / "set", a=dataset), tmp_path / "parted ü"
    for number, image in enumerate((data / "images").iterdir()):
        image.write_bytes(image.read_bytes() + bytes([number]))
    sides = ("--train", 50, "--val", 25, "--test", 25, "-o", out)
    result = run("split", data, *sides)
    assert result.output.splitlines() == [
        "train: 4 usable people, 1 scene",
        "val: 2 usable people, 1 scene",
        "test: 2 usable people, 1 scene",
        "left out: 1 frame without people",
        f"written to {out}",
    ]
    assert run("validate", out).exit_code == 0
    splits = load_dataset(out)
    assert [(name, len(part)) for name, part in splits.items()] == [
        ("train", 4),
        ("val", 2),
        ("test", 2),
    ]
    rows = read_partition(out / "sides.json", load_dataset(data)["all"])
    for name, part in splits.items():
        assert part.people["id"].tolist() == dataset.people["id"].iloc[rows[name]].tolist()
        assert all((out / "images" / name / image).is_file() for image in part.frames["file_name"])
    assert run("split", out, "--labels", 3, "-o", tmp_path / "few.json").exit_code == 0
    assert len(read_subset(tmp_path / "few.json", splits["train"])) == 3
    result = run("split", data, *sides)
    assert result.exit_code == 2
    assert "exists already" in result.output


def test_copies_of_a_picture_in_several_splits_are_said(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    data = write_folder(tmp_path / "set", a=make_dataset([1] * 4))
    own = next((data / "images").iterdir())
    own.write_bytes(own.read_bytes() + b"other")
    sides = ("--train", 50, "--val", 50, "-o")
    result = run("split", data, *sides, tmp_path / "frames", "--by", "frame")
    assert result.exit_code == 0
    (said,) = (line for line in result.output.splitlines() if line.startswith("warning: "))
    assert "show what one of another split does (images/val/" in said
    # Who parts the people of a frame means it.
    result = run("split", data, *sides, tmp_path / "people", "--by", "person")
    assert "warning" not in result.output


def test_sides_as_a_folder_need_the_images(data: Path, tmp_path: Path) -> None:
    next((data / "images").iterdir()).unlink()
    sides = ("--train", 1, "--by", "frame", "-o")
    result = run("split", data, *sides, tmp_path / "parted")
    assert result.exit_code == 2
    assert "1 of 3 images are missing" in result.output
    assert not (tmp_path / "parted").exists()
    assert run("split", data, *sides, tmp_path / "sides.json").exit_code == 0


def test_a_list_that_leaves_out_whom_training_holds_out(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "labelled.json"
    result = run("split", data, "--labels", "all", "--leave-out-test", "-o", file)
    dataset = load_dataset(data)["all"]
    train = hold_out(dataset).train
    assert result.output == f"{len(train)} of {len(train)} usable people written to {file}\n"
    assert len(train) < 6
    assert read_json(file)["person_ids"] == dataset.people["id"].iloc[train].tolist()
    assert read_subset(file, dataset).tolist() == train.tolist()


def test_split_never_writes_over_what_it_reads(data: Path, tmp_path: Path) -> None:
    file = data / "annotations" / "person_keypoints.json"
    before = file.read_bytes()
    (tmp_path / "link.json").symlink_to(file)
    for out in (file, tmp_path / "link.json"):
        for choice in (("--labels", "3"), ("--train", "1", "--by", "frame")):
            result = run("split", data, *choice, "-o", out)
            assert result.exit_code == 2
            assert "is the file that is read" in result.output
    assert file.read_bytes() == before


def test_stats_with_plots(data: Path, tmp_path: Path) -> None:
    result = run("stats", data, "--plots", tmp_path / "plots")
    assert (tmp_path / "plots" / "all_joints.pdf").is_file()
    assert "Pose diversity" in result.output


@pytest.mark.parametrize(
    ("option", "file"),
    [
        ("--heatmaps", "heatmaps.png"),
        ("--sheet --rings", "sheet.png"),
        ("--video --rings", "film.mp4"),
    ],
)
def test_other_pictures(data: Path, tmp_path: Path, option: str, file: str) -> None:
    result = run("visualize", data, "-o", tmp_path / "v", *option.split(), "--limit", 2)
    assert result.output == f"{tmp_path / 'v' / file}\n"
    assert (tmp_path / "v" / file).stat().st_size > 1000


def test_synth(tmp_path: Path) -> None:
    out = tmp_path / "fish"
    result = run("synth", out, "--people", 2, "--size", 96, "--workers", 1, "--seed", 3)
    assert result.exit_code == 0
    assert "people                           2" in run("stats", out).output


def missing_area(folder: Path) -> None:
    file = folder / "annotations" / "person_keypoints.json"
    content = json.loads(file.read_text())
    for row in content["annotations"]:
        del row["area"]
    file.write_text(json.dumps(content))
