"""What is in a data set: counts of people, frames, scenes and joints, and box sizes, as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import PoseDataset


def counts(dataset: PoseDataset) -> dict[str, int | None]:
    """People, frames, scenes, tracks and labels of a data set; None where that is not known."""
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
    """People for whom each joint is labelled, and of those how often it is hidden and visible."""
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
    """Percentiles over the usable people of box width, height and area root, in pixels."""
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
