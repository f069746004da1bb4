"""The journal of a prediction, which keeps its results if the program is stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from sspcm.inference.frames import Frame, FrameReader, Source
from sspcm.inference.poses import Poses
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import make_folder, replacing

JOURNAL = "unfinished.jsonl"
"""Name of the journal in the folder of a prediction; removed when that is complete."""


class Journal:
    """The predictions so far: one line per frame, and a line at the end of each input.

    Inputs that have their end line, and could be read, are not read again.
    """

    def __init__(self, out: Path, heading: dict[str, Any]) -> None:
        self._out = out
        self.heading = heading
        self._stream: TextIO | None = None
        self._offsets: dict[str, int] = {}
        self._indexed = 0
        self.done: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Journal:
        make_folder(self._out)
        path = self._out / JOURNAL
        if any(self._out.iterdir()):
            self._go_on(path)
        else:
            self._write_heading(path)
        self._stream = path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, frame: Frame, poses: Poses) -> None:
        """Write the poses of a frame."""
        self._put(
            {
                "source": frame.source.name,
                "frame": frame.number,
                "time": None if frame.time is None else round(frame.time, 4),
                "size": list(poses.size),
                "poses": poses.to_coco(),
            }
        )

    def finish_before(self, source: Source | None, readers: list[FrameReader]) -> None:
        """Write the end line of all inputs before this one; of all inputs if None."""
        for reader in readers:
            if reader.source is source:
                break
            if reader.source.name not in self.done:
                self.done[reader.source.name] = reader.record()
                self._put({"source": reader.source.name, "end": reader.record()})
        if self._stream is not None:
            self._stream.flush()

    def frames_before(self, source: Source) -> Iterator[tuple[int | None, bool]]:
        """Yield the frame numbers of an input done earlier, and whether each frame has poses."""
        if source.name in self.done:
            for entry in self.entries(source):
                yield entry["frame"], bool(entry["poses"])

    def entries(self, source: Source) -> Iterator[dict[str, Any]]:
        """Yield the entries for the frames of an input."""
        with (self._out / JOURNAL).open("rb") as stream:
            stream.seek(self._places()[source.name])
            for line in stream:
                entry = json.loads(line)
                if entry.get("source") != source.name or "end" in entry:
                    return
                yield entry

    def _places(self) -> dict[str, int]:
        """Return where in the file the lines of each input begin, in bytes."""
        assert self._stream is not None
        self._stream.flush()
        path = self._out / JOURNAL
        size = path.stat().st_size
        if size != self._indexed:
            self._offsets.clear()
            with path.open("rb") as stream:
                place = len(stream.readline())
                for line in stream:
                    self._offsets.setdefault(json.loads(line)["source"], place)
                    place += len(line)
            self._indexed = size
        return self._offsets

    def _put(self, entry: dict[str, Any]) -> None:
        assert self._stream is not None
        try:
            self._stream.write(json.dumps(entry, allow_nan=False) + "\n")
        except OSError as error:
            raise InputError(f"{self._out}: cannot be written: {error.strerror}") from None

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
        kept: list[str] = []
        with path.open(encoding="utf-8") as stream:
            before = _json_or_none(stream.readline())
            if before != json.loads(json.dumps(self.heading)):
                raise InputError(
                    f"{self._out}: holds an unfinished prediction of other networks, inputs or "
                    "options: repeat that command to go on with it, or name another folder with -o"
                )
            lines: list[str] = []
            for line in stream:
                entry = _json_or_none(line)
                if entry is None:  # cut short when the program was stopped
                    break
                lines.append(line)
                if "end" in entry:
                    if not entry["end"]["problem"]:
                        kept += lines
                        self.done[entry["source"]] = entry["end"]
                    lines = []
        self._write_heading(path, kept)


def _json_or_none(line: str) -> Any:
    with suppress(json.JSONDecodeError):
        return json.loads(line)
    return None
