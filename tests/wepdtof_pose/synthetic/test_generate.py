import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats import coco
from wepdtof_pose.synthetic.generate import ANNOTATIONS, generate
from wepdtof_pose.synthetic.scenes import plan_scenes

PEOPLE, SIZE = 21, 128


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "data"
    return generate(out, people=PEOPLE, size=SIZE, seed=3, progress=False)


@pytest.mark.parametrize("people", [1, 5, 8, 200, 1200, 5011])
def test_plans_add_up(people: int) -> None:
    plans = plan_scenes(people, 0)
    assert sum(plan.quota for plan in plans) == people
    assert min(plan.quota for plan in plans) >= 1
    assert len(plans) >= min(people, 16 if people >= 1200 else 8)


def test_annotations(folder: Path) -> None:
    content = json.loads((folder / ANNOTATIONS).read_text())
    images, annotations = content["images"], content["annotations"]
    assert len(annotations) == PEOPLE
    assert [image["id"] for image in images] == list(range(1, len(images) + 1))
    assert len({image["scene"] for image in images}) == 8
    assert {image["fisheye"]["model"] for image in images} <= {"equidistant", "kannala-brandt"}
    for image in images:
        frame = cv2.imread(str(folder / "images" / image["file_name"]))
        assert frame.shape == (SIZE, SIZE, 3)
        assert frame[0, 0].max() < 12
    scenes = {image["id"]: image["scene"] for image in images}
    tracks: dict[int, set[str]] = {}
    for annotation in annotations:
        tracks.setdefault(annotation["track_id"], set()).add(scenes[annotation["image_id"]])
        cx, cy, w, h, angle = annotation["rotated_box"]
        x, y, box_w, box_h = annotation["bbox"]
        assert w <= h
        assert -90 <= angle <= 90
        assert x - 2 < cx < x + box_w + 2
        assert y - 2 < cy < y + box_h + 2
        assert 0 < annotation["area"] <= box_w * box_h
        assert len(annotation["keypoints"]) == 42
        assert annotation["num_keypoints"] == sum(v > 0 for v in annotation["keypoints"][2::3])
    assert all(len(where) == 1 for where in tracks.values())


def test_the_reader_reads_it(folder: Path) -> None:
    dataset = coco.read(folder / ANNOTATIONS)
    assert dataset.keypoint_set.name == "wepdtof-pose-14"
    assert dataset.keypoints.shape == (PEOPLE, 14, 3)
    assert dataset.trainable().all()
    assert set(np.unique(dataset.keypoints[..., 2])) <= {0, 1, 2}


def test_workers_do_not_change_a_byte(folder: Path, tmp_path: Path) -> None:
    again = generate(tmp_path / "two", people=PEOPLE, size=SIZE, seed=3, workers=2, progress=False)
    assert digest(again) == digest(folder)


def test_another_seed_is_another_set(tmp_path: Path, folder: Path) -> None:
    other = generate(tmp_path / "other", people=2, size=64, seed=4, progress=False)
    one = generate(tmp_path / "one", people=2, size=64, seed=3, progress=False)
    assert digest(other)[ANNOTATIONS] != digest(one)[ANNOTATIONS]


@pytest.mark.parametrize(("frames_before_kill", "workers"), [(1, 1), (5, 2)])
def test_killed_and_run_again(
    folder: Path, tmp_path: Path, frames_before_kill: int, workers: int
) -> None:
    out = tmp_path / "killed"
    code = (
        "from pathlib import Path\nfrom wepdtof_pose.synthetic.generate import generate\n"
        f"generate(Path({str(out)!r}), people={PEOPLE}, size={SIZE}, seed=3, "
        f"workers={workers}, progress=False)"
    )
    run = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    deadline = time.monotonic() + 60
    while len(list(out.rglob("*.jpg"))) < frames_before_kill:
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert not (out / ANNOTATIONS).exists()
    generate(out, people=PEOPLE, size=SIZE, seed=3, progress=False)
    assert digest(out) == digest(folder)


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from wepdtof_pose import generate\n"
        f"generate({str(tmp_path / 'out')!r}, people={PEOPLE}, size={SIZE}, workers=2)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert "does not guard its calls with `if __name__" in done.stderr.splitlines()[-1]


def test_finished_folder_is_left_alone(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    generate(folder, people=PEOPLE, size=SIZE, seed=3, progress=False)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("workers", [1, 2])
def test_lost_frames_of_a_finished_folder_come_back(
    folder: Path, tmp_path: Path, workers: int
) -> None:
    out = tmp_path / "lost"
    shutil.copytree(folder, out)
    kept, *lost = sorted((out / "images").iterdir())
    before = {path: path.stat().st_mtime_ns for path in [out / ANNOTATIONS, *kept.iterdir()]}
    for scene in lost[:2]:
        shutil.rmtree(scene)
    generate(out, people=PEOPLE, size=SIZE, seed=3, workers=workers, progress=False)
    assert digest(out) == digest(folder)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_foreign_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        generate(tmp_path / "photos", people=8, progress=False)
    with pytest.raises(InputError, match="is a file"):
        generate(tmp_path / "file", people=8, progress=False)
    with pytest.raises(InputError, match="seed 3 instead of 5"):
        generate(folder, people=PEOPLE, size=SIZE, seed=5, progress=False)
    assert (tmp_path / "photos" / "holiday.jpg").read_bytes() == b"x"


@pytest.mark.parametrize(
    "arguments",
    [{"people": 0}, {"people": 2.5}, {"people": 5, "size": 10}, {"people": 5, "workers": 0}],
    ids=["nobody", "half a person", "tiny frames", "no workers"],
)
def test_arguments_out_of_range(tmp_path: Path, arguments: dict) -> None:
    with pytest.raises(InputError, match="must be a whole number"):
        generate(tmp_path / "x", progress=False, **arguments)
    assert not (tmp_path / "x").exists()


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    generate(
        tmp_path / "p", people=3, size=64, progress=lambda done, all_: seen.append((done, all_))
    )
    assert seen[-1] == (3, 3)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
