"""What is in a data set, as tables: counts, joints, boxes, places, directions, poses, scenes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.statistics.measures import NO_VARIANCE, person_measures, pose_modes, upright_poses

RINGS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, np.inf)
"""Edges of the rings of `place_table`, over half the shorter side of the image."""


def counts(dataset: PoseDataset) -> dict[str, int | None]:
    """Return how many people, frames, scenes, tracks and labels there are; None if not known."""
    frames = dataset.frames
    people_of_frame = np.bincount(dataset.frame_rows, minlength=len(frames))
    tracks = pd.DataFrame(
        {
            "scene": frames["scene"].to_numpy(dtype=object)[dataset.frame_rows],
            "track": dataset.people["track_id"],
        }
    ).dropna(subset="track")
    return {
        "people": len(dataset),
        "usable people": int(dataset.trainable().sum()),
        "crowds": int((dataset.people["iscrowd"] != 0).sum()),
        "frames": len(frames),
        "frames with people": int((people_of_frame > 0).sum()),
        "most people on a frame": int(people_of_frame.max(initial=0)),
        "scenes": int(frames["scene"].nunique()) or None,
        "tracks": len(tracks.drop_duplicates()) or None,
        "labelled joints": int((dataset.keypoints[..., 2] > 0).sum()),
        "areas from boxes": int(dataset.people["area_from_box"].sum()),
    }


def joint_table(dataset: PoseDataset) -> pd.DataFrame:
    """Return for how many people each joint is labelled, and how often it is hidden and visible."""
    visibility = dataset.keypoints[..., 2]
    return pd.DataFrame(
        {
            "labelled": (visibility > 0).sum(axis=0),
            "hidden": (visibility == 1).sum(axis=0),
            "visible": (visibility == 2).sum(axis=0),
        },
        index=pd.Index(dataset.keypoint_set.joints, name="joint"),
    )


def box_table(dataset: PoseDataset) -> pd.DataFrame:
    """Return the percentiles of box width, height and area root in pixels, over usable people."""
    sizes = dataset.boxes[dataset.trainable(), 2:]
    columns = {
        "width": sizes[:, 0],
        "height": sizes[:, 1],
        "area root": np.sqrt(sizes.prod(axis=1)),
    }
    percentiles = (0, 5, 25, 50, 75, 95, 100)
    index = pd.Index(["least", "5 %", "25 %", "half", "75 %", "95 %", "most"], name="pixels")
    if not len(sizes):
        return pd.DataFrame(np.nan, index=index, columns=list(columns))
    return pd.DataFrame({k: np.percentile(v, percentiles) for k, v in columns.items()}, index=index)


def people_per_frame(dataset: PoseDataset) -> pd.DataFrame:
    """Return how many frames have so many people; from ten on in ranges that double."""
    people = np.bincount(dataset.frame_rows, minlength=len(dataset.frames))
    edges = [*range(11), 20, 40, 80, 160, 320, 2**31]
    names = [
        str(low) if high == low + 1 else f"{low} to {high - 1}" for low, high in pairwise(edges)
    ]
    frames = np.histogram(people, bins=edges)[0]
    table = pd.DataFrame({"frames": frames}, index=pd.Index(names, name="people"))
    last = int(np.flatnonzero(frames).max(initial=0))
    return table.iloc[: last + 1]


def place_table(dataset: PoseDataset) -> pd.DataFrame:
    """Return people by distance from the image centre: sizes, hidden joints and directions."""
    measures = person_measures(dataset)
    rows = []
    for low, high in pairwise(RINGS):
        ring = measures[(measures["radius"] >= low) & (measures["radius"] < high)]
        rows.append(
            {"radius": f"{low:.1f} to {high:.1f}" if high < 9 else f"{low:.1f} on"} | _of(ring)
        )
    return pd.DataFrame(rows).set_index("radius")


def direction_table(dataset: PoseDataset) -> pd.DataFrame:
    """Return people by direction of the body against the radius: outwards, inwards, sideways."""
    turn = person_measures(dataset)["turn"].dropna().to_numpy()
    names = ["outwards", "clockwise", "inwards", "counter-clockwise"]
    quarter = ((turn + 45) // 90 % 4).astype(int)
    people = np.bincount(quarter, minlength=4)
    share = 100 * people / max(len(turn), 1)
    index = pd.Index(names, name="head points")
    return pd.DataFrame({"people": people, "share %": share}, index=index)


def pose_table(dataset: PoseDataset) -> pd.DataFrame:
    """Return how varied the poses are, over the people with all joints labelled.

    Poses are turned upright and scaled (see `upright_poses`); `spread` is the root mean squared
    distance of a joint from its place in the mean pose, over the size of the pose (so 0 to about
    1), and `modes` the number of principal modes that hold 90 % of the variance, if any.
    """
    poses = upright_poses(dataset)
    row = {"people": len(poses), "spread": np.nan, "modes for 90 %": np.nan}
    if len(poses) > 1:
        mean, _, variances = pose_modes(poses)
        row["spread"] = float(np.sqrt(((poses - mean) ** 2).sum(axis=2).mean()))
        if variances.sum() > NO_VARIANCE:
            share = np.cumsum(variances) / variances.sum()
            row["modes for 90 %"] = int(np.searchsorted(share, 0.9) + 1)
    return pd.DataFrame([row], index=["complete poses"]).astype({"people": int})


def scene_table(dataset: PoseDataset) -> pd.DataFrame:
    """Return frames, people and their measures by scene, in file order; empty where unknown."""
    scenes = dataset.frames["scene"]
    measures = person_measures(dataset)
    of_people = scenes.to_numpy(dtype=object)[dataset.frame_rows]
    rows = []
    for scene in scenes.dropna().unique():
        rows.append({"scene": scene, "frames": int((scenes == scene).sum())})
        rows[-1] |= _of(measures[of_people == scene])
    columns = ["scene", "frames", *_of(measures[:0])]
    return pd.DataFrame(rows, columns=columns).set_index("scene")


def all_tables(dataset: PoseDataset, *, scenes: int = 30) -> dict[str, pd.DataFrame]:
    """Return all tables by title; of the scenes at most so many.

    >>> from wepdtof_pose.annotations import sample_folder
    >>> from wepdtof_pose.formats.loading import load_dataset
    >>> tables = all_tables(load_dataset(sample_folder())["all"])
    >>> int(tables["People per frame"]["frames"].sum())
    6
    """
    by_scene = scene_table(dataset)
    title = "Scenes" if len(by_scene) <= scenes else f"Scenes (the first {scenes})"
    tables = {
        "Joints": joint_table(dataset),
        "Boxes of usable people": box_table(dataset),
        "People per frame": people_per_frame(dataset),
        "Distance from the image centre, over half the shorter side": place_table(dataset),
        "Direction of the body against the radius": direction_table(dataset),
        "Pose diversity": pose_table(dataset),
    }
    return tables | ({title: by_scene.head(scenes)} if len(by_scene) else {})


def _of(measures: pd.DataFrame) -> dict[str, float]:
    labelled = measures["labelled"].sum()
    return {
        "people": len(measures),
        "half size px": float(measures["size"].median()) if len(measures) else np.nan,
        "labelled": float(measures["labelled"].mean()) if len(measures) else np.nan,
        "hidden %": 100 * float(measures["hidden"].sum() / labelled) if labelled else np.nan,
        "|turn| deg": float(measures["turn"].abs().median())
        if measures["turn"].count()
        else np.nan,
    }
