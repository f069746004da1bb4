"""Write a procedural overhead-fisheye data set: the project's embedded default.

Killed at any moment and run again with the same arguments, `generate` ends with the same bytes:
a scene is a pure function of the seed, every file appears whole under its name, and the record
of a scene is written after its frames.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from wepdtof_pose.cores import end_with_parent, unheard_interrupts
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, replacing, sweep, write_json
from wepdtof_pose.fisheye.lenses import KannalaBrandtLens, Lens
from wepdtof_pose.formats import coco
from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.locks import exclusive
from wepdtof_pose.synthetic.scenes import SceneFrame, ScenePlan, draw_scene, plan_scenes

STYLES = ("plain", "office")
VERSION = 1
"""Counts up whenever the same seed draws other pictures."""
MANIFEST = "synthetic.json"
ANNOTATIONS = "annotations/person_keypoints.json"
_RECORDS = ".scenes"


def generate(
    out: Path,
    *,
    people: int,
    seed: int = 0,
    size: int = 768,
    workers: int = 1,
    style: str = "plain",
    progress: bool | Callable[[int, int], None] = True,
) -> Path:
    """Write a data set with exactly `people` labelled people to `out`, and return `out`.

    The folder gets `images/<scene>/<scene>_000001.jpg` and `annotations/person_keypoints.json`
    (COCO keypoints). The bytes depend on `people`, `seed`, `size` and `style` only, not on
    `workers`. An unfinished folder is completed; a finished one gets the frames back that it lacks,
    and keeps its annotations.

    Args:
        out: the folder; missing, empty, or one that the same arguments began.
        people: labelled people in all.
        seed: any whole number from 0 on.
        size: width and height of the frames in pixels.
        workers: processes that render.
        style: "plain", or "office": long tables full of things with people bent over them, poses
            of all kinds, crowds, empty rooms, coats, hats, over-exposed windows, image circles
            that the frame cuts off.
        progress: True for a bar (plain lines where the output is not a terminal), False for
            nothing, or a function of (people done, people in all).

    Raises:
        InputError: an argument is out of range, or `out` holds something else, or
            another process is writing it.

    >>> generate(Path("fisheye"), people=200, workers=2)  # doctest: +SKIP
    PosixPath('fisheye')
    """
    out = Path(out)
    for name, value, least in (
        ("people", people, 1),
        ("seed", seed, 0),
        ("size", size, 64),
        ("workers", workers, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name} must be a whole number from {least} on, not {value!r}")
    if style not in STYLES:
        raise InputError(f"style must be one of {', '.join(STYLES)}, not {style!r}")
    parameters = {
        "generator": "wepdtof-pose synth",
        "version": VERSION,
        "people": int(people),
        "seed": int(seed),
        "size": int(size),
    }
    office = style == "office"
    if office:
        # The plain style came first, and its files do not name it.
        parameters["style"] = style
    with exclusive(out, patience=1):
        finished = _claim(out, parameters) and (out / ANNOTATIONS).is_file()
        plans = plan_scenes(people, seed, office=office)
        if finished:
            lacking = _scenes_lacking_frames(out)
            plans = [plan for plan in plans if plan.name in lacking]
        if plans:
            rendered = _render(out, plans, seed=seed, size=size, office=office, workers=workers)
            with _progress(progress, sum(plan.quota for plan in plans)) as advance:
                for plan in rendered:
                    advance(plan.quota)
        if not finished:
            _write_annotations(out, plans, parameters)
        shutil.rmtree(out / _RECORDS, ignore_errors=True)
    return out


def render_scene(out: Path, plan: ScenePlan, *, seed: int, size: int, office: bool = False) -> None:
    """Write the frames of one scene and then its record; do nothing where the record exists."""
    record = _record(out, plan)
    if record.is_file() and all(
        (out / "images" / frame["image"]["file_name"]).is_file() for frame in read_json(record)
    ):
        return
    threads = cv2.getNumThreads()
    # Scenes are what runs in parallel; threads of OpenCV would only get in one another's way.
    cv2.setNumThreads(1)
    try:
        folder = out / "images" / plan.name
        frames = []
        for number, frame in enumerate(
            draw_scene(plan, seed=seed, size=size, office=office), start=1
        ):
            name = f"{plan.name}_{number:06d}.jpg"
            _write_jpeg(folder / name, frame)
            frames.append(frame_record(f"{plan.name}/{name}", plan.name, frame))
        write_json(record, frames)
    finally:
        cv2.setNumThreads(threads)


def frame_record(file_name: str, scene: str, frame: SceneFrame) -> dict[str, Any]:
    """Return image and people of one frame, as fields of a COCO keypoint file without ids."""
    size = frame.camera.size
    people = [
        {
            "bbox": list(label.box),
            "area": label.area,
            "iscrowd": 0,
            # To 1/100 of a pixel: what float32 and a reader of the file can make use of.
            "keypoints": [round(float(value), 2) for value in label.keypoints.ravel()],
            "track_id": label.track,
            "rotated_box": list(label.rotated_box),
        }
        for label in frame.labels
    ]
    image = {"file_name": file_name, "width": size, "height": size, "scene": scene}
    fisheye = _fisheye(frame.camera.lens) | {"height_m": round(float(frame.camera.position[2]), 6)}
    return {"image": {**image, "fisheye": fisheye}, "people": people}


def join_records(
    scenes: Iterable[list[dict[str, Any]]], *, root: Path, info: dict[str, Any]
) -> PoseDataset:
    """Return the data set of all scenes' records, ids from 1 on and tracks unique over scenes."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    first_track = 0
    for frames in scenes:
        last_track = 0
        for record in frames:
            images.append({"id": len(images) + 1, **record["image"]})
            for person in record["people"]:
                last_track = max(last_track, person["track_id"])
                annotations.append(
                    {
                        **person,
                        "id": len(annotations) + 1,
                        "image_id": len(images),
                        "category_id": 1,
                        "track_id": first_track + person["track_id"],
                    }
                )
        first_track += last_track
    content = {
        "info": {"description": "Procedural overhead-fisheye people", **info},
        "images": images,
        "annotations": annotations,
    }
    keypoints = get_keypoint_set("wepdtof-pose-14")
    return coco.from_dict(content, source=str(root), keypoint_set=keypoints, root=root)


def _claim(out: Path, parameters: dict[str, Any]) -> bool:
    """Return True for a folder that the same parameters began; a new one gets its manifest."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; name a folder to write the data set to")
    manifest = out / MANIFEST
    if manifest.is_file():
        found = read_json(manifest)
        if found != parameters:
            known = {"style": "plain"} | (found if isinstance(found, dict) else {})
            asked = {"style": "plain"} | parameters
            differing = [
                f"{key} {known.get(key)!r} instead of {value!r}"
                for key, value in asked.items()
                if known.get(key) != value
            ]
            raise InputError(
                f"{out}: holds another synthetic data set ({', '.join(differing)}); "
                "remove it or name another folder"
            )
        sweep(out)
        return True
    leftovers = (f".{MANIFEST}.",)
    if out.is_dir() and any(not entry.name.startswith(leftovers) for entry in out.iterdir()):
        raise InputError(f"{out}: is not empty and holds no synthetic data set; name a new folder")
    write_json(manifest, parameters, indent=1)
    return False


def _render(
    out: Path, plans: list[ScenePlan], *, seed: int, size: int, office: bool, workers: int
) -> Iterator[ScenePlan]:
    work = partial(render_scene, out, seed=seed, size=size, office=office)
    if workers == 1 or len(plans) == 1:
        for plan in plans:
            work(plan)
            yield plan
        return
    # Largest first, so that no worker is left with a long scene at the end. "spawn" because a
    # fork would inherit the locks of whatever threads (torch, OpenCV) the caller runs.
    with ProcessPoolExecutor(
        min(workers, len(plans)), mp_context=get_context("spawn"), initializer=end_with_parent
    ) as pool:
        order = sorted(plans, key=lambda plan: -plan.quota)
        try:
            with unheard_interrupts():
                futures = {pool.submit(work, plan): plan for plan in order}
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BrokenProcessPool:
            raise InputError(
                f"{out}: a process that drew scenes has ended: memory ran out, or a script does "
                'not guard its calls with `if __name__ == "__main__":`; the same call goes on'
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _write_jpeg(path: Path, frame: SceneFrame) -> None:
    done, data = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, frame.quality])
    if not done:
        raise RuntimeError(f"OpenCV could not encode {path}")
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _write_annotations(out: Path, plans: list[ScenePlan], parameters: dict[str, Any]) -> None:
    scenes = (read_json(_record(out, plan)) for plan in plans)
    dataset = join_records(scenes, root=out / "images", info=parameters)
    sweep(out)
    coco.write(dataset, out / ANNOTATIONS)


def _scenes_lacking_frames(out: Path) -> set[str]:
    frames = coco.read(out / ANNOTATIONS).frames
    named = zip(frames["scene"], frames["file_name"], strict=True)
    return {scene for scene, name in named if not (out / "images" / name).is_file()}


def _record(out: Path, plan: ScenePlan) -> Path:
    return out / _RECORDS / f"{plan.name}.json"


def _fisheye(lens: Lens) -> dict[str, Any]:
    values = {"cx": lens.cx, "cy": lens.cy, "radius": lens.radius, "focal": lens.focal}
    model = "equidistant"
    if isinstance(lens, KannalaBrandtLens):
        model = "kannala-brandt"
        values |= {"k1": lens.k1, "k2": lens.k2, "k3": lens.k3, "k4": lens.k4}
    values["max_angle"] = lens.max_angle
    return {"model": model} | {key: round(float(value), 9) for key, value in values.items()}


class _progress:
    """Context that gives a function to call with the people just done."""

    def __init__(self, progress: bool | Callable[[int, int], None], total: int) -> None:
        self.report = progress if callable(progress) else None
        self.quiet = progress is False
        self.total = total
        self.done = 0
        self.bar: tqdm | None = None

    def __enter__(self) -> Callable[[int], None]:
        if not self.quiet and self.report is None and sys.stderr.isatty():
            self.bar = tqdm(total=self.total, unit="person", desc="synth")
        return self._advance

    def _advance(self, people: int) -> None:
        self.done += people
        if self.report is not None:
            self.report(self.done, self.total)
        elif self.bar is not None:
            self.bar.update(people)
        elif not self.quiet:
            print(f"synth: {self.done} of {self.total} people", file=sys.stderr, flush=True)

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()
