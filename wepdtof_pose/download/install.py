"""From a source to a folder of the root: fetched or given, unpacked, checked, then put in place."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from wepdtof_pose.download.archives import BadArchive, unpack
from wepdtof_pose.download.checks import check_content, image_names, images_below
from wepdtof_pose.download.disk import (
    record_hash,
    require_seen_hash,
    require_space,
    seen_hash,
)
from wepdtof_pose.download.fetch import USUAL_PATIENCE, Expected, Patience, fetch, mark, part_of
from wepdtof_pose.download.sources import RemoteFile, Source, name_of_url, require_http
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import file_sha256, make_folder
from wepdtof_pose.locks import LockedError, exclusive

START_TODAY = "To start today with nothing downloaded: wepdtof-pose synth fisheye --people 2000"
_DOWNLOADS = "downloads"
_STAGING = ".unpacking."
_LAYOUT = frozenset({"annotations", "frames", "images", "ROI_maps"})
"""Folders that a data set consists of: a lone one on top is not taken away."""


def download(
    source: Source,
    root: Path,
    *,
    archives: Sequence[Path] = (),
    url: str | None = None,
    sha256: str | None = None,
    only: Sequence[str] = (),
    patience: Patience = USUAL_PATIENCE,
    say: Callable[[str], None] = print,
) -> Path:
    """Put the data set of a source into the root and return its folder.

    What is there already stays untouched. Killed at any moment and run again, it goes on, and ends
    with the same bytes.

    Args:
        source: what to download.
        root: folder for all sources; the hashes first seen are written there.
        archives: files at hand, used instead of a download (their originals are left alone).
        url: a direct link to the one archive of a source that cannot be fetched.
        sha256: of that one archive.
        only: names of the files wanted, of a source that can be fetched; by default all that are
            not optional.
        patience: with servers.
        say: gets a line for everything done.

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
        if source.files:
            _install_files(source, root, archives, sha256, only, patience, say)
        else:
            _install_given(source, root, archives, url, sha256, patience, say)
        for folder in (root / _DOWNLOADS / source.name, root / _DOWNLOADS):
            with suppress(OSError):  # not empty: a part of another file
                folder.rmdir()
    return root / source.folder


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """The root for this process alone, without what a killed one was unpacking there."""
    make_folder(root)
    try:
        with exclusive(root / _DOWNLOADS, patience=1):
            for left in root.glob(f"{_STAGING}*"):
                _remove(left)
            yield
    except LockedError:
        raise InputError(
            f"{root}: another download into this folder is running: wait for it, or give another "
            "folder with --root"
        ) from None


def _install_given(
    source: Source,
    root: Path,
    archives: Sequence[Path],
    url: str | None,
    sha256: str | None,
    patience: Patience,
    say: Callable[[str], None],
) -> None:
    """A source that a person brings, in one archive or several, or as a link to one."""
    target = root / source.folder
    fetched = None
    names = [path.name for path in archives]
    if url is not None:
        names = [name_of_url(require_http(url))]
        # What was left of another URL may have the same name, as "download?id=1" and "?id=2" do.
        fetched = root / _DOWNLOADS / source.name / f"{mark(url)[:12]}_{names[0]}"
    if len(set(names)) != len(names):
        raise InputError("two archives have the same name: rename one")
    keys = [f"{source.name}/{name}" for name in names]
    if sha256 is not None:
        require_seen_hash(root, keys[0], sha256)
    hashes = [_given_hash(path, sha256) for path in archives]
    for key, digest in zip(keys, hashes, strict=False):
        require_seen_hash(root, key, digest)
    if target.exists():
        if any(seen_hash(root, key) is None for key in keys):
            raise InputError(
                f"{target}: exists, and comes from another archive: move it away, or give another "
                "folder with --root"
            )
        if fetched is not None:
            fetched.unlink(missing_ok=True)
        say(f"{target}: there already")
        return
    files = list(archives)
    if url is not None and fetched is not None:
        expected = Expected(sha256=sha256 or seen_hash(root, keys[0]))
        files, hashes = [fetched], [_fetch(url, fetched, expected, patience)]
        say(f"{keys[0]}: fetched, SHA-256 {hashes[0]}")
    with _unpacking(root) as staging, _dropping(fetched):
        unpacked = [staging / str(number) for number in range(len(files))]
        for file, folder in zip(files, unpacked, strict=True):
            folder.mkdir()
            say(f"{file.name}: {unpack(file, folder)} files unpacked")
        whole = _put_together(unpacked, image_names(staging))
        try:
            notes = check_content(source.check, whole)
        except InputError as error:
            raise BadArchive(f"{', '.join(names)}: {error}") from None
        for note in notes:
            say(f"  {note}")
        for key, digest, file in zip(keys, hashes, files, strict=True):
            record_hash(root, key, sha256=digest, size=file.stat().st_size)
        make_folder(target.parent)
        whole.rename(target)
    say(f"{source.name}: in {target}")


def _install_files(
    source: Source,
    root: Path,
    archives: Sequence[Path],
    sha256: str | None,
    only: Sequence[str],
    patience: Patience,
    say: Callable[[str], None],
) -> None:
    """The files of a source that anybody may fetch, each with its own folder."""
    by_name = {file.name: file for file in source.files}
    at_hand = {path.name: path for path in archives}
    wanted = [*at_hand, *(name if name in by_name else f"{name}.zip" for name in only)]
    for name in wanted:
        if name not in by_name:
            raise InputError(f"{source.name} has no file {name!r}, only {', '.join(by_name)}")
    chosen = [f for f in source.files if (f.name in wanted if wanted else not f.optional)]
    for file in chosen:
        target = root / source.folder / file.target
        fetched = root / _DOWNLOADS / source.name / file.name
        if target.exists():
            fetched.unlink(missing_ok=True)
            say(f"{target}: there already")
            continue
        key = f"{source.name}/{file.name}"
        if file.sha256 is not None:
            require_seen_hash(root, key, file.sha256)
        archive = at_hand.get(file.name, fetched)
        if file.name in at_hand:
            digest = _given_hash(archive, sha256 or file.sha256)
            require_seen_hash(root, key, digest)
        else:
            if file.size is not None and not fetched.exists():
                part = part_of(fetched)
                have = part.stat().st_size if part.exists() else 0
                # Photographs do not shrink in a zip: unpacked it is about as large again.
                require_space(root, 2 * file.size - have, what=f"{file.name}, packed and unpacked,")
            say(f"{file.name}: fetching from {source.name}")
            expected = Expected(size=file.size, sha256=file.sha256 or seen_hash(root, key))
            digest = _fetch(file.url, fetched, expected, patience)
        with _unpacking(root) as staging, _dropping(fetched if archive == fetched else None):
            say(f"{file.name}: {unpack(archive, staging)} files unpacked, SHA-256 {digest}")
            inner = _checked(file, archive, staging)
            record_hash(root, key, sha256=digest, size=archive.stat().st_size)
            make_folder(target.parent)
            inner.rename(target)
        say(f"{file.name}: in {target}")


def _checked(file: RemoteFile, archive: Path, staging: Path) -> Path:
    """The folder that is wanted of an unpacked archive, where it holds what it should."""
    inner = staging / file.inner
    if not inner.is_dir():
        found = ", ".join(sorted(path.name for path in staging.iterdir())[:5])
        raise BadArchive(f"{archive}: has no folder {file.inner}/ (found: {found})")
    missing = [name for name in file.holds if not (inner / name).is_file()]
    if missing:
        raise BadArchive(f"{archive}: lacks {', '.join(missing)}")
    images = len(images_below(inner)) if file.images is not None else None
    if images != file.images:
        raise BadArchive(f"{archive}: has {images} images, expected {file.images}")
    return inner


def _fetch(url: str, path: Path, expected: Expected, patience: Patience) -> str:
    try:
        return fetch(url, path, expected=expected, patience=patience)
    except InputError as error:
        raise InputError(
            f"{error}. Run the same command to go on, or bring the file from elsewhere and give "
            f"--archive FILE. {START_TODAY}"
        ) from None


def _given_hash(path: Path, expected: str | None) -> str:
    if not path.is_file():
        raise InputError(f"{path}: is no file" if path.exists() else f"{path}: no such file")
    try:
        digest = file_sha256(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if expected not in (None, digest):
        raise InputError(f"{path}: has SHA-256 {digest}, expected {expected}: damaged or another")
    return digest


@contextlib.contextmanager
def _unpacking(root: Path) -> Iterator[Path]:
    """A folder of its own to unpack into; gone at the end."""
    staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=root))
    staging.chmod(0o755)
    try:
        yield staging
    finally:
        _remove(staging)


def _remove(folder: Path) -> None:
    with suppress(RecursionError):  # folders in folders, of an old version
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _dropping(fetched: Path | None) -> Iterator[None]:
    """Removes the downloaded archive when all is done, or when it proved to be of no use: not where
    the disk was full, say, and the same archive will do tomorrow."""
    try:
        yield
    except BadArchive as error:
        if fetched is None:
            raise
        fetched.unlink(missing_ok=True)
        raise BadArchive(f"{error} (the downloaded archive was removed)") from None
    if fetched is not None:
        fetched.unlink(missing_ok=True)


def _put_together(folders: list[Path], image_names: frozenset[str]) -> Path:
    """One folder with the files of all, each without the lone folders that only wrap it.

    Of several archives one may hold nothing but images, as `train2017.zip` does. Its folder stays
    where the annotations name the images with it, or where images of two archives have the same
    name without it.
    """
    wrapped = [_unwrapped(folder) for folder in folders]
    chosen = [layers[-1] for layers in wrapped]
    if len(folders) > 1:
        for number, layers in enumerate(wrapped):
            if not _is_whole(layers[-1]):
                # The innermost, where no layer has more of the names than another.
                chosen[number] = max(
                    reversed(layers), key=lambda layer: len(image_names & _names(layer))
                )
        names = [_names(folder) for folder in chosen]
        if sum(map(len, names)) > len(set().union(*names)):
            chosen = [
                layers[-2]
                if layer == layers[-1] and len(layers) > 1 and not _is_whole(layer)
                else layer
                for layer, layers in zip(chosen, wrapped, strict=True)
            ]
    whole = chosen[0]
    for folder in chosen[1:]:
        for name in sorted(_names(folder)):
            if (whole / name).exists():
                raise BadArchive(f"two archives hold {name}")
            make_folder((whole / name).parent)
            (folder / name).rename(whole / name)
    return whole


def _unwrapped(folder: Path) -> list[Path]:
    """The folder, the lone folder in it, the lone one in that, and so on."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir() and inside[0].name not in _LAYOUT:
        return [folder, *_unwrapped(inside[0])]
    return [folder]


def _is_whole(folder: Path) -> bool:
    """Whether there is more than images."""
    return any(folder.rglob("*.json")) or any((folder / name).is_dir() for name in _LAYOUT)


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
