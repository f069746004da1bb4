"""Pictures on disk: where those of a data set lie, their size, decoding and writing.

A picture is what a viewer shows: an EXIF orientation is applied, and sizes are those afterwards.
Labelling tools mark people on the picture as shown, and so do the coordinates of a data set.
"""

from __future__ import annotations

import functools
import io
import os
import re
import stat
import unicodedata
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import IO, TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from wepdtof_pose.errors import InputError
from wepdtof_pose.file_kinds import kind_of_no_picture, text_path
from wepdtof_pose.files import replacing, require_inside

if TYPE_CHECKING:
    import numpy as np

    from wepdtof_pose.dataset import PoseDataset

MOST_PIXELS = 178_956_970
"""Pixels of the largest picture that is decoded, Pillow's own limit: 0.5 GB of memory."""
_DEEP = frozenset({"PNG", "TIFF", "PPM", "JPEG2000"})
"""Formats that keep 10 or 12 bits in 16 and do not say so."""
_DECODED = _DEEP | {"JPEG", "MPO", "WEBP", "BMP", "GIF", "AVIF"}
"""Formats that are decoded; Pillow knows the headers of more."""
_BITS = (8, 10, 12, 14, 16)
_BITS_PER_SAMPLE, _EXTRA_SAMPLES, _UNASSOCIATED_ALPHA = 258, 338, 2
"""Fields of a TIFF, and what the second says of colours that are not multiplied with alpha."""


class ImageHeader(NamedTuple):
    """What a picture file says before any pixel is decoded.

    Attributes:
        format: Pillow's name of the format.
        size: width and height in pixels as shown, the orientation applied.
        orientation: of EXIF, 1 (as stored) to 8.
    """

    format: str
    size: tuple[int, int]
    orientation: int


def image_file(root: Path, name: str) -> Path:
    """Return where the image `name` of a data set lies, below the folder `root`.

    Raises:
        InputError: the name leads out of the folder, or see `require_own_file`.
    """
    require_inside([name], root)
    require_own_file(root / name, root)
    return root / name


def require_own_file(path: Path, root: Path, *, kind: str = "an image") -> None:
    """Refuse what is a link out of its data set, or no file at all (a pipe, a device).

    A link may lead to another place of the data set: below `root`, or beside `root` where that is
    the folder `images` of a data set or lies in one. That folder may be a link itself, whichever of
    the two `root` is. A missing file is left to whoever opens it.

    Args:
        path: an image, or a file of labels that a reader came upon.
        root: the folder of the images or labels.
        kind: what the file should be, in errors.
    """
    real = os.path.realpath(path)
    own = [_data_folder(Path(os.path.realpath(root)))]
    if path.is_relative_to(root / "images"):
        own.append(Path(os.path.realpath(root / "images")))
    if not any(Path(real).is_relative_to(folder) for folder in own):
        raise InputError(
            f"{path}: is a link out of the data set, to {real}: put the file itself there "
            "(cp -rL copies a folder with all that its links name)"
        )
    _require_file(path, kind)


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height in pixels of a picture as shown, its EXIF orientation applied.

    Raises:
        InputError: it is missing, unreadable, or no image.
    """
    header = image_header(image_bytes(path, head=_HEAD), str(path)) if path.is_file() else None
    if header is None:
        height, width = read_image(path).shape[:2]
        return width, height
    return header.size


def header_of(path: Path) -> ImageHeader | None:
    """Return the header of a picture file; None where it cannot be read, or is of another kind."""
    for head in (_SHORT_HEAD, _HEAD):
        try:
            header = image_header(image_bytes(path, head=head), str(path))
        except InputError:
            return None
        if header is not None:
            return header
    return None


def other_size(path: Path, size: tuple[int, int], *, slack: int = 0) -> str:
    """Return what to say of a picture whose header has another size; "" where it has not.

    `slack` is by how many pixels a side may differ.
    """
    header = header_of(path)
    if header is None or all(abs(a - b) <= slack for a, b in zip(header.size, size, strict=True)):
        return ""
    return _other_size(str(path), header, size)


def image_header(content: bytes, source: str) -> ImageHeader | None:
    """Return the header of a picture; None where Pillow does not know the format.

    Args:
        content: the file, or its beginning.
        source: names it in errors.

    Raises:
        InputError: it states more than MOST_PIXELS.
    """
    Image = _pillow()
    try:
        with Image.open(io.BytesIO(content)) as image:
            kind, (width, height) = str(image.format), image.size
            orientation = image.getexif().get(0x0112)
    except Image.DecompressionBombError:
        raise InputError(f"{source}: {_TOO_LARGE}") from None
    except Exception:  # of many types, for files that are damaged or of another kind
        return None
    if width * height > MOST_PIXELS:
        raise InputError(f"{source}: {_TOO_LARGE}")
    turn = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    # Pillow and OpenCV both turn TIFF themselves.
    if turn >= 5 and kind != "TIFF":
        width, height = height, width
    return ImageHeader(kind, (width, height), turn)


def read_image(path: Path, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return an image (height, width, 3) uint8, BGR, as shown: its EXIF orientation is applied.

    One that has not this `size` (width, height), if it is given, is refused and not decoded.

    Args:
        path: the file.
        size: width and height that it must have, where known: others are not decoded.

    Raises:
        InputError: it is missing, unreadable, empty, no image, of another size, or too large.
    """
    return decode_image(image_bytes(path), str(path), size=size)


def decode_image(content: bytes, source: str, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return the image (height, width, 3) uint8, BGR, of the bytes of a file; see `read_image`.

    Of more than 8 bits a channel the upper 8 that the picture uses are kept: 12 bits in 16 would
    else be black. Colours are those that are stored, also where the picture is transparent: every
    viewer shows another background there. `source` names the file in errors.
    """
    import cv2
    import numpy as np

    if not content:
        raise InputError(f"{source}: the file is empty")
    header = image_header(content, source)
    if size is not None and header is not None and header.size != size:
        raise InputError(_other_size(source, header, size))
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    if header is not None and header.format in _DEEP:
        flags |= cv2.IMREAD_ANYDEPTH
    tiff = header is not None and header.format == "TIFF"
    try:
        image = _colours_beside_alpha(io.BytesIO(content)) if tiff else None
        if image is None:
            image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(f"{source}: its pixels do not fit into memory") from None
        what = kind_of_no_picture(content, films=True)
        raise InputError(
            f"{source}: is not a readable image: {f'it is {what}' if what else error.err}"
        ) from None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        what = kind_of_no_picture(content, films=True)
        what = what if whole_image(content) else "cut short or damaged"
        if not what and header is not None and header.format not in _DECODED:
            what = f"{header.format}, which is not read: convert it to JPEG or PNG"
        raise InputError(f"{source}: is not a readable image{f': it is {what}' if what else ''}")
    image = upper_bits(image)
    if header is not None and not tiff:
        image = turned(image, header.orientation)
    found = (image.shape[1], image.shape[0])
    if size is not None and found != size:
        raise InputError(_other_size(source, ImageHeader("", found, 1), size))
    return image


def read_pages(path: Path, count: int) -> Iterator[np.ndarray | None]:
    """Yield the first `count` pages of an image file, None for one that cannot be decoded.

    Each is as `decode_image` returns it, but the upper 8 bits are those of all pages together, so
    that frames of a film keep their brightness.
    """
    import numpy as np

    largest = None
    for number in range(count):
        page = _page(path, number)
        if page is not None and page.dtype == np.uint16:
            if largest is None:
                pages = (_page(path, other) for other in range(number, count))
                largest = max(int(other.max()) for other in pages if other is not None)
            page = upper_bits(page, largest)
        yield page


def _page(path: Path, number: int) -> np.ndarray | None:
    import cv2
    import numpy as np

    with path.open("rb") as stream:  # of a path Pillow maps pixels, and does not turn them
        image = _colours_beside_alpha(stream, number)
    if image is not None:
        return image
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    decoded, images = cv2.imreadmulti(text_path(path), number, 1, flags=flags)
    usable = decoded and images and images[0].dtype in (np.uint8, np.uint16)
    return np.asarray(images[0]) if usable else None


def _colours_beside_alpha(file: IO[bytes], page: int = 0) -> np.ndarray | None:
    """Return the colours, BGR, of a TIFF with an alpha channel of 8 bits; None of other pictures.

    OpenCV reads these colours multiplied with alpha: black where the picture is transparent.
    """
    import numpy as np

    Image = _pillow()
    try:
        with Image.open(file, formats=["TIFF"]) as image:
            image.seek(page)
            own = image.tag_v2.get(_BITS_PER_SAMPLE), image.tag_v2.get(_EXTRA_SAMPLES)
            if image.mode != "RGBA" or own != ((8,) * 4, (_UNASSOCIATED_ALPHA,)):
                return None
            return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])
    except Exception:  # of many types: OpenCV has the last word
        return None


def upper_bits(image: np.ndarray, largest: int | None = None) -> np.ndarray:
    """Return the upper 8 bits that an image uses of 16, as uint8; one of 8 bits as it is.

    `largest` is the largest value where it is not that of this image alone.
    """
    import numpy as np

    if image.dtype == np.uint8:
        return image
    used = int(image.max() if largest is None else largest).bit_length()
    unused = next(bits for bits in _BITS if bits >= used) - 8
    return np.right_shift(image, unused).astype(np.uint8)


def turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """Return an image (height, width, channels) as an EXIF orientation of 1 to 8 wants it shown."""
    import numpy as np

    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def frame_image(dataset: PoseDataset, row: int) -> np.ndarray:
    """Return the image of frame `row` of a data set; see `image_file` and `read_image`.

    Raises:
        InputError: for what they do, and where it has another size than the data set says.
    """
    frame = dataset.frames.iloc[row]
    path = image_file(dataset.root, frame["file_name"])
    return read_image(path, size=(int(frame["width"]), int(frame["height"])))


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image (height, width, 3) uint8, BGR, in the format of the path's suffix.

    Raises InputError if it does not fit the format, or cannot be written.
    """
    import cv2

    encoded, content = cv2.imencode(path.suffix, image)
    if not encoded:
        raise InputError(f"{path}: the image cannot be encoded as {path.suffix!r}")
    with replacing(path) as temporary:
        temporary.write_bytes(content.tobytes())


def whole_image(content: bytes) -> bool:
    """Whether the bytes of a JPEG or PNG file reach its end; other formats are not looked into.

    Decoders fill in what is missing without a word.
    """
    if content.startswith(b"\xff\xd8"):
        # An end mark belongs to the picture only after the last start of a scan: previews have one.
        return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        at = 8
        while at + 12 <= len(content):
            end = at + 12 + int.from_bytes(content[at : at + 4], "big")
            if end > len(content):
                return False
            if zlib.crc32(content[at + 4 : end - 4]) != int.from_bytes(
                content[end - 4 : end], "big"
            ):
                return False
            if content[at + 4 : at + 8] == b"IEND":
                return True
            at = end
        return False
    return True


def frame_order(name: str) -> list[tuple[int, int, str]]:
    """Return a key by which frame 9 comes before frame 10.

    >>> sorted(["frame_10.jpg", "frame_9.jpg"], key=frame_order)
    ['frame_9.jpg', 'frame_10.jpg']
    """
    parts = re.findall(r"([0-9]+)|([^0-9]+)", name)
    key = [(0, int(digits), "") if digits else (1, 0, text) for digits, text in parts]
    return [*key, (2, 0, name)]


def image_bytes(path: Path, *, head: int = -1) -> bytes:
    """Return the bytes of an image file, or the first `head` of them.

    Raises:
        InputError: it is missing, unreadable, or no file.
    """
    try:
        _require_file(path)
        with path.open("rb") as stream:
            return stream.read(head)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(missing_image(path)) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def require_whole(path: Path) -> None:
    """Refuse a JPEG or PNG file that is cut short; of one that is whole the end alone is read.

    Raises:
        InputError: it is, or cannot be read.
    """
    _require_file(path)
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _SHORT_HEAD))
            end = stream.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    # The mark that ends a JPEG, or a PNG, is in none of its parts that are this large.
    if b"\xff\xd9" not in end and b"IEND" not in end and not whole_image(image_bytes(path)):
        raise InputError(f"{path}: is cut short or damaged")


def plain_name(name: str) -> str:
    r"""Return a file's name with slashes of one kind, without steps that lead nowhere.

    >>> plain_name("./a//b.jpg"), plain_name("a\\b.jpg")
    ('a/b.jpg', 'a/b.jpg')
    """
    return str(PurePosixPath(name.replace("\\", "/")))


def spelling(name: str) -> str:
    """Return what names have in common that differ in case, in spaces at their ends, or in accents.

    A Mac stores an accent apart from its letter.

    >>> spelling("Cafe\u0301.JPG") == spelling("caf\u00e9.jpg ")
    True
    """
    return unicodedata.normalize("NFC", name).casefold().strip()


def spelled_alike(there: str, name: str) -> bool:
    """Return whether a file's name is this one in another spelling, or with %20 for a space."""
    return spelling(there) in (spelling(name), spelling(unquote(name)))


def missing_image(path: Path) -> str:
    """Return the message that an image is not there, and which one of another spelling is."""
    other = Path(str(path).replace("\\", "/"))
    text = f"{path}: no such image"
    blocked = next((parent for parent in path.parents if parent.is_file()), None)
    if blocked is not None:
        return f"{text}: {blocked} is a file, not a folder (a link that was copied as text?)"
    if other != path and other.is_file():
        return f"{text}, but {other} is there: write / in 'file_name', or convert"
    alike = other_spelling(path)
    if alike is None:
        return text
    return (
        f"{text}, but {alike.name!a} is there, spelled in another way: rename it, or give "
        "wepdtof-pose convert --images DIR the folder of all images"
    )


def other_spelling(path: Path) -> Path | None:
    """Return the only file beside a place whose name is its own in another spelling, or None."""
    for name in (path.name, unquote(path.name)):
        alike = _spellings(path.parent).get(spelling(name), [])
        alike = [other for other in alike if (path.parent / other).is_file()]
        if len(alike) == 1:
            return path.parent / alike[0]
    return None


def _spellings(folder: Path) -> dict[str, list[str]]:
    """Return the names of a folder by their spelling; of a folder that did not change, once."""
    try:
        return _spellings_at(folder, folder.stat().st_mtime_ns)
    except OSError:
        return {}


@functools.lru_cache(maxsize=4)
def _spellings_at(folder: Path, _: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in folder.iterdir():
        found.setdefault(spelling(path.name), []).append(path.name)
    return found


@functools.cache
def _pillow() -> ModuleType:
    """Pillow, which warns of what is refused here."""
    from PIL import Image

    warnings.filterwarnings("ignore", module=r"PIL\.")
    return Image


def _require_file(path: Path, kind: str = "an image") -> None:
    """Refuse what is no file before it is opened: reading a pipe may never end."""
    try:
        mode = path.stat().st_mode
    except OSError:  # whoever opens it says why
        return
    if not stat.S_ISREG(mode):
        found = next((name for test, name in _KINDS if test(mode)), "a device")
        raise InputError(f"{path}: is {found}, not {kind} file: remove it or name another")


def _data_folder(root: Path) -> Path:
    """Return the folder above `images`, where `root` is or lies in one; else `root`."""
    own = next((path for path in (root, root.parent) if path.name == "images"), None)
    return root if own is None else own.parent


def _other_size(source: str, header: ImageHeader, size: tuple[int, int]) -> str:
    text = "{}: has {} x {} pixels, but its data set says {} x {}".format(
        source, *header.size, *size
    )
    if header.orientation >= 5 and header.size == size[::-1]:
        text += f" (that is without its EXIF orientation {header.orientation})"
    return f"{text}: one of them is wrong (wepdtof-pose validate --images lists all such images)"


_SHORT_HEAD, _HEAD = 1 << 16, 1 << 20
_TOO_LARGE = f"states more than {MOST_PIXELS:,} pixels, and such images are not decoded"
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)
