"""The journals of a prediction and of a search for people, which keep results if it is stopped."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sspcm.inference.frames import Frame, FrameReader, Source
from sspcm.inference.poses import Poses
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import file_sha256, make_folder, replacing
from wepdtof_pose.formats.layout import files_in
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.locks import exclusive, hidden_name

_OF_FIND = b'{"journal_of": "sspcm find"'
_Found = dict[int | None, list[dict[str, Any]]]
"""What was found on each frame of an input, as COCO results."""

JOURNAL = "unfinished.jsonl"
"""Name of the journal in the folder of a prediction; removed when that is complete."""


class Journal:
    """The predictions so far: one line per frame, and a line at the end of each input.

    Inputs that have their end line, and could be read, are not read again unless their content is
    another now. Of a sequence of images, what follows the first that has to be read is read again,
    too: it would not get the track numbers of an uninterrupted prediction. If joints are averaged
    along tracks, the whole sequence is. Of a video without its end line the frames that have theirs
    are decoded again, but not predicted, unless joints are averaged.

    Another line ends each group of frames that went through the networks at once, and what comes
    after the last of them does not count: a network's last digits vary with the group, and an
    uninterrupted prediction has whole ones.

    Attributes:
        heading: what this call must have in common with the one that it continues.
        done: the records of inputs that need not be read, by name.
        begun: the video of which an earlier call has predicted some frames; None for none.
        frames_of_begun: how many these are.
        notes: what was found to have changed since an earlier call, one line each.
    """

    def __init__(
        self,
        out: Path,
        heading: dict[str, Any],
        sources: Sequence[Source],
        sequences: Mapping[str, str] | None = None,
        averaged: bool = False,
    ) -> None:
        """`sequences` has the sequence, if any, of each image by its name; `averaged` says whether
        joints are averaged along tracks."""
        self._out = out
        self.heading = heading
        self._sources = sources
        self._sequences = sequences or {}
        self._averaged = averaged
        self._stream: BinaryIO | None = None
        self._offsets: dict[str, list[int]] = {}
        self._indexed = 0
        self._contents: dict[str, Any] = {}
        self._last: Source | None = None
        self.done: dict[str, dict[str, Any]] = {}
        self.begun: Source | None = None
        self.frames_of_begun = self._left = 0
        self.notes: list[str] = []

    def __enter__(self) -> Journal:
        make_folder(self._out)
        path = self._out / JOURNAL
        if any(self._out.iterdir()):
            self._go_on(path)
        else:
            self._write_heading(path)
        self._stream = path.open("ab", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def begin(self, source: Source) -> None:
        """Note the content of an input that is about to be read."""
        self._contents[source.name] = _content(source)

    def add(self, frame: Frame, poses: Poses) -> None:
        """Write the poses of a frame, unless an earlier call has."""
        self._last = frame.source
        if frame.source is self.begun and self._left:
            self._left -= 1
            return
        self._put(
            {
                "source": frame.source.name,
                "frame": frame.number,
                "time": None if frame.time is None else round(frame.time, 4),
                "size": list(poses.size),
                "poses": poses.to_coco(),
            }
        )

    def end_group(self) -> None:
        """Write that what was written so far counts."""
        if self._last is not None:
            self._put(_end_of_group(self._last.name, self._contents.get(self._last.name)))

    def finish_before(self, source: Source | None, readers: list[FrameReader]) -> None:
        """Write the end line of all inputs before this one; of all inputs if None."""
        for reader in readers:
            if reader.source is source:
                break
            if reader.source.name not in self.done:
                name, record = reader.source.name, reader.record()
                self.done[name] = record
                self._put({"source": name, "end": record, "content": self._contents.get(name)})

    def frames_before(self, source: Source) -> Iterator[tuple[int | None, tuple[int, int]]]:
        """Yield the number and the size (width, height) of each frame predicted earlier."""
        for entry in self._entries_before(source):
            yield entry["frame"], (entry["size"][0], entry["size"][1])

    def poses_before(self, source: Source, keypoint_set: KeypointSet) -> Iterator[Poses]:
        """Yield the poses on each frame of an input that were predicted earlier."""
        for entry in self._entries_before(source):
            yield _poses_of(entry, keypoint_set)

    def _entries_before(self, source: Source) -> Iterator[dict[str, Any]]:
        if source.name in self.done or source is self.begun:
            frames = None if source.name in self.done else self.frames_of_begun
            yield from islice(self.entries(source), frames)

    def entries(self, source: Source) -> Iterator[dict[str, Any]]:
        """Yield the entries for the frames of an input."""
        with (self._out / JOURNAL).open("rb") as stream:
            for place in self._places()[source.name]:
                stream.seek(place)
                for line in stream:
                    entry = json.loads(line)
                    if entry["source"] != source.name:
                        break
                    if "poses" in entry:
                        yield entry

    def _places(self) -> dict[str, list[int]]:
        """Return where in the file lines of each input begin, after those of others, in bytes."""
        path = self._out / JOURNAL
        size = path.stat().st_size
        if size != self._indexed:
            self._offsets.clear()
            with path.open("rb") as stream:
                place, before = len(stream.readline()), None
                for line in stream:
                    name = json.loads(line)["source"]
                    if name != before:
                        self._offsets.setdefault(name, []).append(place)
                    before = name
                    place += len(line)
            self._indexed = size
        return self._offsets

    def _put(self, entry: dict[str, Any]) -> None:
        assert self._stream is not None
        _write_line(self._stream, entry, self._out)

    def _write_heading(self, path: Path, lines: Iterable[str] = ()) -> None:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            stream.write(json.dumps(self.heading) + "\n")
            stream.writelines(lines)

    def _go_on(self, path: Path) -> None:
        """Keep the entries of an earlier, same call for inputs that could be read."""
        if not path.is_file():
            raise InputError(
                f"{self._out}: is there already and not an empty folder; name another with -o"
            )
        lines: dict[str, list[str]] = defaultdict(list)
        ends: dict[str, dict[str, Any]] = {}
        contents: dict[str, Any] = {}
        with path.open(encoding="utf-8") as stream:
            before = _json_or_none(stream.readline())
            if before != json.loads(json.dumps(self.heading)):
                raise InputError(
                    f"{self._out}: holds an unfinished prediction of other networks, inputs or "
                    "options: repeat that command to go on with it, or name another folder with -o"
                )
            for entry, line in _until_last_group(stream):
                name = entry["source"]
                if "group" in entry:
                    contents[name] = entry["content"]
                elif "end" in entry and entry["end"]["problem"]:
                    lines.pop(name, None)
                else:
                    lines[name].append(line)
                    if "end" in entry:
                        ends[name] = entry
        self._take_over(ends)
        kept = [line for name in self.done for line in lines[name]]
        for source in self._sources if not self._averaged else ():
            name = source.name
            if lines[name] and name not in ends and contents.get(name) == _content(source):
                self.begun, self.frames_of_begun = source, len(lines[name])
                kept += lines[name]
                break
        self._left = self.frames_of_begun
        if kept:
            name = json.loads(kept[-1])["source"]
            kept.append(json.dumps(_end_of_group(name, contents.get(name))) + "\n")
        self._write_heading(path, kept)

    def _take_over(self, ends: Mapping[str, dict[str, Any]]) -> None:
        """Find, among the inputs that an earlier call finished, those that need not be read."""
        known = [source for source in self._sources if source.name in ends]
        changed = [
            source for source in known if ends[source.name].get("content") != _content(source)
        ]
        same = {source.name for source in known} - {source.name for source in changed}
        of_name = self._sequences
        broken = {
            of_name[source.name]
            for source in self._sources
            if self._averaged and source.name not in same and source.name in of_name
        }
        again = 0
        for source in self._sources:
            sequence = of_name.get(source.name)
            if source.name not in same:
                broken |= set() if sequence is None else {sequence}
            elif sequence in broken:
                again += 1
            else:
                self.done[source.name] = ends[source.name]["end"]
        gone = len(ends.keys() - {source.name for source in self._sources})
        if changed:
            others = f", and {counted(len(changed) - 1, 'other input')}" if changed[1:] else ""
            self.notes.append(
                f"{changed[0].path}{others}: changed since the prediction began; predicted anew"
            )
        if again:
            self.notes.append(
                f"{counted(again, 'image')} of a numbered sequence that changed or has gaps: "
                "predicted anew, so that people keep their numbers"
            )
        if gone:
            self.notes.append(
                f"{counted(gone, 'input')} done before: no longer there, and left out"
            )


class BoxJournal:
    """The boxes found so far: one line per frame, in a hidden file beside the output to be.

    Frames that an earlier, same call has searched are not searched again, unless the content of
    their file is another now; another call is refused. Without an error, or without a frame, the
    file is gone afterwards.

    Attributes:
        again: number of frames that an earlier call had searched.
    """

    def __init__(self, out: Path, heading: dict[str, Any]) -> None:
        """`out` is the output, and `heading` what this call must share with an earlier one."""
        self._out = out
        place = Path(os.path.realpath(out))
        self._path = place.with_name(f"{hidden_name(place)}.unfinished")
        self._heading = {"journal_of": "sspcm find", **heading}
        self._earlier: dict[str, tuple[Any, _Found]] = {}
        self._before: _Found = {}
        self._frames = 0
        self.again = 0

    def __enter__(self) -> BoxJournal:
        make_folder(self._path.parent)
        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self._path))
            except InputError as error:
                raise type(error)(str(error).replace(str(self._path), str(self._out))) from None
            kept = self._read()
            try:
                # Nobody else's file is written to through a link of this name.
                flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
                handle = os.open(self._path, flags, 0o666)
                self._stream = stack.enter_context(os.fdopen(handle, "r+b", buffering=0))
                self._stream.seek(self._stream.truncate(kept))
            except OSError as error:
                raise _unwritten(self._out, error) from None
            if not kept:
                _write_line(self._stream, self._heading, self._out)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, error: object, *_: object) -> None:
        with self._stack:
            self._stream.close()  # Windows removes no open file.
            if error is None or not self._frames:
                self._path.unlink(missing_ok=True)

    def begin(self, source: Source) -> None:
        """Find what an earlier call has found in an input that is about to be read."""
        content = _content(source)
        before, self._before = self._earlier.get(source.name, (None, {}))
        if content is None or content != before:
            self._before = {}
            _write_line(self._stream, {"source": source.name, "content": content}, self._out)

    def before(self, frame: Frame) -> list[dict[str, Any]] | None:
        """Return what an earlier call has found on a frame of this input; None if it has not."""
        found = self._before.get(frame.number)
        self.again += found is not None
        return found

    def add(self, frame: Frame, found: list[dict[str, Any]]) -> None:
        """Write what has been found on a frame."""
        entry = {"source": frame.source.name, "frame": frame.number, "found": found}
        _write_line(self._stream, entry, self._out)
        self._frames += 1

    def _read(self) -> int:
        """Take over the entries of an earlier, same call; return how many bytes they are."""
        if self._path.is_symlink() or (self._path.exists() and not self._path.is_file()):
            raise self._foreign()
        if not self._path.exists() or not self._path.stat().st_size:
            return 0
        with self._path.open("rb") as stream:
            line = stream.readline()
            if not line.startswith(_OF_FIND):
                raise self._foreign()
            if not line.endswith(b"\n"):  # cut short on a full disk, before the first frame
                return 0
            if line != _line_of(self._heading):
                raise InputError(
                    f"{self._out}: {self._path} holds an unfinished search with other networks, "
                    "inputs or options: repeat that command to go on with it, name another output "
                    "with -o, or remove that file"
                )
            kept = len(line)
            for line in stream:
                entry = _json_or_none(line)
                if entry is None or not line.endswith(b"\n"):  # cut short by a stop
                    break
                kept += len(line)
                if "content" in entry:
                    self._earlier[entry["source"]] = entry["content"], {}
                else:
                    self._earlier[entry["source"]][1][entry["frame"]] = entry["found"]
                    self._frames += 1
        return kept

    def _foreign(self) -> InputError:
        return InputError(
            f"{self._path}: is there already, and is not what sspcm find left there when it was "
            "stopped: remove it, or name another output with -o"
        )


def files_of_boxes(path: Path) -> list[Path]:
    """Return the files that are read where boxes are given: one, or YOLO's texts in a folder."""
    return files_in(path, ".txt", deep=True) if path.is_dir() else [path]


def hash_of_files(files: Iterable[Path]) -> str:
    """Return a hash (16 hex digits) of the names and contents of files, in their order."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(os.fsencode(file.name) + b"\0")
        # Whoever reads them says what is wrong with the others.
        with suppress(OSError):
            digest.update(file_sha256(file).encode() if file.is_file() else b"no file")
    return digest.hexdigest()[:16]


def state_of_files(files: Iterable[Path]) -> str:
    """Return a hash (16 hex digits) of the names, sizes and times of files, in their order.

    As stores of crops do, it takes a file of the same size and time for unchanged.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(os.fsencode(file.name) + b"\0")
        with suppress(OSError):
            state = file.stat()
            digest.update(f"{state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _end_of_group(name: str, content: Any) -> dict[str, Any]:
    """Return the entry that ends a group of frames: the last one's input and its content."""
    return {"source": name, "group": "end", "content": content}


def _until_last_group(stream: Iterable[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the entries, and their lines, before the frames of a group that has no end."""
    waiting: list[tuple[dict[str, Any], str]] = []
    for line in stream:
        entry = _json_or_none(line)
        if entry is None or not line.endswith("\n"):  # cut short when the program was stopped
            return
        waiting.append((entry, line))
        if "group" in entry or "poses" not in waiting[0][0]:
            yield from waiting
            waiting = []


def _write_line(stream: BinaryIO, entry: dict[str, Any], out: Path) -> None:
    """Write an entry to an unbuffered file: none is lost when the program is killed."""
    left = _line_of(entry)
    try:
        while left:
            left = left[stream.write(left) :]
    except OSError as error:
        raise _unwritten(out, error) from None


def _line_of(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, allow_nan=False).encode() + b"\n"


def _unwritten(out: Path, error: OSError) -> InputError:
    return InputError(f"{out}: cannot be written: {error.strerror}")


def _content(source: Source) -> Any:
    """Return what tells the content of a file from another under its name; None if it is gone.

    The hash of an image; size and time of a video, which may be large. A pipe is never opened: to
    read it might not end.
    """
    if not source.path.is_file():
        return None
    try:
        if source.kind != "video":
            return file_sha256(source.path)
        state = source.path.stat()
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


def _poses_of(entry: dict[str, Any], keypoint_set: KeypointSet) -> Poses:
    """Return the poses of a frame's entry."""
    poses = entry["poses"]
    nobody = replace(Poses.nobody(keypoint_set, size=tuple(entry["size"])), frame=entry["frame"])
    if not poses:
        return nobody
    keypoints = np.array([pose["keypoints"] for pose in poses], dtype=np.float32)
    unknown = [np.nan] * 5
    return replace(
        nobody,
        keypoints=keypoints.reshape(len(poses), -1, 3),
        scores=np.array([pose["score"] for pose in poses]),
        boxes=np.array([pose["bbox"] for pose in poses], dtype=np.float64),
        rotated=np.array([pose.get("rotated_box", unknown) for pose in poses], dtype=np.float64),
        tracks=np.array([pose.get("track_id", 0) for pose in poses], dtype=np.int64),
    )


def _json_or_none(line: str | bytes) -> Any:
    with suppress(ValueError):
        return json.loads(line)
    return None
