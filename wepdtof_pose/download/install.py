"""Put a source into a folder of the root: fetched or given, unpacked, checked, then moved there."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from wepdtof_pose.download.archives import BadArchive, unpack
from wepdtof_pose.download.fetch import OTHER_ROOT, SPARE, begun, fetch, mark
from wepdtof_pose.download.sources import RemoteFile, Source, name_of_url, require_http
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import file_sha256, make_folder, read_json, require_room, write_json
from wepdtof_pose.formats.datasets import wepdtof, wepdtof_pose
from wepdtof_pose.locks import LockedError, exclusive
from wepdtof_pose.records import converted

START_TODAY = "To start today with nothing downloaded: wepdtof-pose synth fisheye --people 2000"
HASHES = "downloads.json"
"""File in the root: size and SHA-256 of every archive, as first seen."""
SEQUENCES = (
    *("call_center", "convenience_store", "empty_store", "exhibition", "exhibition_setup"),
    *("it_office", "jewelry_store", "jewelry_store_2", "kindergarten", "large_office"),
    *("large_office_2", "printing_store", "repair_store", "street_grocery", "tech_store"),
    "warehouse",
)
"""The 16 sequences of WEPDTOF."""
_READERS = {"wepdtof": wepdtof.read, "wepdtof-pose": wepdtof_pose.read}

_DOWNLOADS = "downloads"
_STAGING = ".unpacking."
_LAYOUT = frozenset({"annotations", "frames", "images", "ROI_maps"})
"""Folders that a data set consists of: a lone one on top is not stripped."""


class _Archive(NamedTuple):
    """An archive on disk; `key` names it in the record of hashes; a fetched one may be removed."""

    path: Path
    key: str
    sha256: str
    is_fetched: bool = False


class _Seen(msgspec.Struct):
    sha256: str
    size: int


def download(
    source: Source,
    root: Path,
    *,
    archives: Sequence[Path] = (),
    url: str | None = None,
    sha256: str | None = None,
    only: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Path:
    """Put the data set of a source into the root and return its folder.

    What is there already stays untouched. Killed at any moment and run again, it goes on and ends
    with the same bytes.

    Args:
        source: what to download.
        root: folder for all sources; the hashes first seen are recorded there.
        archives: files at hand, used instead of a download and left as they are.
        url: a direct link to the one archive of a source that cannot be fetched.
        sha256: of that one archive.
        only: names of the files wanted from a source that can be fetched; by default all that are
            not optional.
        say: called with a line for every step.

    Raises:
        InputError: nothing can be fetched, or what came is damaged, unsafe or another data set.
    """
    given = len(archives) + (url is not None)
    if sha256 is not None and given != 1:
        raise InputError("--sha256 belongs to one archive: give one --archive or --url with it")
    if url is not None and archives:
        raise InputError("give either --archive or --url")
    if not source.files and not given:
        raise InputError(
            f"{source.name} cannot be fetched without a person: follow the steps, then come back "
            f"with --archive FILE or --url URL. {START_TODAY}"
        )
    if source.files and url is not None:
        raise InputError(f"{source.name} has its own URLs: leave --url away")
    if not source.files and only:
        raise InputError(f"{source.name} has no files to choose from: leave --only away")
    with _alone(root):
        into = _Root(root, source, sha256, say)
        if source.files:
            into.install_files(archives, only)
        else:
            into.install_given(archives, url)
        for folder in (into.downloads, into.downloads.parent):
            with suppress(OSError):  # not empty: a part of another file
                folder.rmdir()
    return root / source.folder


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the root for this process alone; remove what a killed one was unpacking there."""
    make_folder(root)
    try:
        with exclusive(root / _DOWNLOADS, patience=1):
            for left in root.glob(f"{_STAGING}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield
    except LockedError:
        raise InputError(
            f"{root}: another download into this folder is running: wait for it, or give another "
            "folder with --root"
        ) from None


@dataclass(frozen=True)
class _Root:
    """A root into which a source is installed; attributes as the arguments of `download`."""

    root: Path
    source: Source
    sha256: str | None
    say: Callable[[str], None]

    @property
    def downloads(self) -> Path:
        return self.root / _DOWNLOADS / self.source.name

    def install_given(self, paths: Sequence[Path], url: str | None) -> None:
        """Install a source that a person brings: one archive or several, or a link to one."""
        target = self.root / self.source.folder
        names = [path.name for path in paths] if url is None else [name_of_url(require_http(url))]
        if len(set(names)) != len(names):
            raise InputError("two archives have the same name: rename one")
        archives = [self._given(path, self.sha256) for path in paths]
        # What was left of another URL may have the same name, as "download?id=1" and "?id=2" do.
        fetched = self.downloads / f"{mark(url or '')[:12]}_{names[0]}"
        if target.exists():
            if not self._seen().keys() >= {self._key(name) for name in names}:
                raise InputError(
                    f"{target}: exists, and comes from another archive: move it away, or give "
                    "another folder with --root"
                )
            fetched.unlink(missing_ok=True)
            self.say(f"{target}: there already")
            return
        if url is not None:
            archives = [self._fetched(url, fetched, names[0], sha256=self.sha256)]

        def whole(folders: list[Path]) -> Path:
            folder = _put_together(folders)
            try:
                for note in _check_content(self.source.check, folder):
                    self.say(f"  {note}")
            except InputError as error:
                said = str(error).replace(f"{folder}/", "")
                raise BadArchive(f"{', '.join(names)}: {said}") from None
            return folder

        self._install(archives, target, whole)

    def install_files(self, paths: Sequence[Path], only: Sequence[str]) -> None:
        """Install the files of a source that anybody may fetch, each with its own folder."""
        names = [file.name for file in self.source.files]
        at_hand = {path.name: path for path in paths}
        wanted = [*at_hand, *(name if name in names else f"{name}.zip" for name in only)]
        if unknown := [name for name in wanted if name not in names]:
            raise InputError(
                f"{self.source.name} has no file {unknown[0]!r}, only {', '.join(names)}"
            )
        for file in self.source.files:
            if file.name not in wanted if wanted else file.optional:
                continue
            target = self.root / self.source.folder / file.target
            fetched = self.downloads / file.name
            if target.exists():
                fetched.unlink(missing_ok=True)
                self.say(f"{target}: there already")
                continue
            if file.name in at_hand:
                archive = self._given(at_hand[file.name], self.sha256 or file.sha256)
            else:
                if file.size is not None and not fetched.exists():
                    # Photographs do not shrink in a zip: unpacked it is about as large again.
                    needed = 2 * file.size - begun(fetched)
                    what = f"{file.name}, packed and unpacked"
                    require_room(self.root, needed, what=what, advice=OTHER_ROOT, spare=SPARE)
                archive = self._fetched(file.url, fetched, file.name, file.sha256, file.size)
            self._install([archive], target, partial(_wanted, file))

    def _given(self, path: Path, expected: str | None) -> _Archive:
        if not path.is_file():
            raise InputError(f"{path}: is no file" if path.exists() else f"{path}: no such file")
        try:
            digest = file_sha256(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        if expected not in (None, digest):
            raise InputError(
                f"{path}: has SHA-256 {digest}, expected {expected}: damaged or another"
            )
        return _Archive(path, self._key(path.name), self._as_seen(path.name, digest) or digest)

    def _fetched(
        self, url: str, path: Path, name: str, sha256: str | None, size: int | None = None
    ) -> _Archive:
        key, sha256 = self._key(name), self._as_seen(name, sha256)
        self.say(f"{key}: fetching")
        try:
            digest = fetch(url, path, size=size, sha256=sha256)
        except InputError as error:
            raise InputError(
                f"{error}. Run the same command to go on, or bring the file from elsewhere and "
                f"give --archive FILE. {START_TODAY}"
            ) from None
        return _Archive(path, key, digest, is_fetched=True)

    def _install(
        self, archives: Sequence[_Archive], target: Path, whole: Callable[[list[Path]], Path]
    ) -> None:
        """Unpack archives, record their hashes, and move the folder that `whole` makes of them.

        A fetched archive is removed when all is done or when it proved to be of no use; not if the
        disk was full, say, and the same archive will do tomorrow.
        """
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.root))
        staging.chmod(0o755)
        try:
            folders = [staging / str(number) for number in range(len(archives))]
            for archive, folder in zip(archives, folders, strict=True):
                folder.mkdir()
                files = counted(unpack(archive.path, folder), "file")
                self.say(f"{archive.key}: {files} unpacked, SHA-256 {archive.sha256}")
            found = whole(folders)
            now = {one.key: _Seen(one.sha256, one.path.stat().st_size) for one in archives}
            entries = sorted({**now, **self._seen()}.items())
            write_json(self.root / HASHES, msgspec.to_builtins(dict(entries)), indent=1)
            make_folder(target.parent)
            found.rename(target)
        except BadArchive as error:
            if not archives[0].is_fetched:
                raise
            archives[0].path.unlink()
            raise BadArchive(f"{error} (the downloaded archive was removed)") from None
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        if archives[0].is_fetched:
            archives[0].path.unlink()
        self.say(f"{target}: done")

    def _key(self, name: str) -> str:
        return f"{self.source.name}/{name}"

    def _seen(self) -> dict[str, _Seen]:
        """Return the record of archives by `source/name`."""
        path = self.root / HASHES
        if not path.exists():
            return {}
        what = "a record of downloads (remove it)"
        return converted(read_json(path), dict[str, _Seen], source=str(path), what=what)

    def _as_seen(self, name: str, sha256: str | None) -> str | None:
        """Return the hash that an archive has, or had when first seen; refuse another one."""
        key = self._key(name)
        seen = self._seen().get(key)
        if seen is None:
            return sha256
        if sha256 not in (None, seen.sha256):
            raise InputError(
                f"{key}: its SHA-256 is {sha256}, but it was {seen.sha256} when first seen: it is "
                f"not the same file. If the change is right, remove the entry from "
                f"{self.root / HASHES}"
            )
        return seen.sha256


def _wanted(file: RemoteFile, folders: list[Path]) -> Path:
    """Return the folder wanted of an unpacked archive."""
    [folder] = folders
    if not (folder / file.inner).is_dir():
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:5])
        raise BadArchive(f"{file.name}: has no folder {file.inner}/ (found: {found})")
    return folder / file.inner


def _put_together(folders: list[Path]) -> Path:
    """Return one folder with the files of all, each without the lone folders that only wrap it.

    Of several archives one may hold nothing but images, as `train2017.zip` does. Its folder stays
    if the annotations name the images with it.
    """
    layers = [_layers(folder) for folder in folders]
    chosen = [layer[-1] for layer in layers]
    if len(folders) > 1:
        named = frozenset().union(*map(_image_names, folders))
        for row, folder in enumerate(chosen):
            if not _has_annotations(folder):
                # The innermost layer, unless an outer one has more of the names.
                chosen[row] = max(
                    reversed(layers[row]), key=lambda layer: len(named & _names(layer))
                )
    whole = chosen[0]
    for folder in chosen[1:]:
        for name in sorted(_names(folder)):
            if (whole / name).exists():
                raise BadArchive(f"two archives hold {name}")
            make_folder((whole / name).parent)
            (folder / name).rename(whole / name)
    return whole


def _layers(folder: Path) -> list[Path]:
    """Return the folder, the lone folder in it, the lone one in that, and so on."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir() and inside[0].name not in _LAYOUT:
        return [folder, *_layers(inside[0])]
    return [folder]


def _has_annotations(folder: Path) -> bool:
    return any(folder.rglob("*.json")) or any((folder / name).is_dir() for name in _LAYOUT)


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _check_content(kind: str | None, folder: Path) -> list[str]:
    """Return what the folder holds, one line each, if it is the data set of that kind.

    Single missing images are reported, not refused.
    """
    if kind is None:
        return []
    annotations = sorted(folder.rglob("annotations"), key=lambda path: len(path.parts))
    reading = _READERS[kind](annotations[0].parent if annotations else folder)
    notes = []
    for split, dataset in reading.datasets.items():
        frames = dataset.frames
        lacking = sorted({*SEQUENCES} - {*frames["scene"]}) if kind == "wepdtof" else []
        if lacking:
            raise InputError(f"is not all of WEPDTOF: annotations/ lacks {', '.join(lacking)}")
        parts = list(frames["scene"]) if kind == "wepdtof" else [split] * len(frames)
        places = [dataset.root / name for name in frames["file_name"]]
        found = [reading.renamed.get(place, place).is_file() for place in places]
        having = set(itertools.compress(parts, found))
        if bare := [part for part in parts if part not in having]:
            raise InputError(
                f"none of the images of {bare[0]} is there: give the archives with the frames, too "
                "(--archive FILE --archive FILE)"
            )
        people = counted(len(dataset.people), "person", "people")
        notes.append(f"{split}: {people} on {counted(len(frames), 'frame')}")
        if not all(found):
            notes.append(f"{split}: {found.count(False)} of {len(frames)} images are missing")
    return notes


def _image_names(folder: Path) -> frozenset[str]:
    """Return the image names in all annotation files below a folder, with "/" as separator."""
    names: set[str] = set()
    for file in folder.rglob("*.json"):
        with suppress(InputError, AttributeError, KeyError, TypeError):  # another kind of file
            content = read_json(file, encodings=("utf-8-sig", "gb18030"))
            names.update(image["file_name"].replace("\\", "/") for image in content["images"])
    return frozenset(names)
