"""From a source to a folder of the root: fetched or given, unpacked, checked, then put in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from wepdtof_pose.download.archives import BadArchive, unpack
from wepdtof_pose.download.checks import check_content, image_names, images_below
from wepdtof_pose.download.disk import (
    locked,
    record_hash,
    require_seen_hash,
    require_space,
    seen_hash,
)
from wepdtof_pose.download.fetch import fetch
from wepdtof_pose.download.http import USUAL_PATIENCE, Patience
from wepdtof_pose.download.part import Expected, mark
from wepdtof_pose.download.sources import RemoteFile, Source, name_of_url, require_http
from wepdtof_pose.download.staging import dropping, put_together, unpacking
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import file_sha256, make_folder

START_TODAY = "To start today with nothing downloaded: wepdtof-pose synth fisheye --people 2000"
_DOWNLOADS = "downloads"


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
    with locked(root):
        if source.files:
            if url is not None:
                raise InputError(f"{source.name} has its own URLs: leave --url away")
            _install_files(source, root, archives, sha256, only, patience, say)
        else:
            if only:
                raise InputError(f"{source.name} has no files to choose from: leave --only away")
            _install_given(source, root, archives, url, sha256, patience, say)
        for folder in (root / _DOWNLOADS / source.name, root / _DOWNLOADS):
            with suppress(OSError):  # not empty: a part of another file
                folder.rmdir()
    return root / source.folder


def _install_given(
    source: Source,
    root: Path,
    archives: Sequence[Path],
    url: str | None,
    sha256: str | None,
    patience: Patience,
    say: Callable[[str], None],
) -> None:
    target = root / source.folder
    if url is not None:
        names = [name_of_url(require_http(url))]
        # What was left of another URL may have the same name, as "download?id=1" and "?id=2" do.
        own_name = f"{mark(url)[:12]}_{names[0]}"
        fetched: Path | None = root / _DOWNLOADS / source.name / own_name
    else:
        fetched, names = None, [path.name for path in archives]
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
    if url is not None and fetched is not None:
        expected = Expected(sha256=sha256 or seen_hash(root, keys[0]))
        hashes = [_fetch([url], fetched, expected, patience)]
        say(f"{keys[0]}: fetched, SHA-256 {hashes[0]}")
    files = [fetched] if fetched is not None else list(archives)
    with unpacking(root, source.name) as staging, dropping(fetched):
        for number, file in enumerate(files):
            folder = staging / str(number)
            folder.mkdir()
            say(f"{file.name}: {unpack(file, folder)} files unpacked")
        unpacked = [staging / str(number) for number in range(len(files))]
        whole = put_together(unpacked, image_names(staging))
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
        _install_file(source, file, root, fetched, at_hand.get(file.name), sha256, patience, say)
        say(f"{file.name}: in {target}")


def _install_file(
    source: Source,
    file: RemoteFile,
    root: Path,
    fetched: Path,
    at_hand: Path | None,
    sha256: str | None,
    patience: Patience,
    say: Callable[[str], None],
) -> None:
    key = f"{source.name}/{file.name}"
    if file.sha256 is not None:
        require_seen_hash(root, key, file.sha256)
    if at_hand is not None:
        digest = _given_hash(at_hand, sha256 or file.sha256)
        require_seen_hash(root, key, digest)
        archive = at_hand
    else:
        if file.size is not None and not fetched.exists():
            part = fetched.with_name(f"{fetched.name}.part")
            have = part.stat().st_size if part.exists() else 0
            # Photographs do not shrink in a zip: unpacked it is about as large again.
            require_space(root, 2 * file.size - have, what=f"{file.name}, packed and unpacked,")
        say(f"{file.name}: fetching from {source.name}")
        expected = Expected(size=file.size, sha256=file.sha256 or seen_hash(root, key))
        digest = _fetch(file.urls, fetched, expected, patience)
        archive = fetched
    with unpacking(root, source.name) as staging, dropping(None if at_hand else fetched):
        say(f"{file.name}: {unpack(archive, staging)} files unpacked, SHA-256 {digest}")
        inner = staging / file.inner
        if not inner.is_dir():
            found = ", ".join(sorted(p.name for p in staging.iterdir())[:5])
            raise BadArchive(f"{archive}: has no folder {file.inner}/ (found: {found})")
        missing = [name for name in file.holds if not (inner / name).is_file()]
        if missing:
            raise BadArchive(f"{archive}: lacks {', '.join(missing)}")
        images = len(images_below(inner)) if file.images is not None else None
        if images != file.images:
            raise BadArchive(f"{archive}: has {images} images, expected {file.images}")
        record_hash(root, key, sha256=digest, size=archive.stat().st_size)
        target = root / source.folder / file.target
        make_folder(target.parent)
        inner.rename(target)


def _fetch(urls: Sequence[str], path: Path, expected: Expected, patience: Patience) -> str:
    try:
        return fetch(urls, path, expected=expected, patience=patience)
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
