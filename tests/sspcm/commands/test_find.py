import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click import Option

from sspcm.commands.find import find as find_command
from sspcm.data.detections import read_detections
from sspcm.inference import finder
from sspcm.inference.finder import open_finder
from sspcm.inference.open import open_networks
from sspcm.model import load
from sspcm.networks.finder import FinderNet
from sspcm.ready.names import network_path
from sspcm.runs.checkpoint import is_finder_run
from sspcm.training.finder import write_finder
from wepdtof_pose.errors import InputError
from wepdtof_pose.images import read_image
from wepdtof_pose.synthetic.generate import generate


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("finder") / "finder.pt"
    write_finder(FinderNet(width=8, generator=torch.Generator().manual_seed(0)), file)
    return file


def find(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from sspcm.commands.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "find", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_boxes_of_a_folder_are_what_predict_reads(
    tiny_fisheye: Path, weights: Path, tmp_path: Path
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    images = sorted((tiny_fisheye / "images").rglob("*.jpg"))[:3]
    for image in images:
        shutil.copy(image, frames)
    broken = [frames / f"broken_{number}.jpg" for number in range(7)]
    for file in broken:
        file.write_bytes(images[0].read_bytes()[:200])
    (frames / "notes.txt").write_text("not a frame")
    out = tmp_path / "boxes.json"
    done = find(
        *(frames, "-o", out, "--model", weights, "--threshold", 0, "--side", 64, "--turns", 2)
    )
    assert done.returncode == 1, done.stderr
    assert "on 3 frames" in done.stdout
    assert all(f"not wholly read: {file}" in done.stdout for file in broken)
    assert "7 inputs were not wholly read" in done.stdout
    assert ".txt" in done.stdout
    results = json.loads(out.read_text())
    assert {row["file_name"] for row in results} == {image.name for image in images}
    detections = read_detections(out)
    assert len(detections) == len(results) > 0
    np.testing.assert_allclose(detections.rotated[0], results[0]["rotated_box"])
    for file in broken:
        file.unlink()
    assert find(frames, "-o", out, "--model", weights, "--side", 64).returncode == 0


def test_a_file_that_nobody_named_is_not_written_over(
    tiny_fisheye: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boxes.json").write_text("[]")
    arguments = [tiny_fisheye / "images", "--model", weights, "--side", 64]
    done = find(*arguments)
    assert done.returncode == 2
    assert "boxes.json: is there already: -o boxes.json writes over it" in done.stderr
    assert (tmp_path / "boxes.json").read_text() == "[]"
    assert find(*arguments, "--threshold", 0, "-o", "boxes.json").returncode == 0
    assert len(json.loads((tmp_path / "boxes.json").read_text()))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "no-such"], "no-such"),
        (["--turns", "7"], "7"),
        (["nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_line(
    tiny_fisheye: Path, weights: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    images = tiny_fisheye / "images"
    model = [] if "--model" in arguments else ["--model", weights]
    done = find(images, *arguments, *model, "-o", tmp_path / "boxes.json")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "boxes.json").exists()


def test_help_says_the_defaults_that_are_taken() -> None:
    defaults = {
        option.name: option.help for option in find_command.params if isinstance(option, Option)
    }
    assert f"[default: {finder.SIDE}]" in defaults["side"]
    assert f"[default: {finder.THRESHOLD}]" in defaults["threshold"]


def test_the_folder_of_a_finders_run_is_opened(
    weights: Path, single_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "a run"
    run.mkdir()
    (run / "config.json").write_text('{"steps": 3}')
    torch.save({"step": 1}, run / "checkpoint.pt")
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), np.full((64, 64, 3), 90, dtype=np.uint8))
    out, options = tmp_path / "boxes.json", ("--threshold", 0, "--side", 64)
    unfinished = find(image, "-o", out, "--model", run)
    assert (unfinished.returncode, out.exists()) == (2, False)
    assert f"{run}: the run in this folder has no weights.pt yet" in unfinished.stderr
    shutil.copy(weights, run / "weights.pt")
    found = find(image, "-o", out, "--model", run, *options)
    assert found.returncode == 0, found.stderr
    assert find(image, "-o", tmp_path / "b.json", "--model", weights, *options).returncode == 0
    assert out.read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (open_finder(run, device="cpu").source, is_finder_run(run)) == (str(run), True)
    # Other folders and files in its place say what to name.
    poses = find(image, "-o", tmp_path / "c.json", "--model", single_run)
    assert poses.returncode == 2
    assert f"{single_run}: is the folder of a run that predicts poses" in poses.stderr
    assert f"{single_run / 'checkpoints' / 'last.pt'} (networks that find people" in poses.stderr
    empty = find(image, "-o", tmp_path / "c.json", "--model", tmp_path)
    assert empty.returncode == 2
    assert "is a folder without weights: name a file of weights" in empty.stderr
    with pytest.raises(InputError, match=r"finds people and predicts no poses: .*--fin"):
        open_networks(run)


def test_joints_correct_boxes_unless_told_not_to(tmp_path: Path) -> None:
    generate(tmp_path / "room", people=8, seed=5, size=480, style="office", progress=False)
    image = next(path for path in sorted((tmp_path / "room" / "images").rglob("*.jpg"))[::-1])
    for name, options in {"both": [], "alone": ["--pose", "none"]}.items():
        done = find(image, "-o", tmp_path / f"{name}.json", *options)
        assert done.returncode == 0, done.stderr
    alone = open_finder(network_path("ceiling-find"), device="cpu").find([read_image(image)])[0]
    both, written = (read_detections(tmp_path / f"{name}.json") for name in ("both", "alone"))
    np.testing.assert_allclose(written.rotated, alone[:, :5], atol=0.01)
    model = load("ceiling-pose", device="cpu")
    assert model.finder is not None
    np.testing.assert_allclose(
        both.rotated, model.finder.find([read_image(image)])[0][:, :5], atol=0.01
    )
    assert not np.array_equal(both.rotated[:1], written.rotated[:1])


def test_joints_that_do_not_span_a_body_are_refused(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), np.full((64, 64, 3), 90, dtype=np.uint8))
    content = torch.load(network_path("ceiling-pose"), weights_only=True)
    state, about = content["state_dict"], content["about"]
    head = {name: value[-2:] for name, value in state.items() if "final_layer" in name}
    joints = {"name": "heads", "joints": ["head_top", "neck"], "flip_pairs": [], "sigmas": None}
    about["keypoint_set"] |= joints | {"skeleton": []}
    torch.save({"state_dict": state | head, "about": about}, tmp_path / "heads.pt")
    done = find(image, "-o", tmp_path / "b.json", "--pose", tmp_path / "heads.pt")
    assert done.returncode == 2
    assert "do not reach from head to ankles" in done.stderr
    assert not (tmp_path / "b.json").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("boxes.csv", "is the name of a table, but what is written is JSON"),
        ("frames", "is a folder, not a file to write"),
        ("film.avi/boxes.json", "film.avi is a file, not a folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "film.avi").write_text("")
    with pytest.raises(InputError, match=said):
        # The network, too, would be refused: it is opened after the output has been looked at.
        find_command.main(
            [str(tmp_path / "frames"), "-o", str(tmp_path / name), "--model", "no-network"],
            standalone_mode=False,
        )
