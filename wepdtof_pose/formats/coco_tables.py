"""The tables of a PoseDataset out of the images and annotations of a COCO keypoint file.

Both come in blocks: texts of JSON lists where the file is large, lists of parsed objects where it
is small or a program made them. Parsed whole, the annotations of a million people take gigabytes,
most of them for numbers that are one Python object each; as text they take what the file does. A
text that decodes as typed records is done fast; anything else is gone through entry by entry, so
that what is wrong is said with its place.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
import pandas as pd
from msgspec import UNSET, UnsetType

from wepdtof_pose.dataset import id_column, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import one_value_a_key
from wepdtof_pose.formats.coco_category import key_of
from wepdtof_pose.formats.fields import objects, other_fields, require_file_name, shown, wrong_field
from wepdtof_pose.geometry import joint_extents
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.records import CocoImage, CocoPerson

FIX = "wepdtof-pose validate --fix mends what has one reading"

FRAME_FIELDS = frozenset(CocoImage.__struct_fields__)
PERSON_FIELDS = frozenset({*CocoPerson.__struct_fields__, "num_keypoints"})

SMALL_FILE = 1 << 20
"""Bytes of a file that is cheaper parsed whole."""

BLOCK_ROWS = 1000

Record = TypeVar("Record", CocoImage, CocoPerson)


@dataclass(frozen=True)
class Blocks:
    """A list of a file, some rows at a time.

    Attributes:
        key: name of the list.
        source: name of the file in errors.
        rows: the rows, parsed or as they stand in the file.
    """

    key: str
    source: str
    rows: list[dict[str, Any]] | list[msgspec.Raw]

    def blocks(self) -> Iterator[bytes | list[dict[str, Any]]]:
        """Yield the rows from the first on: texts of JSON lists, or lists of objects."""
        for first in range(0, len(self.rows), BLOCK_ROWS):
            rows: list[Any] = self.rows[first : first + BLOCK_ROWS]
            parsed = isinstance(rows[0], dict)
            yield rows if parsed else b"[%b]" % b",".join(map(bytes, rows))


def long_lists(
    path: Path, keys: Sequence[str]
) -> tuple[dict[str, Any], dict[str, list[msgspec.Raw]]] | None:
    """Return the members of a large JSON file (UTF-8) and its lists of objects under these keys.

    The entries of the lists stay text. None for every other file, be it small, broken, a pipe or
    not there: `read_json` takes those and says what is wrong with them.
    """
    try:
        # A pipe is not even opened: what was read of it would be lost.
        if not path.is_file() or path.stat().st_size <= SMALL_FILE:
            return None
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
        if not content.isascii():
            content.decode()
        raw = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        lists = {key: _RAW_ROWS.decode(raw.pop(key)) for key in keys}
        members = {
            key: json.loads(bytes(value), object_pairs_hook=one_value_a_key)
            for key, value in raw.items()
        }
        rows = [row for own in lists.values() for row in own]
        if not _has_keys(len(keys) + _keys_of(members), content, without=rows):
            return None  # a key that is there twice, perhaps: a slower look tells
    except (KeyError, ValueError, RecursionError, OSError, msgspec.MsgspecError):
        return None
    if any(memoryview(row)[0] != ord("{") for rows in lists.values() for row in rows):
        return None
    return members, lists


def frames_table(images: Blocks) -> pd.DataFrame:
    """Return the frames of the file's images."""
    parts = _Parts(len(images.rows))
    for entries in _entries(images, CocoImage, FRAME_FIELDS):
        parts.add(_frames(entries))
    frames = parts.table()
    repeated = frames["id"][frames["id"].duplicated()].tolist()
    if repeated:
        raise InputError(f"{images.source}: image id {shown(repeated[0])} is used twice ({FIX})")
    return frames


def people_table(
    annotations: Blocks,
    frames: pd.DataFrame,
    keypoint_set: KeypointSet,
    *,
    category_ids: tuple[Any, ...],
) -> tuple[pd.DataFrame, np.ndarray, int]:
    """Return the people of the file's annotations of these categories.

    Those that name no category are of them. Where there are no `category_ids`, so are all.

    Returns:
        The people table, keypoints (people, joints, 3) float32, and how many boxes are the extent
        of the labelled joints.
    """
    parts = _Parts(len(annotations.rows))
    keypoints = np.empty((len(annotations.rows), len(keypoint_set), 3), dtype=np.float32)
    from_joints = 0
    for entries in _entries(annotations, CocoPerson, PERSON_FIELDS, category_ids):
        first = parts.count
        joints = _keypoints(entries, keypoint_set)
        boxes, made = _boxes(entries, joints)
        parts.add(_people(entries, boxes, first, made=made))
        keypoints[first : parts.count] = joints
        from_joints += len(made)
    people = parts.table()
    lost = ~people["frame_id"].isin(frames["id"]).to_numpy()
    if lost.any():
        person, frame = (people[lost][name].tolist()[0] for name in ("id", "frame_id"))
        raise InputError(
            f"{annotations.source}: annotation {shown(person)} belongs to image {shown(frame)}, "
            f"which 'images' does not list{_fix_hint(frame, frames)}"
        )
    return people, keypoints[: len(people)], from_joints


def _fix_hint(frame: Any, frames: pd.DataFrame) -> str:
    """Return what to do where '1' or '001' stands for 1, or a file name for the id of its image."""
    named = {str(one).lstrip("0") for one in frames["id"]}
    for path in map(PurePosixPath, frames["file_name"]):
        named |= {path.name, path.stem}
    text = PurePosixPath(str(frame)).name
    return f" ({FIX})" if {text, text.lstrip("0")} & named else ""


def count_categories(annotations: Blocks) -> Counter[Any]:
    """Return how many annotations there are by category id; UNSET counts those without one."""
    counts: Counter[Any] = Counter()
    for block in annotations.blocks():
        rows: list[Any] = []
        if not isinstance(block, bytes):
            rows = block
        else:
            try:
                rows = _OF_CATEGORY.decode(block)
            except (ValueError, RecursionError, msgspec.MsgspecError):
                rows = _parsed(block, annotations)
        for row in rows:
            one = row.get("category_id", UNSET) if isinstance(row, dict) else row.category_id
            counts[one if one is UNSET else key_of(one)] += 1
    return counts


@dataclass
class _Entries(Generic[Record]):
    """Records of one block with their positions in the list and the fields that no table holds."""

    key: str
    source: str
    positions: list[int]
    records: list[Record]
    extras: list[dict[str, Any] | None]

    def where(self, row: int) -> str:
        number = self.records[row].id
        name = f" (id {'none' if number is UNSET else number})"
        return f"{self.source}: {self.key}[{self.positions[row]}]{name}"

    def only(self, rows: list[int]) -> None:
        self.positions = [self.positions[row] for row in rows]
        self.records = [self.records[row] for row in rows]
        self.extras = [self.extras[row] for row in rows]


def _entries(
    blocks: Blocks, kind: type[Record], known: frozenset[str], category_ids: tuple[Any, ...] = ()
) -> Iterator[_Entries[Record]]:
    """Return the entries, block by block; of annotations those of the categories, if there are."""
    mine = (UNSET, *category_ids)
    decoder = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
    first = 0
    for block in blocks.blocks():
        entries = _Entries[Record](blocks.key, blocks.source, [], [], [])
        rows = 0
        if isinstance(block, bytes):
            try:
                entries.records = decoder.decode(block)
                entries.extras = _other_fields(block, known)
                rows = len(entries.records)
                entries.positions = list(range(first, first + rows))
            except (ValueError, RecursionError, msgspec.MsgspecError):
                entries.records = []
                block = _parsed(block, blocks)
            else:
                if category_ids:
                    ids = [record.category_id for record in entries.records]
                    kept = [row for row, one in enumerate(ids) if one in mine]
                    if len(kept) < rows:
                        entries.only(kept)
        if not isinstance(block, bytes):
            rows = len(block)
            for position, row in enumerate(block, start=first):
                if not category_ids or row.get("category_id", UNSET) in mine:
                    entries.positions.append(position)
                    entries.records.append(_record(row, kind, position, blocks))
                    entries.extras.append(other_fields(row, known))
        yield entries
        first += rows
    if not first:
        yield _Entries[Record](blocks.key, blocks.source, [], [], [])


def _other_fields(block: bytes, known: frozenset[str]) -> list[dict[str, Any] | None]:
    rows = _ROWS.decode(block)
    extras = [
        row and {key: _VALUE.decode(value) for key, value in row.items()}
        for row in (other_fields(row, known) for row in rows)
    ]
    nested = sum(_keys_of(row) - len(row) for row in extras if row)
    if not _has_keys(sum(map(len, rows)) + nested, block):
        raise ValueError("a key is there twice, perhaps")
    return extras


def _has_keys(count: int, text: bytes, *, without: Sequence[msgspec.Raw] = ()) -> bool:
    """Return whether a JSON text has so many keys, but for those in parts of it.

    Where texts in it look like keys it may seem to have more.
    """
    ways = (lambda part: part.count(b'":'), lambda part: len(_KEY.findall(part)))
    return any(way(text) - sum(way(bytes(part)) for part in without) == count for way in ways)


def _keys_of(value: Any) -> int:
    """Return how many keys the objects in a parsed value have."""
    if isinstance(value, dict):
        return len(value) + sum(map(_keys_of, value.values()))
    # Long lists are of numbers, or of lists of numbers.
    first = value[0] if isinstance(value, list) and value else None
    while isinstance(first, list) and first:
        first = first[0]
    return sum(map(_keys_of, value)) if isinstance(first, dict) else 0


def _parsed(block: bytes, blocks: Blocks) -> list[dict[str, Any]]:
    try:
        rows = json.loads(block, object_pairs_hook=one_value_a_key)
    except (ValueError, RecursionError) as error:  # a key twice, a number of thousands of digits
        raise InputError(f"{blocks.source}: not usable JSON: {error}") from None
    return objects({blocks.key: rows}, blocks.key, blocks.source)


def _record(row: dict[str, Any], kind: type[Record], position: int, blocks: Blocks) -> Record:
    known = {name: row[name] for name in kind.__struct_fields__ if name in row}
    if known.get("bbox") == []:
        known["bbox"] = None
    try:
        return msgspec.convert(known, kind)
    except (msgspec.ValidationError, UnicodeError):  # half a surrogate pair is no text
        number = f" (id {shown(row['id'])})" if "id" in row else ""
        where = f"{blocks.source}: {blocks.key}[{position}]{number}"
        raise InputError(f"{where}: {wrong_field(known, kind)} ({FIX})") from None


def _keypoints(entries: _Entries[CocoPerson], keypoint_set: KeypointSet) -> np.ndarray:
    """Return keypoints (people, joints, 3) float32; who has none has all visibilities 0."""
    count = 3 * len(keypoint_set)
    nothing = [0.0] * count
    rows = [record.keypoints or nothing for record in entries.records]
    for row, values in enumerate(rows):
        if len(values) != count:
            raise InputError(
                f"{entries.where(row)}: 'keypoints' of {keypoint_set.name} has {len(values)} "
                f"numbers instead of {count} (wepdtof-pose validate says what joints these may be)"
            )
    keypoints = np.array(rows, dtype=np.float32).reshape(-1, len(keypoint_set), 3)
    wrong = ~np.isin(keypoints[..., 2], (0, 1, 2)).all(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        first = next(v for v in keypoints[row, :, 2] if v not in (0, 1, 2))
        raise InputError(
            f"{entries.where(row)}: visibilities are not all 0, 1 or 2: one is {first:.6g} ({FIX})"
        )
    return keypoints


def _boxes(entries: _Entries[CocoPerson], keypoints: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Return boxes (people, 4) float64, and the rows of those made of the labelled joints' extent.

    They are where the file gives none, or four zeros, as tools write them for joints alone.
    """
    nothing = [math.nan] * 4
    rows = [nothing if record.bbox is None else record.bbox for record in entries.records]
    boxes = np.array(rows, dtype=np.float64).reshape(-1, 4)
    absent, labelled = np.isnan(boxes[:, 0]), (keypoints[..., 2] > 0).any(axis=1)
    if (absent & ~labelled).any():
        raise InputError(
            f"{entries.where(int(np.argmax(absent & ~labelled)))}: 'bbox' is missing, and no joint "
            "is labelled to make one of"
        )
    made = np.flatnonzero(absent | (~boxes.any(axis=1) & labelled))
    boxes[made] = joint_extents(keypoints[made])
    return boxes, made.tolist()


def _frames(entries: _Entries[CocoImage]) -> pd.DataFrame:
    images = entries.records
    for row, image in enumerate(images):
        require_file_name(image.file_name, entries.where(row))
        _require_printable(image.id, entries, row, "id")
        _require_printable(image.scene, entries, row, "scene")
    return make_frames(
        id=id_column([image.id for image in images]),
        file_name=pd.Series([image.file_name for image in images], dtype=object),
        width=[image.width for image in images],
        height=[image.height for image in images],
        scene=[image.scene for image in images],
        extra=entries.extras,
    )


def _people(
    entries: _Entries[CocoPerson], boxes: np.ndarray, first: int, *, made: list[int]
) -> pd.DataFrame:
    people = entries.records
    areas = np.array([math.nan if p.area is None else p.area for p in people], dtype=np.float64)
    # Who writes no box writes an area of 0.
    areas[[row for row in made if areas[row] == 0]] = np.nan
    for row, person in enumerate(people):
        _require_printable(person.id, entries, row, "id")
        _require_printable(person.image_id, entries, row, "image_id")
    nothing = [math.nan] * 5
    rotated = np.array([person.rotated_box or nothing for person in people], dtype=np.float64)
    ids = [n if p.id is UNSET else p.id for n, p in enumerate(people, start=first + 1)]
    return make_people(
        id=id_column(ids),
        frame_id=id_column([p.image_id for p in people]),
        boxes=boxes,
        area=areas,
        area_from_box=np.array([bool(p.area_from_box) for p in people], dtype=bool),
        iscrowd=[int(p.iscrowd or 0) for p in people],
        track_id=[pd.NA if p.track_id is None else int(p.track_id) for p in people],
        rotated=rotated.reshape(-1, 5),
        extra=entries.extras,
    )


def _require_printable(value: Any, entries: _Entries[Any], row: int, name: str) -> None:
    if isinstance(value, str) and not value.isprintable():
        raise InputError(
            f"{entries.where(row)}: {name!r} is {shown(value)}; expected a text of printable "
            "characters"
        )


class _OfCategory(msgspec.Struct, gc=False):
    category_id: int | str | float | UnsetType | None = UNSET


class _Parts:
    """A table put together from parts, into memory that is taken once.

    Columns of many parts that are joined at the end take twice the memory, and leave holes.
    """

    def __init__(self, rows: int) -> None:
        self.count = 0
        self._rows = rows
        self._columns: dict[Any, Any] = {}

    def add(self, part: pd.DataFrame) -> None:
        place = slice(self.count, self.count + len(part))
        self.count += len(part)
        for name, values in part.items():
            if name not in self._columns:
                self._columns[name] = self._empty(values.dtype)
            column = self._columns[name]
            if column.dtype != values.dtype and len(part):
                # Ids: whole numbers, larger ones and texts have no type in common but this.
                column = self._columns[name] = column.astype(object, copy=False)
                values = values.astype(object)
            column[place] = values.array

    def table(self) -> pd.DataFrame:
        """Return all parts, with the types that the columns would have had at once."""
        columns = {
            name: pd.Series(values[: self.count], dtype=values.dtype, copy=False)
            for name, values in self._columns.items()
        }
        for name in columns.keys() & {"id", "frame_id"}:
            if columns[name].dtype == object:
                columns[name] = id_column(columns[name])
        return pd.DataFrame(columns, copy=False)

    def _empty(self, dtype: Any) -> Any:
        if isinstance(dtype, pd.Int64Dtype):
            blank = np.zeros(self._rows, np.int64), np.ones(self._rows, bool)
            return pd.arrays.IntegerArray(*blank)
        return np.empty(self._rows, dtype if isinstance(dtype, np.dtype) else object)


_KEY = re.compile(rb'"\s*:')
_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_ROWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_VALUE = msgspec.json.Decoder()
_OF_CATEGORY = msgspec.json.Decoder(list[_OfCategory])
