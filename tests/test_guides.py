"""README and guides, line by line: what they tell a user to type is typed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.io import savemat
from served_app import served
from typed_lines import (
    NOT_TYPED,
    PAGES,
    PROGRAMS,
    ROOT,
    TUTORIALS,
    main_of,
    shell_lines,
    typed,
    words_of,
)

from wepdtof_pose.browse.opening import dataset_name
from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.files import read_json
from wepdtof_pose.synthetic.generate import generate

README = ROOT / "README.md"
DATA = ROOT / "docs" / "guide" / "data.md"
BROWSE = ROOT / "docs" / "guide" / "browse.md"
GUIDES = [
    page for page in PAGES if any(typed(page)) and page not in (README, DATA, BROWSE, *TUTORIALS)
]
"""Pages without a test of their own; tests/test_documents.py runs the tutorials."""
APP = ("wepdtof-pose browse ", "wepdtof-pose register ", "wepdtof-pose doctor")
"""What needs FiftyOne and its MongoDB: one test types these lines of all pages."""
SHELL = ("mkdir ",)
"""Lines of other programs than ours."""
TINY_RUN = (
    "--device cpu --set network.name=resnet18_lateral --set network.width=8 "
    "--set network.pretrained=null --set network.deconv_channels=8 "
    "--set data.crop_width=64 --set data.crop_height=64 "
    "--set optimisation.epochs=2 --set optimisation.epoch_steps=1 --set optimisation.batch_size=4"
)
TINY_CELLS = (
    "--jobs 1 --set optimisation.burn_in_epochs=1 --set optimisation.burn_in_milestones=[] "
    f"--set optimisation.milestones=[] {TINY_RUN}"
)
SHORTER = {
    # Its grid has a budget of 100 labels.
    "fisheye-other --people 3000": "fisheye-other --people 150 --size 96 --workers 2",
    r"--people \d{3,}(?! --size)": "--people 24 --size 128 --workers 1",
    r"--labels (60|100|300|1k)": "--labels 6",
    "--labels 150": "--labels 7",
    r"-n \d+": "-n 5",
    r"--seeds \d": "--seeds 1",
    r"--methods (supervised,\w+|\w+,supervised)": "--methods supervised",
    "--methods supervised,sspcm,sspcm_ema": "--methods supervised",
    "optimisation.epochs=150": "optimisation.epochs=3",
    "--nproc_per_node=4": "--nproc_per_node=2",
}
"""What of the documents' numbers a test makes smaller; all else is typed as it stands."""


@pytest.fixture(scope="module")
def guide_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets, a list of people and two files of settings that the guides name."""
    folder = tmp_path_factory.mktemp("guide")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        call(shorter("wepdtof-pose synth fisheye --people 2000"))
        shutil.copytree("fisheye", "other")
        call("wepdtof-pose split fisheye --labels 6 --leave-out-test -o labelled.json")
        call("wepdtof-pose convert fisheye mpii --from coco --to coco --keypoints mpii-16")
        call("wepdtof-pose convert fisheye aic --from coco --to coco --keypoints aic-14")
    (folder / "my.yaml").write_text("data: {path: fisheye, labels: all}\n", encoding="utf-8")
    (folder / "grid.yaml").write_text(
        "{methods: [supervised], labels: [6, 7], data: fisheye}\n", encoding="utf-8"
    )
    return folder


def test_the_tests_know_how_to_type_every_line_of_every_page() -> None:
    not_typed = set()
    for page in PAGES:
        lines = [*typed(page)]
        # Tutorials are run whole.
        for line in lines if page not in TUTORIALS else []:
            assert line.split()[0] in (*PROGRAMS, "torchrun") or line.startswith(SHELL), (
                f"{page.relative_to(ROOT)}: {line}"
            )
        not_typed |= {line for line in shell_lines(page) if line not in lines}
    for beginning in NOT_TYPED:
        assert any(line.startswith(beginning) for line in not_typed), beginning


@pytest.mark.slow
def test_the_readme_is_true_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path / "cache"))
    for line in typed(README):
        if not line.startswith(APP):
            call(shorter(line))
    for made in ("poses/predictions.json", "runs/few/result.json", "runs/compared/report.html"):
        assert (tmp_path / made).is_file()


def test_the_guide_to_data_is_true_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call("wepdtof-pose synth fisheye --people 40 --size 128 --workers 1")
    truth = read_json(Path("fisheye/annotations/person_keypoints.json"))
    results = [
        {"image_id": person["image_id"], "category_id": 1, "keypoints": person["keypoints"]}
        | {"score": 1}
        for person in truth["annotations"]
    ]
    Path("results.json").write_text(json.dumps(results), encoding="utf-8")
    put_photographs_there()
    for line in typed(DATA):
        if line.startswith("wepdtof-pose synth fisheye"):
            shutil.rmtree("fisheye")
        # The release needs a person who fetches it.
        by_hand = line.startswith("wepdtof-pose download")
        output = call(shorter(line), allowed=(2,) if by_hand else (0,))
        assert not by_hand or "Steps:" in output
    for made in ("repaired", "labelled.json", "parted", "sides.json", "plots", "pictures", "lspet"):
        assert Path(made).exists(), made


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_a_guide_is_true_line_by_line(
    page: Path, guide_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(guide_data, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path / "cache"))
    if page.name == "ceiling.md":
        put_a_camera_there()
    if page.name == "results.md":
        # The grid has a budget of 1,000 labels.
        put_photographs_there(1300)
    for line in typed(page):
        if line.startswith(SHELL):
            shutil.copytree("runs/mine", "runs/fisheye-small")
            subprocess.run(["bash", "-o", "pipefail", "-c", line], check=True)
            assert Path("results/fisheye-small/comparison.json").is_file()
        elif "--log tensorboard" in line and not find_spec("tensorboard"):
            assert "pip install tensorboard" in call(shorter(line), allowed=(2,))
        elif not line.startswith(APP):
            call(shorter(line))


@pytest.mark.slow
@pytest.mark.fiftyone
def test_all_that_is_said_of_the_app_is_true_line_by_line(
    fiftyone: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path / "cache"))
    call(shorter("wepdtof-pose synth fisheye --people 2000"))
    others = {line for page in PAGES if page != BROWSE for line in typed(page)}
    for line in [*typed(BROWSE), *sorted(line for line in others if line.startswith(APP))]:
        words = words_of(line)
        if "ceiling" in words:
            shutil.copytree("fisheye", "ceiling")
            shutil.copytree("runs/sspcm", "runs/few")
        if "--tag" in words:
            tagged = fiftyone.load_dataset(dataset_name(Path("fisheye"))).first()
            tagged.tags.append("label me")
            tagged.save()
        if words[1] == "browse" and "--export" not in words:
            with served(*words[2:]) as address, urlopen(address, timeout=60) as answer:
                assert answer.status == 200
        else:
            call(shorter(line))
    dataset = fiftyone.load_dataset(dataset_name(Path("fisheye")))
    names = {"predictions_before", "predictions_after", "oks_after_minus_before", "pseudo_labels"}
    assert names <= set(dataset.get_field_schema())
    assert len(read_json(Path("corrected.json"))["annotations"]) == 24
    people = {pose.person for pose in tagged.keypoints.keypoints}
    assert set(read_json(Path("labelled.json"))["person_ids"]) == people
    assert "my-fisheye" in fiftyone.zoo.list_zoo_datasets()


def call(line: str, *, allowed: Collection[int] = (0,)) -> str:
    """Type a line of one of our programs; what it prints. Its exit code must be an allowed one."""
    program, *words = words_of(line)
    if line.startswith("torchrun"):
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            port = trial.getsockname()[1]
        launcher = [sys.executable, "-m", "torch.distributed.run", shlex.split(line)[1]]
        done = subprocess.run(
            [*launcher, "-m", program, *words],
            env=os.environ | {"PET_MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        code, output = done.returncode, done.stdout + done.stderr
    else:
        result = CliRunner().invoke(main_of(program), words)
        code, output = result.exit_code, result.output
    # What validate finds in people of some pixels is no fault of the command.
    assert code in ((0, 1) if words[0] == "validate" else allowed), f"{line}\n{output}"
    return output


def shorter(line: str) -> str:
    """The line with tiny settings, without its comment."""
    line = shlex.join(shlex.split(line, comments=True))
    for long, short in SHORTER.items():
        line = re.sub(rf"(?<!\S){long}(?!\S)", short, line)
    words = words_of(line)
    if " --grid results/" in line:
        # Hours of training: what is checked before it is checked.
        return f"{line.replace(' results/', f' {ROOT}/results/')} --dry-run"
    if words[:2] == ["sspcm-bench", "run"]:
        return f"{line} {TINY_CELLS}" + ("" if "--data" in words else " --data fisheye")
    if words[1] == "train" and "--resume" not in words:
        return f"{line} {TINY_RUN}"
    if words[1] == "adapt":
        return f"{line} --frames 4 --drawn 4 --style plain --steps 2 --device cpu"
    return line


def put_photographs_there(people: int = 8) -> None:
    """A folder as LSPET has it, whose photographs nobody may hand on."""
    generator = np.random.default_rng(0)
    folder = Path("LSPET/images")
    folder.mkdir(parents=True)
    for number in range(1, people + 1):
        picture = generator.integers(0, 255, (80, 60, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"im{number:05d}.jpg"), picture)
    joints = np.ones((14, 3, people))
    joints[:, :2] = generator.uniform(5, 55, (14, 2, people))
    savemat("LSPET/joints.mat", {"joints": joints})


def put_a_camera_there() -> None:
    """Frames and a film of a ceiling camera, and what somebody made of drafts in CVAT."""
    rooms = generate(Path("rooms"), people=10, size=256, style="office", progress=False)
    shutil.copytree(rooms / "images", "frames")
    film = cv2.VideoWriter("clip.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 5, (256, 256))
    for file in sorted(Path("frames").rglob("*.jpg")):
        film.write(cv2.imread(str(file)))
    film.release()
    convert(rooms, Path("task"), source_format="coco", target_format="cvat")
    shutil.make_archive("corrected", "zip", "task")
