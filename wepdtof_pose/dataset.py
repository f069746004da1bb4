"""PoseDataset: frames, people and their keypoints, whatever file they came from.

Conventions, here once for the whole project:

* Pixels: integer coordinates are pixel centres, so a frame of width W covers -0.5 .. W-0.5 and its
  centre is (W-1)/2. This holds for joints, lenses, distances from the centre and drawings.
* Boxes: x, y of the top left corner, width, height, in pixels. Boxes and crops follow the published
  code instead, whose coordinates count from the corner: a box reaches from x to x+w with its centre
  at x+w/2, a frame from 0 to W. Formats with relative coordinates divide by W as their own programs
  do. The two differ by half a pixel, and only `person_measures` brings boxes into the first.
* Rotated boxes: cx, cy, w, h in pixels and an angle in degrees, clockwise from the vertical axis
  that points up (the form of WEPDTOF and CEPDOF).
* Visibility as in COCO: 0 not labelled, 1 labelled but hidden, 2 visible.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import pandas as pd

from wepdtof_pose.errors import InputError
from wepdtof_pose.geometry import clip_boxes
from wepdtof_pose.keypoints import KeypointSet, convert_keypoints

FRAME_COLUMNS = ("id", "file_name", "width", "height", "scene", "extra")
BOX_COLUMNS = ("x", "y", "w", "h")
ROTATED_BOX_COLUMNS = ("rotated_cx", "rotated_cy", "rotated_w", "rotated_h", "rotated_angle")
PEOPLE_COLUMNS = (
    "id",
    "frame_id",
    *BOX_COLUMNS,
    "area",
    "area_from_box",
    "iscrowd",
    "track_id",
    *ROTATED_BOX_COLUMNS,
    "extra",
)
COPY = re.compile(r"[_.](?:jpe?g|png|bmp|webp|tiff?|gif|avif|heic)\.rf\.[\w-]+$", re.IGNORECASE)
"""What Roboflow puts behind the name, without suffix, of each copy of a picture: a hash of it."""
AREA_PER_BOX = 0.53
"""Object area over box area in the released evaluation, for annotations without an area."""


@dataclass(frozen=True)
class PoseDataset:
    """People with keypoints on frames. Filtering returns a new one; nothing edits in place.

    Attributes:
        frames: one row per frame: id, file_name (relative to root), width, height, scene (None
            where unknown), extra (a dict of the file's other fields, or None).
        people: one row per person, in file order: id, frame_id, x, y, w, h, area, area_from_box
            (the file gave no area), iscrowd, track_id (nullable), rotated_cx ... rotated_angle (NaN
            where unknown), extra.
        keypoints: float32 (people, joints, 3): x, y, visibility 0/1/2.
        keypoint_set: the joints along the second axis of `keypoints`.
        root: folder that holds the images.
        meta: fields of the file that belong to no frame or person (info, licences, category).
        left_out: what of the file is not in here or was derived by its reader, and how often.
    """

    frames: pd.DataFrame
    people: pd.DataFrame
    keypoints: np.ndarray
    keypoint_set: KeypointSet
    root: Path
    meta: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = (len(self.people), len(self.keypoint_set), 3)
        if self.keypoints.shape != expected:
            raise InputError(
                f"keypoints have shape {self.keypoints.shape}, but {len(self.people)} people with "
                f"the {len(self.keypoint_set)} joints of {self.keypoint_set.name!r} need {expected}"
            )

    def __len__(self) -> int:
        return len(self.people)

    @property
    def boxes(self) -> np.ndarray:
        """Boxes (people, 4) float64: x, y, w, h in pixels."""
        return self.people[list(BOX_COLUMNS)].to_numpy(dtype=np.float64)

    @property
    def rotated_boxes(self) -> np.ndarray:
        """Rotated boxes (people, 5) float64: cx, cy, w, h in pixels, degrees; NaN where unknown."""
        return self.people[list(ROTATED_BOX_COLUMNS)].to_numpy(dtype=np.float64)

    @property
    def frame_rows(self) -> np.ndarray:
        """Row of each person's frame in `frames`, (people,) int64."""
        return pd.Index(self.frames["id"]).get_indexer(self.people["frame_id"])

    def select_people(self, rows: np.ndarray) -> PoseDataset:
        """Return the people of these rows (a mask or indices), in that order, and their frames."""
        everybody = rows.dtype == bool and len(rows) == len(self) and rows.all()
        if everybody and self.frames["id"].isin(self.people["frame_id"]).all():
            return self
        people = self.people.loc[rows] if rows.dtype == bool else self.people.iloc[rows]
        frames = self.frames[self.frames["id"].isin(people["frame_id"])]
        return replace(
            self,
            frames=frames.reset_index(drop=True),
            people=people.reset_index(drop=True),
            keypoints=self.keypoints[rows],
        )

    def select_frames(self, rows: np.ndarray) -> PoseDataset:
        """Return the frames of these rows (a mask or indices) and their people, in file order."""
        frames = self.frames.loc[rows] if rows.dtype == bool else self.frames.iloc[rows]
        keep = self.people["frame_id"].isin(frames["id"]).to_numpy()
        return replace(
            self,
            frames=frames.reset_index(drop=True),
            people=self.people[keep].reset_index(drop=True),
            keypoints=self.keypoints[keep],
        )

    def with_keypoint_set(self, target: KeypointSet) -> PoseDataset:
        """Return the same people with their keypoints converted by joint name.

        Raises:
            InputError: the two sets have no joint in common.
        """
        if not set(target.joints) & set(self.keypoint_set.joints):
            raise InputError(
                f"keypoint sets {self.keypoint_set.name!r} and {target.name!r} "
                "have no joint in common"
            )
        meta = {key: value for key, value in self.meta.items() if key != "category"}
        return replace(
            self,
            keypoints=convert_keypoints(self.keypoints, self.keypoint_set, target),
            keypoint_set=target,
            meta=meta,
        )

    def trainable(self) -> np.ndarray:
        """Return the mask (people,) of those that training and evaluation use.

        Dropped: crowds, boxes that are empty after clipping to the frame, people without area, and
        people whose keypoint numbers are all 0 (the released loaders drop the same).
        """
        labelled = self.keypoints.max(axis=(1, 2), initial=0) > 0
        return self.boxed() & labelled & (self.people["area"] > 0).to_numpy()

    def boxed(self) -> np.ndarray:
        """Return the mask (people,) of those of whom a crop can be cut, labelled or not.

        Dropped: crowds, and boxes that are empty after clipping to the frame.
        """
        sizes = self.frames[["width", "height"]].to_numpy()
        rows, boxes = self.frame_rows, self.boxes
        kept = np.empty(len(self), dtype=bool)
        for block in row_blocks(len(self)):
            _, kept[block] = clip_boxes(boxes[block], sizes[rows[block]])
        return kept & (self.people["iscrowd"] == 0).to_numpy()

    def content_hash(self) -> str:
        """Return a hash (16 hex digits) of frames, boxes, areas and keypoints; scores name it."""
        digest = hashlib.sha256()
        digest.update("\n".join(self.keypoint_set.joints).encode())
        for column in ("id", "file_name", "width", "height"):
            digest.update("\n".join(map(str, self.frames[column])).encode())
        for block in row_blocks(len(self)):
            ids = "\n".join(map(str, self.people["frame_id"].iloc[block]))
            digest.update((ids if block.start == 0 else f"\n{ids}").encode())
        numbers = self.people[[*BOX_COLUMNS, "area", "iscrowd"]].to_numpy(dtype="<f8")
        digest.update(np.ascontiguousarray(numbers).data)
        digest.update(np.ascontiguousarray(self.keypoints, dtype="<f4").data)
        return digest.hexdigest()[:16]


WITHOUT_SCENE = "images that say no scene (each is taken for one of its own)"
"""Why `with_scenes` counts an image: a neighbour of it may then be in another split."""


def with_scenes(
    dataset: PoseDataset, *, by: Literal["folder", "name"] = "folder", field: str | None = None
) -> PoseDataset:
    """Return the data set with scenes from what its images are called, or from a field of theirs.

    Images that say none are counted in `left_out`.

    >>> from wepdtof_pose.annotations import sample_folder
    >>> from wepdtof_pose.formats.loading import load_dataset
    >>> dataset = load_dataset(sample_folder())["all"]
    >>> sorted(set(with_scenes(dataset, by="folder").frames["scene"]))
    ['scene_0002', 'scene_0005']

    Args:
        dataset: any data set; scenes that it knows are replaced.
        by: "folder", the folder of the image (`cam0/0001.jpg`: cam0), or "name", that and its name
            without the number at the end (`Lunch3_0001.jpg`: Lunch3).
        field: a field of the file's images, such as `video_id`, instead.

    Raises:
        InputError: no image says a scene in that way.
    """
    if field is not None:
        rows = [extra or {} for extra in dataset.frames["extra"]]
        scenes = [
            row.get(field) if isinstance(row.get(field), (int, str)) else None for row in rows
        ]
        if any(isinstance(scene, str) for scene in scenes):  # '1' of one image is 1 of another
            scenes = [None if scene is None else str(scene) for scene in scenes]
        known = ", ".join(sorted({key for row in rows for key in row})[:20]) or "none"
        wrong = f"no image has a number or a text as {field!r} (their other fields: {known})"
    else:
        scenes = [_scene_of(name, by) for name in dataset.frames["file_name"]]
        wrong = f"the {'folders' if by == 'folder' else 'names'} of the images say no scenes"
    if not any(scene is not None for scene in scenes):
        raise InputError(f"{dataset.root}: {wrong}")
    frames = dataset.frames.assign(scene=pd.Series(scenes, dtype=object))
    left_out = dict(dataset.left_out)
    if without := sum(scene is None for scene in scenes):
        left_out[WITHOUT_SCENE] = without
    return replace(dataset, frames=frames, left_out=left_out)


def _scene_of(file_name: str, by: str) -> str | None:
    path = PurePosixPath(file_name.replace("\\", "/"))
    parts = list(path.parts[:-1])
    if by == "name" and (name := re.sub(r"[\W_]*\d+$", "", COPY.sub("", path.stem))):
        parts.append(name)
    return "/".join(parts) or None


def concatenate(first: PoseDataset, second: PoseDataset) -> PoseDataset:
    """Return the people of both data sets, the first's rows before the second's.

    File names become relative to the root of the file system, and frame ids "0:id" and "1:id", so
    that two data sets that number their frames alike stay apart.

    Raises:
        InputError: their keypoint sets have other joints.
    """
    if first.keypoint_set.joints != second.keypoint_set.joints:
        raise InputError(
            f"data sets of {first.keypoint_set.name!r} and {second.keypoint_set.name!r} cannot be "
            "put together: convert them to one keypoint set first"
        )
    parts = [_with_origin(number, part) for number, part in enumerate((first, second))]
    return replace(
        first,
        frames=pd.concat([frames for frames, _ in parts], ignore_index=True),
        people=pd.concat([people for _, people in parts], ignore_index=True),
        keypoints=np.concatenate([first.keypoints, second.keypoints]),
        root=Path("/"),
        meta={},
        left_out=dict(Counter(first.left_out) + Counter(second.left_out)),
    )


def _with_origin(number: int, dataset: PoseDataset) -> tuple[pd.DataFrame, pd.DataFrame]:
    root = dataset.root.resolve()
    frames = dataset.frames.assign(
        id=[f"{number}:{name}" for name in dataset.frames["id"]],
        file_name=[str((root / name).relative_to("/")) for name in dataset.frames["file_name"]],
    )
    people = dataset.people.assign(
        frame_id=[f"{number}:{name}" for name in dataset.people["frame_id"]]
    )
    return frames, people


def make_people(
    *, boxes: np.ndarray | None = None, rotated: np.ndarray | None = None, **columns: Any
) -> pd.DataFrame:
    """Return a people table of the columns given; the others get "unknown" (NaN, NA, None) or 0.

    `id`, `frame_id` and boxes (people, 4) (or `x`, `y`, `w` and `h`) are required; rotated boxes
    are (people, 5). Without `area` each person gets 0.53 w h, recorded in `area_from_box`.
    """
    if boxes is not None:
        columns |= dict(zip(BOX_COLUMNS, boxes.T, strict=True))
    if rotated is not None:
        columns |= dict(zip(ROTATED_BOX_COLUMNS, rotated.T, strict=True))
    people = pd.DataFrame({name: columns[name] for name in ("id", "frame_id", *BOX_COLUMNS)})
    people[list(BOX_COLUMNS)] = people[list(BOX_COLUMNS)].astype(np.float64)
    area = columns.get("area")
    known = np.full(len(people), np.nan) if area is None else np.asarray(area, dtype=np.float64)
    missing = np.isnan(known)
    people["area"] = np.where(missing, AREA_PER_BOX * people["w"] * people["h"], known)
    people["area_from_box"] = columns.get("area_from_box", False) | missing
    people["iscrowd"] = np.asarray(columns.get("iscrowd", 0), dtype=np.int64)
    tracks = columns.get("track_id")
    people["track_id"] = pd.array(
        [pd.NA] * len(people) if tracks is None else tracks, dtype="Int64"
    )
    for name in ROTATED_BOX_COLUMNS:
        people[name] = np.asarray(columns.get(name, np.nan), dtype=np.float64)
    people["extra"] = pd.Series(columns.get("extra", [None] * len(people)), dtype=object)
    return people[list(PEOPLE_COLUMNS)]


def make_frames(*, sizes: Any = None, **columns: Any) -> pd.DataFrame:
    """Return a frames table; `scene` and `extra` may be left out.

    `sizes` (frames, 2) are their widths and heights together.
    """
    if sizes is not None:
        columns["width"], columns["height"] = np.reshape(sizes, (-1, 2)).T
    frames = pd.DataFrame({name: columns[name] for name in FRAME_COLUMNS[:4]})
    frames[["width", "height"]] = frames[["width", "height"]].astype(np.int64)
    for name in ("scene", "extra"):
        frames[name] = pd.Series(columns.get(name, [None] * len(frames)), dtype=object)
    return frames[list(FRAME_COLUMNS)]


def id_column(ids: Sequence[Any]) -> pd.Series:
    """Return ids as a column: of whole numbers where all are such, else of objects.

    >>> [id_column(ids).dtype.name for ids in ([1, 2], [1, "b"], [1, 10**400])]
    ['int64', 'object', 'object']
    """
    column = pd.Series(ids, dtype=object)
    try:
        return column.infer_objects()
    except OverflowError:  # one that is larger than any float
        return column


def rows_of_groups(groups: np.ndarray) -> dict[int, np.ndarray]:
    """Return the rows of each number among `groups` (n,), both in rising order.

    >>> {group: rows.tolist() for group, rows in rows_of_groups(np.array([3, 0, 3])).items()}
    {0: [1], 3: [0, 2]}
    """
    order = np.argsort(groups, kind="stable")
    values, starts = np.unique(groups[order], return_index=True)
    return dict(zip(values.tolist(), np.split(order, starts)[1:], strict=True))


def row_blocks(rows: int) -> Iterator[slice]:
    """Return slices of up to 16,384 rows each: what is computed of a million people at once takes
    hundreds of megabytes on its way."""
    return (slice(first, min(first + 16_384, rows)) for first in range(0, rows, 16_384))
