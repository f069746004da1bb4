import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from wepdtof_pose.annotations import sample_folder

from wepdtof_pose.commands.main import main
from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.conversion.registry import READERS, WRITERS
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.coco import to_dict
from wepdtof_pose.formats.loading import load_dataset


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["convert", *map(str, arguments)])


def test_help_lists_the_formats() -> None:
    text = " ".join(run("--help").output.split())
    assert f"Format of IN: {', '.join(READERS)}." in text
    assert f"Format of OUT: {', '.join(WRITERS)}." in text


def test_what_cannot_be_held_is_on_the_terminal_and_in_the_manifest(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    dataset = make_dataset(track_id=[1, 2, 3, 4, 5, None], iscrowd=[1, 0, 0, 0, 0, 0])
    source = write_folder(tmp_path / "in ä", person_keypoints=dataset)
    result = run(source, tmp_path / "out ö", "--from", "coco", "--to", "yolo")
    assert result.exit_code == 0
    assert "yolo cannot hold: track ids (4)\n" in result.output
    manifest = json.loads((tmp_path / "out ö" / "manifest.json").read_text())
    assert manifest["not_held"]["track ids"] == 4
    assert manifest["not_held"]["crowd regions (left out)"] == 1
    for what, count in manifest["not_held"].items():
        assert f"yolo cannot hold: {what} ({count})\n" in result.output


def test_pictures_of_another_size_are_said_and_in_shares_refused(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    dataset = make_dataset()
    frames = dataset.frames.assign(width=[240, 120, 120])
    write_folder(tmp_path / "in", a=replace(dataset, frames=frames))
    done = run(tmp_path / "in", tmp_path / "out", "--from", "coco", "--to", "coco")
    assert done.exit_code == 0
    assert "1 image is of another size than IN says: wepdtof-pose validate" in done.output
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["other_sizes"] == 1
    for target in ("yolo", "label_studio"):
        done = run(tmp_path / "in", tmp_path / target, "--from", "coco", "--to", target)
        assert done.exit_code == 2
        assert "5.png: has 120 x 90 pixels, but its data set says 240 x 90" in done.output
        assert not (tmp_path / target).exists()
    frames = dataset.frames.assign(width=[121, 120, 120])
    write_folder(tmp_path / "near", a=replace(dataset, frames=frames))
    done = run(tmp_path / "near", tmp_path / "yolo", "--from", "coco", "--to", "yolo")
    assert done.exit_code == 0  # right to a pixel


@pytest.mark.parametrize(
    ("command", "where"),
    [
        ("convert {data} {out} --from coco --to coco", "{out}"),
        ("convert {data} {out} --from coco --to yolo", "on what --to coco writes"),
        ("stats {data}", "{data}"),
        ("split {data} --labels all -o {out}.json", "{data}"),
        ("visualize {data} -o {out}", "{data}"),
    ],
    ids=["convert", "to yolo", "stats", "split", "visualize"],
)
def test_commands_that_read_say_which_units_are_doubtful(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path, command: str, where: str
) -> None:
    names = {"data": write_folder(tmp_path / "in", a=make_dataset()), "out": tmp_path / "out"}
    assert "doubtful" not in CliRunner().invoke(main, command.format(**names).split()).output
    corners = make_dataset(w=[70.0] * 6, h=[70.5] * 6)
    names |= {"data": write_folder(tmp_path / "in2", a=corners), "out": tmp_path / "out2"}
    done = CliRunner().invoke(main, command.format(**names).split())
    assert done.exit_code == 0
    assert "doubtful: in all people the joints end at (bbox[2], bbox[3])" in done.output
    assert f"(wepdtof-pose validate {where.format(**names)})" in done.output


def test_images_elsewhere(make_dataset: Callable, write_folder: Callable, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", person_keypoints=make_dataset())
    (source / "images").rename(tmp_path / "far away")
    options = ("--from", "coco", "--to", "coco")
    refused = run(source, tmp_path / "out", *options)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "3 of 3 images are missing" in refused.stderr
    assert "--images DIR" in refused.stderr
    assert not (tmp_path / "out").exists()
    found = run(source, tmp_path / "out", *options, "--images", tmp_path / "far away")
    assert found.exit_code == 0
    assert (tmp_path / "out" / "images" / "5.png").is_file()


def test_joints_of_a_source_that_does_not_name_them(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    dataset = make_dataset(keypoint_set="lsp-14")
    source = write_folder(tmp_path / "in", person_keypoints=dataset)
    content = {**to_dict(dataset), "categories": []}
    (source / "annotations" / "person_keypoints.json").write_text(json.dumps(content))
    options = {"source_format": "coco", "keypoints": "wepdtof-pose-14"}
    with pytest.raises(InputError, match="no category names its keypoints"):
        convert(source, tmp_path / "out", **options)
    convert(source, tmp_path / "out", source_keypoints="lsp-14", **options)
    # right_shoulder is joint 0 of WEPDTOF-Pose and joint 8 of LSP.
    found = load_dataset(tmp_path / "out")["all"].keypoints
    np.testing.assert_array_equal(found[:, 0], dataset.keypoints[:, 8])


@pytest.mark.parametrize("name", ["lsp", "mpii", "wepdtof"])
def test_formats_that_fix_their_joints(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="says itself which joints it has"):
        convert(tmp_path, tmp_path / "out", source_format=name, source_keypoints="lsp-14")


@pytest.mark.parametrize("target", WRITERS)
def test_again_gives_the_same_bytes(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path, target: str
) -> None:
    joints = {"mpii": "mpii-16", "crowdpose": "crowdpose-14", "ai_challenger": "aic-14"}
    dataset = make_dataset(keypoint_set=joints.get(target, "wepdtof-pose-14"))
    source = write_folder(tmp_path / "in", person_keypoints=dataset)
    file = source / "annotations" / "person_keypoints.json"
    file.write_text(file.read_text().replace(".png", ".jpg"))
    for image in list((source / "images").iterdir()):
        image.rename(image.with_suffix(".jpg"))
    out = tmp_path / "out"
    contents = []
    for _ in range(2):
        convert(source, out, source_format="coco", target_format=target)
        contents.append({str(p): p.read_bytes() for p in out.rglob("*") if p.is_file()})
    assert contents[0] == contents[1]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not an unchanged result"):
        convert(source, out, source_format="coco", target_format=target)


def test_images_that_go_by_the_end_of_their_names_are_in_the_manifest(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "in", person_keypoints=make_dataset())
    file = source / "annotations" / "person_keypoints.json"
    file.write_text(file.read_text().replace('"5.png"', r'"C:\\photos\\5.PNG"'))
    options = ("--from", "coco", "--to", "coco")
    refused = run(source, tmp_path / "out", *options)
    assert refused.exit_code == 2
    assert "--images DIR goes by the ends of the names" in refused.stderr
    result = run(source, tmp_path / "out", *options, "--images", source / "images")
    assert result.exit_code == 0, result.output
    assert "1 image goes by the end of its name" in result.output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["file_names"] == {"5.png": r"C:\photos\5.PNG"}
    assert (tmp_path / "out" / "images" / "5.png").is_file()


def test_missing_images_of_a_given_folder(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "in", person_keypoints=make_dataset())
    (tmp_path / "empty").mkdir()
    options = ("--from", "coco", "--to", "coco", "--images", tmp_path / "empty")
    refused = run(source, tmp_path / "out", *options)
    assert "3 of 3 images are missing" in refused.stderr
    assert f"{tmp_path / 'empty'} has none of that name" in refused.stderr


@pytest.mark.parametrize("inside", [".", "a folder"])
def test_a_zip_file_of_a_data_set_folder(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path, inside: str
) -> None:
    write_folder(tmp_path / "in" / inside, person_keypoints=make_dataset())
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "in"))
    result = run(archive, tmp_path / "out", "--from", "coco", "--to", "coco")
    assert result.exit_code == 0, result.output
    assert load_dataset(tmp_path / "out")["all"].content_hash() == make_dataset().content_hash()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "annotations",
        "images",
        "manifest.json",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out", "packed.zip"]


def test_errors_in_a_zip_file_name_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text("[]")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "in"))
    refused = run(archive, tmp_path / "out", "--from", "coco", "--to", "coco")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert f"{archive / 'a.json'}: expected a JSON object" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_nobody_left_is_an_error(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "in", person_keypoints=make_dataset())
    file = source / "annotations" / "person_keypoints.json"
    content = json.loads(file.read_text())
    content["categories"].append({"id": 0, "name": "objects"})
    for annotation in content["annotations"]:
        annotation["category_id"] = 0
    file.write_text(json.dumps(content))
    options = ("--from", "coco", "--to", "coco")
    refused = run(source, tmp_path / "out", *options)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "nobody is left: 6 annotations of category 'objects'" in refused.stderr
    chosen = ("--category", "objects", "--source-keypoints", "wepdtof-pose-14")
    assert run(source, tmp_path / "out", *options, *chosen).exit_code == 0
    assert len(load_dataset(tmp_path / "out")["all"]) == 6


def test_scenes_from_the_names_of_the_images(
    make_dataset: Callable, write_folder: Callable, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "in", person_keypoints=make_dataset())
    options = (source, tmp_path / "out", "--from", "coco", "--to", "coco")
    assert "say no scenes" in run(*options, "--scene-from", "name").stderr
    file = source / "annotations" / "person_keypoints.json"
    content = json.loads(file.read_text())
    for image in content["images"]:
        image["vid_id"] = "x"
    file.write_text(json.dumps(content))
    assert run(*options, "--scene-field", "vid_id").exit_code == 0
    assert load_dataset(tmp_path / "out")["all"].frames["scene"].tolist() == ["x"] * 3


def test_people_on_a_list_are_converted_alone(tmp_path: Path) -> None:
    chosen, out = tmp_path / "chosen.json", tmp_path / "out"
    given = ["--labels", "5", "--order", "random", "-o", str(chosen)]
    assert CliRunner().invoke(main, ["split", str(sample_folder()), *given]).exit_code == 0
    coco = ["--from", "coco", "--to", "coco"]
    done = run(sample_folder(), out, *coco, "--people", chosen)
    assert done.exit_code == 0, done.output
    assert "55 people who were not chosen" in done.output
    made = load_dataset(out)["all"]
    assert sorted(made.people["id"]) == sorted(read_json(chosen)["person_ids"])
    assert set(made.frames["id"]) == set(made.people["frame_id"])
    assert len(list((out / "images").rglob("*.jpg"))) == len(made.frames)
    refused = run(out, tmp_path / "next", *coco, "--people", chosen)
    assert refused.exit_code == 2
    assert "was made from annotations with" in refused.output
