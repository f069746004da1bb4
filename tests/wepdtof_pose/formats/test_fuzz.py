"""Damaged annotation files of every format: an InputError or success, and nothing half-written."""

from __future__ import annotations

import json
import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from damaged_files import damaged
from scipy.io import savemat

from wepdtof_pose.conversion.convert import convert, find_images, place
from wepdtof_pose.conversion.registry import READERS, WRITERS
from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS, PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import link_or_copy
from wepdtof_pose.keypoints import get_keypoint_set

FILES = 2000
"""So many of the real files; of those that the tests write, half as many."""
SEED = 2024
CONVERTED = 0.15
"""Share of the damaged files that also go through `convert`."""

JOINTS = {
    "mpii": "mpii-16",
    "crowdpose": "crowdpose-14",
    "ai_challenger": "aic-14",
    "yolo": "coco-17",
}
REAL = {
    "tiny_coco": "coco",
    "mmpose_samples/coco": "coco",
    "mmpose_samples/aic": "ai_challenger",
    "mmpose_samples/mpii": "mpii",
    "mmpose_samples/crowdpose": "crowdpose",
    "cepdof_sample": "wepdtof",
    "rapid_sample/tiny_val": "wepdtof",
    "wepdtof_boxes/ground_truth/WEPDTOF": "wepdtof",
    "lspet": "lspet",
}
"""Folder of real annotations: the format that it is in."""
MAIN_FILES = {
    "mmpose_samples/coco": "test_coco.json",
    "mmpose_samples/mpii": "test_mpii.json",
    "mmpose_samples/crowdpose": "test_crowdpose.json",
    "wepdtof_boxes/ground_truth/WEPDTOF": "empty_store.json",
}
"""Of a folder with several files, the one that is taken."""


@dataclass(frozen=True)
class Source:
    """A sound data set: its format, what the reader takes, and the files to damage."""

    form: str
    path: Path
    files: list[Path]


def _source(form: str, path: Path) -> Source:
    """All annotation files of a folder, or the one file."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return Source(
        form,
        path,
        [
            file
            for file in files
            if file.suffix in (".json", ".xml", ".yaml", ".txt", ".mat")
            and file.name not in ("manifest.json", "ORIGIN.txt")
            and file.stat().st_size
        ],
    )


@pytest.fixture(scope="module")
def real_sources(realdata_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Copies of real annotations beside their images."""
    home = tmp_path_factory.mktemp("real")
    sources = []
    for folder, form in REAL.items():
        path = home / folder
        shutil.copytree(realdata_dir / folder, path, copy_function=_copy_annotations)
        sources.append(_source(form, path / MAIN_FILES.get(folder, "")))
    return sources


def _copy_annotations(source: str, target: str) -> None:
    if Path(source).suffix in (".jpg", ".png"):
        link_or_copy(Path(source), Path(target))
    else:
        shutil.copyfile(source, target)


@pytest.fixture(scope="module")
def made_sources(
    make_dataset: Callable, write_folder: Callable, tmp_path_factory: pytest.TempPathFactory
) -> list[Source]:
    """A small data set of each format."""
    home = tmp_path_factory.mktemp("sound")
    plain = write_folder(
        home / "coco",
        person_keypoints=make_dataset(
            track_id=[1, None, 2, 3, 4, 4],
            iscrowd=[0, 0, 1, 0, 0, 0],
            rotated_cx=[40.0] * 6,
            rotated_cy=[50.0] * 6,
            rotated_w=[20.0] * 6,
            rotated_h=[30.0] * 6,
            rotated_angle=[-30.0] * 6,
        ),
    )
    found = {"coco": plain}
    for image in list((plain / "images").iterdir()):
        jpeg = cv2.imencode(".jpg", np.zeros((90, 120, 3), dtype=np.uint8))[1].tobytes()
        image.with_suffix(".jpg").write_bytes(jpeg)
    file = plain / "annotations" / "person_keypoints.json"
    file.write_text(file.read_text().replace(".png", ".jpg"))
    for name in WRITERS.keys() - {"coco"}:
        joints = JOINTS.get(name)
        convert(plain, home / name, source_format="coco", target_format=name, keypoints=joints)
        found[name] = home / name
    for variant in ("lsp", "lspet"):
        folder = home / variant
        (folder / "images").mkdir(parents=True)
        joints = np.random.default_rng(0).uniform(5, 60, (14, 3, 2))
        joints[:, 2] = 1
        if variant == "lsp":
            joints = joints.transpose(1, 0, 2)
        savemat(folder / "joints.mat", {"joints": joints})
        for number in (1, 2):
            digits = 4 if variant == "lsp" else 5
            (folder / "images" / f"im{number:0{digits}d}.jpg").write_bytes(jpeg)
        found[variant] = folder
    found["wepdtof"] = _write_boxes(home / "wepdtof", jpeg)
    for form in ("loaf", "habbof", "rapid", "voc", "yolo_obb"):
        found[form] = _write_boxes_of(form, home / form, jpeg)
    return [_source(form, found[form]) for form in sorted(found)]


def _write_boxes(folder: Path, jpeg: bytes) -> Path:
    for name in ("a", "b", "c"):
        (folder / "frames" / name).mkdir(parents=True)
        (folder / "frames" / name / f"{name}_000001.jpg").write_bytes(jpeg)
    box = [30.5, 40, 20, 30.25, -17.188]
    person = {"image_id": "a_000001", "bbox": box, "area": 605.0, "person_id": 3, "iscrowd": 0}
    image = {"file_name": "a_000001.jpg", "id": "a_000001", "width": 120, "height": 90}
    listed = [{"img_name": "b_000001", "bboxes": [box, box], "scores": [1, 1], "id": [7, 7]}]
    tags = "".join(
        f"<{k}>{v}</{k}>"
        for k, v in zip(["cx", "cy", "w", "h", "angle"], [*box[:4], -0.3], strict=True)
    )
    xml = (
        "<annotation><size><width>120</width><height>90</height></size>"
        f"<object><robndbox>{tags}</robndbox></object></annotation>"
    )
    (folder / "annotations").mkdir()
    (folder / "annotations" / "a.json").write_text(
        json.dumps({"images": [image], "annotations": [person] * 2})
    )
    (folder / "annotations" / "b.json").write_text(json.dumps(listed))
    (folder / "annotations" / "c_000001.xml").write_text(xml)
    return folder


def _write_boxes_of(form: str, folder: Path, jpeg: bytes) -> Path:
    """One frame with two boxes in a format of boxes alone; return what its reader takes."""
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a_1.jpg").write_bytes(jpeg)
    box = [40.5, 50, 20, 30, -17.5]
    if form == "voc":
        tags = "".join(f"<{k}>{v}</{k}>" for k, v in zip(_SIDES, (30, 35, 50, 65), strict=True))
        item = f"<object><name>person</name><bndbox>{tags}</bndbox></object>"
        size = "<size><width>120</width><height>90</height></size>"
        (folder / "a_1.xml").write_text(f"<annotation>{size}{item * 2}</annotation>")
    elif form == "yolo_obb":
        (folder / "labels").mkdir()
        text = "0 0.2 0.2 0.4 0.2 0.4 0.8 0.2 0.8\n0 0.5 0.5 0.25 0.5\n"
        (folder / "labels" / "a_1.txt").write_text(text)
        (folder / "data.yaml").write_text("train: images\nval: images\nnames: {0: person}\n")
    elif form == "habbof":
        (folder / "a_1.txt").write_text(2 * f"person {' '.join(map(str, box))}\n")
    else:
        person = {"image_id": "a_1", "bbox": box, "score": 0.5}
        content: Any = [person] * 2
        if form == "loaf":
            image = {"id": "a_1", "file_name": "a_1.jpg", "width": 120, "height": 90}
            person = {"image_id": "a_1", "bbox": box[:4], "rotated_box": box, "category_id": 1}
            category = {"id": 1, "name": "person"}
            content = {"images": [image], "annotations": [person] * 2, "categories": [category]}
        (folder / "a.json").write_text(json.dumps(content))
        return folder / "a.json"
    return folder


_SIDES = ("xmin", "ymin", "xmax", "ymax")


def test_what_is_damaged_is_sound(made_sources: list[Source]) -> None:
    assert {source.form for source in made_sources} == READERS.keys()
    for source in made_sources:
        _check_sound(source)


def test_real_files_are_sound(real_sources: list[Source]) -> None:
    for source in real_sources:
        _check_sound(source)


def _check_sound(source: Source) -> None:
    assert source.files, source.path
    datasets = READERS[source.form](source.path, None, None).datasets
    assert sum(len(dataset.frames) for dataset in datasets.values()) >= 1, source.path


ODD = (0.0, -5.0, 60.5, 119.9, 120.0, 121.0, 1e4, 1e7, -1e7, 1e-9)
"""Coordinates and sides of data sets that nobody has checked, on images of 120 x 90."""


def _odd_dataset(root: Path, joints: str, rng: np.random.Generator) -> PoseDataset:
    """Up to three people with odd boxes and joints on up to three images."""
    keypoint_set = get_keypoint_set(joints)
    people, frames = int(rng.integers(4)), int(rng.integers(1, 4))
    stems = [str(rng.choice(["a", "b/c", "ü ß", "x#%&", ".hidden"])) for _ in range(frames)]
    names = [f"{stem}{number}.jpg" for number, stem in enumerate(stems)]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), np.zeros((90, 120, 3), dtype=np.uint8))
    keypoints = rng.choice(ODD, (people, len(keypoint_set), 3)).astype(np.float32)
    keypoints[..., 2] = rng.integers(0, 3, keypoints.shape[:2])
    rotated = np.where(rng.random((people, 1)) < 0.5, rng.choice(ODD, (people, 5)), np.nan)
    return PoseDataset(
        frames=make_frames(
            id=[f"f'{n}" if rng.random() < 0.3 else 10**14 + n for n in range(frames)],
            file_name=names,
            width=[120] * frames,
            height=[90] * frames,
            scene=[None if rng.random() < 0.5 else 's<&"' for _ in range(frames)],
        ),
        people=make_people(
            id=[f'p"{n}' if rng.random() < 0.3 else n for n in range(people)],
            frame_id=rng.integers(frames, size=people),
            **dict(zip("xywh", rng.choice(ODD, (4, people)), strict=True)),
            area=rng.choice(ODD, people),
            iscrowd=rng.integers(0, 2, people),
            track_id=[None if rng.random() < 0.5 else -3 for _ in range(people)],
            **dict(zip(ROTATED_BOX_COLUMNS, rotated.T, strict=True)),
        ),
        keypoints=keypoints,
        keypoint_set=keypoint_set,
        root=root,
    )


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_what_a_writer_makes_of_odd_data_its_reader_takes(tmp_path: Path, name: str) -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        dataset = _odd_dataset(tmp_path / "in", JOINTS.get(name, "wepdtof-pose-14"), rng)
        ids = dataset.frames["id"].to_numpy()[dataset.people["frame_id"].to_numpy(dtype=int)]
        dataset = replace(dataset, people=dataset.people.assign(frame_id=ids))
        layout = WRITERS[name]({"all": dataset})
        place(layout, tmp_path / "out", find_images({"all": dataset}))
        reading = READERS[name](tmp_path / "out", None, None)
        lost = sum(n for what, n in layout.not_held.items() if "(left out)" in what)
        assert sum(map(len, reading.datasets.values())) + lost == len(dataset), (seed, layout)
        frames = sum(len(part.frames) for part in reading.datasets.values())
        unseen = layout.not_held.get("images without people", 0)
        assert frames + unseen == len(dataset.frames), (seed, reading.left_out)
        for folder in ("in", "out"):
            shutil.rmtree(tmp_path / folder)


def test_damaged_files_are_refused_or_read(made_sources: list[Source], tmp_path: Path) -> None:
    _damage_and_read(made_sources, FILES // 2, tmp_path)


@pytest.mark.slow
def test_damaged_real_files_are_refused_or_read(real_sources: list[Source], tmp_path: Path) -> None:
    _damage_and_read(real_sources, FILES, tmp_path)


def _damage_and_read(sources: list[Source], count: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(SEED)
    out = tmp_path / "out"
    outcomes = {"read": 0, "refused": 0}
    failures: list[str] = []
    for number in range(count):
        source = sources[number % len(sources)]
        file = source.files[rng.integers(len(source.files))]
        sound = file.read_bytes()
        started = time.process_time()
        try:
            file.write_bytes(damaged(sound, rng))
            outcome = _outcome(partial(READERS[source.form], source.path, None, None))
            if rng.random() < CONVERTED:
                target = list(WRITERS)[rng.integers(len(WRITERS))]
                joints = [None, "wepdtof-pose-14", JOINTS.get(target)][rng.integers(3)]
                formats = {"source_format": source.form, "target_format": target}
                converted = _outcome(
                    partial(convert, source.path, out, keypoints=joints, **formats)
                )
                left = [p.name for p in tmp_path.iterdir()]
                if converted not in outcomes:
                    outcome = converted
                elif left != (["out"] if converted == "read" else []):
                    outcome = f"convert was {converted} and left {left}"
                shutil.rmtree(out, ignore_errors=True)
            if outcome in outcomes:
                outcomes[outcome] += 1
            else:
                failures.append(f"{source.form}: {outcome}: {file.read_bytes()[:3000]!r}")
        finally:
            file.write_bytes(sound)
        if time.process_time() - started > 3:
            failures.append(f"{source.path}: took too long")
    assert not failures, "\n".join(failures[:5])
    assert outcomes["refused"] > count / 3
    assert outcomes["read"] > count / 20


def _outcome(call: Callable[[], object]) -> str:
    """ "read", "refused" with one clear line, or what else happened."""
    try:
        call()
    except InputError as error:
        clear = str(error).isprintable() and 0 < len(str(error)) < 1000
        return "refused" if clear else f"unclear message {error}"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {place.name}, line {place.lineno}: {error}"
    return "read"
