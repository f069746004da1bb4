"""Typed records of COCO keypoint files: what each field may hold is stated here, once.

The types are checked while a file is decoded; `formats.fields.wrong_field` says in words what they
refuse, with the descriptions given here.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, ValidationError, convert

from wepdtof_pose.errors import InputError

T = TypeVar("T")

LARGEST = 3.4e38
"""The float32 limit: a larger number could not be kept."""

OTHER_FORM = (ValidationError, OverflowError, UnicodeError)
"""What msgspec.convert raises for another form: UnicodeError for half a surrogate pair."""

_EXACT = 2**53
_IS_ID = Meta(description="a whole number or a text")
_IS_SIZE = Meta(gt=0, lt=2**31, description="a positive whole number of pixels")
_IS_NUMBER = Meta(description="a finite number")
_IS_WHOLE = Meta(description="a whole number")
_IS_BOX = Meta(description="a list of 4 finite numbers: x, y, width, height")
_IS_ROTATED_BOX = Meta(description="a list of 5 finite numbers: cx, cy, w, h, angle in degrees")
_ARE_KEYPOINTS = Meta(description="a list of finite numbers: x, y, visibility of each joint")

Number: TypeAlias = Annotated[float, Meta(gt=-LARGEST, lt=LARGEST)]
# Tables of other programs write whole numbers as 4.0.
Whole: TypeAlias = (
    Annotated[int, Meta(gt=-_EXACT, lt=_EXACT)]
    | Annotated[float, Meta(gt=-float(_EXACT), lt=float(_EXACT), multiple_of=1)]
)


class CocoImage(Struct, gc=False):
    """An image of a COCO file; `scene` is a field of our own."""

    id: Annotated[int | str, _IS_ID]
    file_name: Annotated[str, Meta(description="a usable file name")]
    width: Annotated[int, _IS_SIZE]
    height: Annotated[int, _IS_SIZE]
    scene: Annotated[int | str | None, _IS_ID] = None


class CocoPerson(Struct, gc=False):
    """An annotation of a COCO file; a track, a rotated box and `area_from_box` are our own.

    PoseTrack writes true and false for `iscrowd`. An empty list of joints, or of the numbers of a
    box, is none.
    """

    image_id: Annotated[int | str, _IS_ID]
    id: Annotated[int | str | UnsetType, _IS_ID] = UNSET
    category_id: Annotated[int | str | float | UnsetType | None, _IS_ID] = UNSET
    bbox: Annotated[
        Annotated[list[Number], Meta(min_length=4, max_length=4)] | None,
        _IS_BOX,
    ] = None
    area: Annotated[Number | None, _IS_NUMBER] = None
    area_from_box: bool | int | None = None
    iscrowd: Annotated[bool | Whole | None, _IS_WHOLE] = None
    keypoints: Annotated[list[Number] | None, _ARE_KEYPOINTS] = None
    track_id: Annotated[Whole | None, _IS_WHOLE] = None
    rotated_box: Annotated[
        Annotated[list[Number], Meta(min_length=5, max_length=5)] | None,
        _IS_ROTATED_BOX,
    ] = None


def converted(content: Any, kind: type[T], *, source: str, what: str) -> T:
    """Return the content of a file as a record.

    Args:
        content: parsed JSON.
        kind: type of the record.
        source: names the file in errors.
        what: describes the expected content in errors.

    Raises:
        InputError: the content has another form; the message names the entry.
    """
    try:
        return convert(content, kind)
    except OTHER_FORM as error:
        raise InputError(f"{source}: is not {what}: {error}") from None
