"""README and guides, line by line: what they tell a user to type is typed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner
from typed_lines import ROOT, main_of, typed

from wepdtof_pose.conversion.convert import convert
from wepdtof_pose.synthetic.generate import generate

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
TINY = {
    "synth ceiling --people 300": "synth ceiling --people 24 --size 128 --workers 1",
    "--labels 60 -o": f"--labels 6 {TINY_RUN} -o",
    "--labels 60 --methods supervised,sspcm_ema --seeds 2": (
        f"--labels 6 --methods supervised --seeds 1 {TINY_CELLS}"
    ),
}
"""What of the README's long commands a test makes shorter; all else is typed as it stands."""
NOT_RUN = ("make ", "pip ", ". .venv", "wepdtof-pose browse")
"""What needs another machine than that of a test: an environment of its own, a MongoDB."""


@pytest.mark.slow
def test_the_readme_is_true_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for long, short in TINY.items():
        assert long in text
        text = text.replace(long, short)
    page = tmp_path / "README.md"
    page.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path / "cache"))
    run = 0
    for program, *words in typed(page):
        if shlex.join([program, *words]).startswith(NOT_RUN):
            continue
        done = CliRunner().invoke(main_of(program), words)
        # What validate finds in people of some pixels is no fault of the command.
        allowed = (0, 1) if words[0] == "validate" else (0,)
        assert done.exit_code in allowed, f"{program} {shlex.join(words)}\n{done.output}"
        run += 1
    assert run >= 7
    for made in ("poses/predictions.json", "runs/few/result.json", "runs/compared/report.html"):
        assert (tmp_path / made).is_file()


def test_the_guide_to_data_is_true_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run: list[str] = []

    def call(program: str, *words: str) -> None:
        done = CliRunner().invoke(main_of(program), words)
        # What validate finds is no fault of the command; the release needs a person who fetches it.
        allowed = {"validate": (0, 1), "download": (2,)}.get(words[0], (0,))
        assert done.exit_code in allowed, f"{program} {shlex.join(words)}\n{done.output}"
        assert words[0] != "download" or "Steps:" in done.output

    call("wepdtof-pose", *shlex.split("synth fisheye --people 40 --size 128 --workers 1"))
    truth = json.loads(Path("fisheye/annotations/person_keypoints.json").read_text("utf-8"))
    Path("results.json").write_text(
        json.dumps(
            [
                {key: person[key] for key in ("image_id", "category_id", "keypoints")}
                | {"score": 1}
                for person in truth["annotations"]
            ]
        ),
        encoding="utf-8",
    )
    for program, *words in typed(ROOT / "docs" / "guide" / "data.md"):
        # Data that nobody may hand on, and the set that is there already in a smaller size.
        if "LSPET" in words or words[0] == "synth":
            continue
        call(program, *("10" if word == "1k" else word for word in words))
        run.append(words[0])
    assert len(run) >= 12
    assert {"validate", "split", "stats", "visualize", "download", "convert"} <= set(run)
    for made in ("repaired", "labelled.json", "parted", "sides.json", "plots", "pictures"):
        assert Path(made).exists(), made


GUIDES = [
    "guide/few_labels.md",
    "guide/training.md",
    "guide/ceiling.md",
    "guide/compare.md",
    *(f"methods/{path.name}" for path in sorted((ROOT / "docs" / "methods").glob("*.md"))),
]
SHORTER = {
    **{"300": "6", "1k": "6", "100": "5", "60": "6", "150": "7", "50": "5"},
    **{"--seeds 3": "--seeds 1", "--methods supervised,sspcm": "--methods supervised"},
    "epochs=150": "epochs=3",
}
"""What of the guides' numbers a test makes smaller."""
ELSEWHERE = ("wepdtof-pose browse", "sspcm train --data mpii")
"""What needs a MongoDB, or data that nobody may hand on."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in GUIDES if [*typed(ROOT / "docs" / name)]])
def test_a_guide_is_true_line_by_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(tmp_path / "cache"))

    def call(line: str) -> None:
        program, *words = shlex.split(line)
        done = CliRunner().invoke(main_of(program), words)
        # What validate finds in people of some pixels is no fault of the command.
        allowed = (0, 1) if words[0] == "validate" else (0,)
        assert done.exit_code in allowed, f"{line}\n{done.output}"

    call("wepdtof-pose synth fisheye --people 24 --size 128 --workers 1")
    shutil.copytree("fisheye", "other")
    call("wepdtof-pose split fisheye --labels 6 --leave-out-test -o labelled.json")
    Path("my.yaml").write_text("data: {path: fisheye, labels: all}\n", encoding="utf-8")
    Path("grid.yaml").write_text(
        "{methods: [supervised], labels: [6, 7], data: fisheye}\n", encoding="utf-8"
    )
    if name == "guide/ceiling.md":
        put_a_camera_there()
    run = 0
    for words in typed(ROOT / "docs" / name):
        line = shlex.join(words)
        if line.startswith(ELSEWHERE):
            continue
        if "--log tensorboard" in line and not find_spec("tensorboard"):
            continue
        for long, short in SHORTER.items():
            line = re.sub(rf"(?<!\S){long}(?!\S)|(?<=optimisation\.){long}$", short, line)
        if "--grid" in line:
            line = f"{line.replace('results/', f'{ROOT}/results/')} --dry-run"
        if words[:2] == ["sspcm-bench", "run"] and "results/" not in line:
            line += f" {TINY_CELLS}"
            if not {"--data", "--grid"} & set(words):
                line += " --data fisheye"
        elif words[1] == "train" and "--resume" not in words:
            line += f" {TINY_RUN}"
        elif words[1] == "adapt":
            line += " --frames 6 --drawn 6 --steps 2 --device cpu"
        call(line)
        run += 1
    assert run


def put_a_camera_there() -> None:
    """Frames and a film of a ceiling camera, and what somebody made of drafts in CVAT."""
    rooms = generate(Path("rooms"), people=16, size=256, style="office", progress=False)
    shutil.copytree(rooms / "images", "frames")
    film = cv2.VideoWriter("clip.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 5, (256, 256))
    for file in sorted(Path("frames").rglob("*.jpg")):
        film.write(cv2.imread(str(file)))
    film.release()
    convert(rooms, Path("task"), source_format="coco", target_format="cvat")
    shutil.make_archive("corrected", "zip", "task")
