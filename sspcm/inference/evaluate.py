"""Evaluate trained networks on a COCO-keypoint data set, with annotated or detected boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sspcm.choices import Up
from sspcm.data.crop_store import CropStore, cache_folder
from sspcm.data.detection_forms import require_sides
from sspcm.data.detections import PERSON, Detections, coverage_line, read_detections
from sspcm.data.overlap import known_images, people_on
from sspcm.data.pool import left_out, left_out_line
from sspcm.data.sets import NOBODY_HELD_OUT, OWN_SPLIT, make_sets, require_run_data, splits_of
from sspcm.heatmaps.looks import looks_in_words
from sspcm.inference.networks import TrainedNetworks
from sspcm.inference.scores import percent, score_detected, score_people
from sspcm.runs.folder import RunFolder
from wepdtof_pose.dataset import PoseDataset, make_people
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.formats.loading import load_dataset, take_split
from wepdtof_pose.keypoints import KeypointSet, convert_keypoints
from wepdtof_pose.scores.frame_lookup import find_frames
from wepdtof_pose.scores.predictions import Predictions


@dataclass(frozen=True)
class TestPeople:
    """The people that networks are evaluated on.

    Attributes:
        people: all people of the split, usable or not.
        data: path of the data, as given.
        split: name of the split.
        learned: rows of `people` that are on images the networks' run learned from; None where
            that cannot be told.
        overlap: says which images, or why it cannot be told, or that the data were changed; "" if
            there is nothing to say.
    """

    __test__ = False

    people: PoseDataset
    data: str
    split: str
    learned: np.ndarray | None = None
    overlap: str = ""


def own_test_people(networks: TrainedNetworks) -> TestPeople:
    """Return the test people of the networks' own run, without reading its labels or pool.

    Raises:
        InputError: there is no run, or its data no longer exist or would now be split otherwise.
    """
    if networks.config is None:
        raise InputError(f"{networks.record['source']}: is no run: name a data set with --data")
    data, source = networks.config.data, str(networks.record["source"])
    require_run_data(data, source, pool=False)
    splits = splits_of(data)
    if splits.split == NOBODY_HELD_OUT:
        raise InputError(f"{source}: held nobody out for testing: name a data set with --data")
    test = _held_out_people(splits.test, data.path, splits.split)
    begun = RunFolder(Path(source)).read_environment()
    now = {"data_hash": splits.data_hash, "split_hash": splits.split_hash}
    changed = [key for key, value in now.items() if begun.get(key) not in (None, value)]
    if "split_hash" in changed and splits.split != OWN_SPLIT:
        raise InputError(
            f"{source}: its data {data.path} were changed since it was trained: other people are "
            "held out now, and it may have learned from them; bring the data back, or score it on "
            f"all people with --data {data.path} --split all"
        )
    if changed:
        why = f"the annotations of {data.path} were changed since the run was trained"
        return replace(test, learned=None, overlap=why)
    return test


def load_test_people(
    path: Path,
    split: str | None = None,
    *,
    networks: TrainedNetworks | None = None,
    category: str | None = None,
) -> TestPeople:
    """Return a split of a data set: the one named, else the only one, else `val`, else `test`.

    If the only split is the one that the networks' run was trained on, and it is not named, return
    the people whom the run held out of it. Where the networks are a run's, people on images that it
    learned from are found (see `sspcm.data.overlap`), and stay. `category` is that of the people,
    if several have joints.

    Raises:
        InputError: there are no such data or no such split, the split is ambiguous, or the
            networks' run learned from these people.
    """
    splits = load_dataset(path, category=category)
    if split is None and len(splits) == 1 and networks is not None:
        held_out = _held_out(networks, next(iter(splits.values())), path, category)
        if held_out is not None:
            return held_out
    name = split or next((n for n in ("val", "test") if n in splits), next(iter(splits)))
    if split is None and name == "train":
        raise InputError(f"{path}: has a training split only; to evaluate on it: --split train")
    test = TestPeople(take_split(splits, name, path=path), str(path), name)
    return test if networks is None else _compared(test, networks)


def evaluate_networks(
    networks: TrainedNetworks,
    test: TestPeople,
    *,
    detections: Path | None = None,
    category: str | None = None,
    angles: str | None = None,
    up: Up | None = None,
) -> dict[str, Any]:
    """Return the scores of every network and all that they depend on, as JSON values.

    As in COCO, crowds and people without labels are ignored. Annotated boxes are those of the
    usable people, as after training. If the networks and the data have different joints, the
    joints that both have are scored, and "joints_not_scored" lists the data's other joints.

    Keys: those of `TrainedNetworks.record`; "data", "split", "data_hash", "boxes", "keypoint_set"
    (of the networks), "joints_not_scored", "sigma_set", "area_rule", "decoding", "flip_test",
    "looks", "precision", "reported", "people_learned_from" (how many of the usable people are on
    images that the run learned from, None if unknown), and "networks" (name -> scores, see
    `wepdtof_pose.scores.coco.score`); with detections also "detections", which counts those used
    and those not used; without, "people_left_out", the people who are not usable by reason, and
    "people_missed", how many of these have labels and count as missed.

    Args:
        networks: all networks of a method, or one of them.
        test: the people to evaluate on.
        detections: a file of boxes (see `read_detections`); annotated boxes if None.
        category: id or name of the category of people among the detections.
        angles: unit of the detections' angles (see `read_detections`).
        up: the direction that points up in turned crops; as the networks were trained if None.

    Raises:
        InputError: an image is missing, no joint is in common, there is nobody to score, or no
            sigmas are known.
    """
    people = test.people
    tested = np.flatnonzero(people.trainable())
    if detections is None and not len(tested):
        raise InputError(f"{test.data}: no usable person to evaluate on")
    scored = joints_in_common(networks.keypoint_set, people.keypoint_set)
    scored.require_sigmas()
    truth = people
    if scored.joints != people.keypoint_set.joints:
        truth = people.with_keypoint_set(scored)
    if detections is None:
        boxes = people.select_people(tested)
    else:
        person = people.meta.get("category", {}).get("id", PERSON)
        found = read_detections(detections, category=category, person_id=person, angles=angles)
        boxes, counts = _detected_people(people, found)
    released = networks.released and detections is None
    stores = networks.crops_of(boxes, _cache_of(networks), up=up, released=released)
    store = stores[0]
    scores = {}
    for name, values in networks.predict(stores).items():
        keypoints = values
        if scored.joints != networks.keypoint_set.joints:
            keypoints = convert_keypoints(values, networks.keypoint_set, scored)
        if detections is None:
            scores[name], _ = score_people(truth, tested, store, keypoints)
        else:
            scores[name] = _score_on_detections(truth, boxes, store, keypoints)
        scores[name]["data_hash"] = people.content_hash()
    first = next(iter(scores.values()))
    crowd = (people.people["iscrowd"] != 0).to_numpy()
    labelled = (people.keypoints[..., 2].max(axis=1, initial=0) > 0) & ~crowd
    unpredicted = {
        "people_left_out": left_out(people),
        "people_missed": int(labelled.sum() - labelled[tested].sum()),
    }
    return {
        **networks.record,
        "data": test.data,
        "split": test.split,
        "data_hash": first["data_hash"],
        "boxes": "annotated" if detections is None else str(detections),
        **(unpredicted if detections is None else {"detections": counts}),
        "keypoint_set": networks.keypoint_set.name,
        "joints_not_scored": [j for j in people.keypoint_set.joints if j not in scored.joints],
        "sigma_set": first["sigma_set"],
        "area_rule": first["area_rule"],
        "decoding": networks.evaluation.decoding,
        "flip_test": networks.evaluation.flip_test,
        "looks": networks.evaluation.looks,
        "precision": str(networks.hardware.precision).removeprefix("torch."),
        "reported": networks.reported,
        "people_learned_from": None if test.learned is None else int(test.learned[tested].sum()),
        "networks": scores,
    }


def table_lines(result: dict[str, Any], *, per_joint: bool) -> Iterator[str]:
    """Yield a result of `evaluate_networks` as lines of text: the source of the scores, tables."""
    networks = result["networks"]
    boxes = "annotated boxes" if result["boxes"] == "annotated" else f"boxes of {result['boxes']}"
    if "detections" in result:
        boxes += " (rotated)" if result["detections"]["rotated"] else ""
    flip = looks_in_words(result["flip_test"], result["looks"])
    yield f"{result['data']} ({result['split']}, hash {result['data_hash']}), {boxes}"
    yield f"{result['source']} ({result['checkpoint']}), {result['decoding']} decoding, {flip}"
    yield f"sigmas of {result['sigma_set']}, areas {result['area_rule']}"
    if "detections" in result:
        yield coverage_line(result["detections"])
    elif result["people_left_out"]:
        yield left_out_line(result["people_left_out"])
        if missed := result["people_missed"]:
            yield (
                f"warning: {missed} of them have labelled joints and count as missed: "
                f"wepdtof-pose validate {result['data']} says more"
            )
    if result["joints_not_scored"]:
        yield (
            f"not scored, as the networks ({result['keypoint_set']}) lack them: "
            + ", ".join(result["joints_not_scored"])
        )
    columns = ("AP", "AP50", "AP75", "AR", "PCK@0.2")
    yield "".join(f"{title:>9}" for title in ("network", *columns))
    for name, scores in networks.items():
        marker = "  reported" if name == result["reported"] and len(networks) > 1 else ""
        yield f"{name:>9}" + "".join(f"{percent(scores[c]):>9}" for c in columns) + marker
    if per_joint:
        yield ""
        yield f"{'PCK@0.2':16}{'labelled':>9}" + "".join(f"{name:>9}" for name in networks)
        for joint, first in next(iter(networks.values()))["per_joint"].items():
            values = (scores["per_joint"][joint]["PCK"] for scores in networks.values())
            yield f"{joint:16}{first['labelled']:>9}" + "".join(
                f"{percent(value):>9}" for value in values
            )


def joints_in_common(networks: KeypointSet, data: KeypointSet) -> KeypointSet:
    """Return the data's keypoint set, reduced to the joints that the networks predict.

    Raises:
        InputError: no joint is in common.
    """
    rows = [row for row, joint in enumerate(data.joints) if joint in networks.joints]
    if len(rows) == len(data):
        return data
    if not rows:
        raise InputError(
            f"the networks' joints ({networks.name}) and the data's ({data.name}) have none in "
            "common"
        )
    place = {row: index for index, row in enumerate(rows)}
    joints = tuple(data.joints[row] for row in rows)
    return KeypointSet(
        name=f"{data.name} ({len(rows)} of {len(data)} joints)",
        joints=joints,
        flip_pairs=tuple(
            (place[a], place[b]) for a, b in data.flip_pairs if {a, b} <= place.keys()
        ),
        skeleton=tuple((place[a], place[b]) for a, b in data.skeleton if {a, b} <= place.keys()),
        sigmas=None if data.sigmas is None else tuple(data.sigmas[row] for row in rows),
    )


def _held_out(
    networks: TrainedNetworks, whole: PoseDataset, path: Path, category: str | None
) -> TestPeople | None:
    """Return the people that the networks' run held out of these data; None for other data."""
    if networks.config is None:
        return None
    begun = RunFolder(Path(networks.record["source"])).read_environment()
    if begun.get("data_hash") != whole.content_hash():
        return None
    splits = splits_of(replace(networks.config.data, path=str(path), category=category or ""))
    if splits.split_hash != begun["split_hash"] or splits.split == NOBODY_HELD_OUT:
        raise InputError(
            f"{path}: {networks.record['source']} has learned from these people: to score it on "
            "them all the same: --split all"
        )
    return _held_out_people(splits.test, str(path), splits.split)


def _held_out_people(people: PoseDataset, data: str, split: str) -> TestPeople:
    """Return people whom a run held out: it leaves out everybody on their images."""
    return TestPeople(people, data, split, np.zeros(len(people), dtype=bool))


def _compared(test: TestPeople, networks: TrainedNetworks) -> TestPeople:
    """Return the same people, and which are on images that the networks' run learned from."""
    if networks.config is None:
        return test
    try:
        sets = make_sets(networks.config.data)
    except InputError as error:
        why = f"not checked whether the run learned from images of these people: {error}"
        return replace(test, overlap=why)
    rows = np.union1d(sets.labelled, sets.unlabelled)
    known = known_images(sets.train.select_people(rows), cache=_cache_of(networks))
    learned, images = people_on(test.people, known)
    if not learned.any():
        return replace(test, learned=learned)
    first = next(iter(images))
    return replace(
        test,
        learned=learned,
        overlap=f"{learned.sum()} of {len(test.people)} people are on images that the run learned "
        f"from ({counted(len(images), 'image')}, {first} for one): their scores say nothing about "
        "new images",
    )


def _cache_of(networks: TrainedNetworks) -> Path:
    named = None if networks.config is None else networks.config.data.cache
    # A run made on another machine may name a folder that makes no sense here.
    return cache_folder(named if named and Path(named).is_dir() else None)


def _detected_people(people: PoseDataset, found: Detections) -> tuple[PoseDataset, dict[str, int]]:
    """Return the detections on the data's frames as people without labels, and their counts.

    Their column `extra` holds the scores.
    """
    frame_rows = find_frames(people.frames, found.image_ids, found.file_names, source=found.source)
    on_frame = frame_rows >= 0
    rows = np.flatnonzero(on_frame)
    sizes = people.frames[["width", "height"]].to_numpy(dtype=np.float64)[frame_rows[rows]]
    boxes = found.of_rows(rows, sizes)
    require_sides(boxes.boxes, boxes.rotated, sizes, found.source)
    inside = boxes.on_frame(sizes)
    counts = {
        "images": len(people.frames),
        "images_with_boxes": len(np.unique(frame_rows[rows[inside]])),
        "boxes": len(found),
        "on_no_image": int((~on_frame).sum()),
        "outside_their_frame": int((~inside).sum()),
        "rotated": int(np.isfinite(boxes.rotated[inside]).all(axis=1).sum()),
        **found.left_out,
    }
    if not inside.any():
        raise InputError(f"no detection lies on an image of the data set: {coverage_line(counts)}")
    rows, boxes = rows[inside], boxes.select(inside)
    count = len(rows)
    detected = PoseDataset(
        frames=people.frames,
        people=make_people(
            id=np.arange(count),
            frame_id=people.frames["id"].to_numpy()[frame_rows[rows]],
            boxes=boxes.boxes,
            rotated=boxes.rotated,
            extra=[{"score": float(value)} for value in boxes.scores],
        ),
        keypoints=np.zeros((count, len(people.keypoint_set), 3), dtype=np.float32),
        keypoint_set=people.keypoint_set,
        root=people.root,
    )
    return detected.select_people(np.arange(count)), counts


def _score_on_detections(
    truth: PoseDataset, boxes: PoseDataset, store: CropStore, keypoints: np.ndarray
) -> dict[str, Any]:
    predictions = Predictions(
        frame_ids=boxes.people["frame_id"].to_numpy(),
        keypoints=keypoints,
        scores=np.array([extra["score"] for extra in boxes.people["extra"]]),
        boxes=boxes.boxes,
    )
    scores, _ = score_detected(truth, store, predictions)
    return scores
