"""The measurements of `sspcm-bench speed` as Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from wepdtof_pose.records import converted

_Columns = dict[str, Callable[[Any], str]]
"""Heads of columns, told apart by a space at the end, and what gives a record's cell."""


class _Environment(msgspec.Struct):
    device: str
    cores: int
    threads: int
    packages: dict[str, str]


class _Pipeline(msgspec.Struct):
    frames: str
    people_per_second: dict[str, float]
    host_ratio: float
    ready_ratio: float
    build_over_plain_pass: float
    build_over_decoding: float
    bytes_per_person: dict[str, int]


class _Step(msgspec.Struct):
    method: str
    network: str
    crop_size: tuple[int, int]
    batch_size: int
    precision: str
    passes: int
    passes_with_gradient: int
    step_seconds: dict[str, float]
    people_per_second: float
    plain_over_ours: float
    ours_over_bare: float
    handing_back_over_ours: float | None = None


class _Waiting(msgspec.Struct):
    method: str
    steps: int
    seconds: float
    waiting_seconds: float
    waiting_share: float


class _Scores(msgspec.Struct):
    people_per_second: dict[str, float]
    looped_over_ours: float


class _Growth(msgspec.Struct):
    people: int
    crop_size: tuple[int, int]
    build_ms_per_person: float | None
    write_ms_per_person: float | None
    load_ms_per_person: float | None
    store_bytes: int
    peak_growth_bytes: int
    peak_bytes: int


class _ExportedRow(msgspec.Struct):
    runtime: str
    precision: str
    bytes: int | None
    seconds: float
    torch_over_this: float
    scores: dict[str, float | None]


class _ExportedPose(msgspec.Struct):
    crop_size: tuple[int, int]
    people: int
    rows: list[_ExportedRow]


class _ExportedFinder(msgspec.Struct):
    side: int
    rows: list[_ExportedRow]


class _Exported(msgspec.Struct):
    pose: _ExportedPose
    find: _ExportedFinder


class _CeilingRow(msgspec.Struct):
    plain: float
    ours: float
    ratio: float
    exported: float | None = None
    exported_ratio: float | None = None


class _Ceiling(msgspec.Struct):
    crop_size: tuple[int, int]
    frame_side: int
    people: int
    rows: dict[str, _CeilingRow]


class _Result(msgspec.Struct):
    """The content of `speed.json` that the tables show."""

    environment: _Environment
    peak_memory_bytes: int
    pipeline: list[_Pipeline] | None = None
    steps: list[_Step] | None = None
    waiting: _Waiting | None = None
    scores: _Scores | None = None
    growth: list[_Growth] | None = None
    exported: _Exported | None = None
    ceiling: _Ceiling | None = None


def speed_tables(content: dict[str, Any], *, source: str = "speed.json") -> str:
    """Return the tables of a result of `sspcm-bench speed`, for the parts that it ran.

    Raises:
        InputError: it is no such result; the message names `source` and the entry.
    """
    what = "a result of sspcm-bench speed (measure again)"
    result = converted(content, _Result, source=source, what=what)
    environment = result.environment
    lines = [
        f"{environment.device}, {environment.cores} cores, {environment.threads} threads, "
        f"torch {environment.packages.get('torch', 'n/a')}; peak memory of everything measured "
        f"{result.peak_memory_bytes / 2**20:.0f} MiB."
    ]
    for part, table in _TABLES.items():
        measured = getattr(result, part)
        if measured:
            lines += ["", *table(measured)]
    return "\n".join(lines)


def _pipeline(records: Sequence[_Pipeline]) -> list[str]:
    columns: _Columns = {
        "frames": lambda one: one.frames,
        "plain loader": lambda one: f"{one.people_per_second['plain']:.0f}",
        "host's part": lambda one: f"{one.people_per_second['host']:.0f}",
        "ratio": lambda one: f"{one.host_ratio:.1f} x",
        "ready tensors on a CPU": lambda one: f"{one.people_per_second['ready']:.0f}",
        "ratio ": lambda one: f"{one.ready_ratio:.1f} x",
        "building the store over a plain pass": lambda one: f"{one.build_over_plain_pass:.2f} x",
        "over decoding each frame once": lambda one: f"{one.build_over_decoding:.2f} x",
        "bytes a person, store / JPEG": lambda one: (
            f"{one.bytes_per_person['store']:,} / {one.bytes_per_person['jpeg']:,}"
        ),
        "decoding that JPEG": lambda one: f"{one.people_per_second['jpeg']:.0f}",
    }
    title = "**Data pipeline**, one core, people a second, from a built store"
    return [title, "", *_table(records, columns)]


def _steps(records: Sequence[_Step]) -> list[str]:
    first = records[0]
    width, height = first.crop_size
    columns: _Columns = {
        "method": lambda one: one.method,
        "network passes (with gradient)": lambda one: f"{one.passes} ({one.passes_with_gradient})",
        "step, s": lambda one: f"{one.step_seconds['ours']:.3f}",
        "people a second": lambda one: f"{one.people_per_second:.2f}",
        "plain fp32 contiguous over ours": lambda one: f"{one.plain_over_ours:.2f} x",
        "ours over the bare passes": lambda one: f"{one.ours_over_bare:.3f} x",
    }
    if all(one.handing_back_over_ours is not None for one in records):
        columns["handing memory back over ours"] = lambda one: f"{one.handing_back_over_ours:.2f} x"
    title = (
        f"**Training step**, {first.network}, {width} x {height}, batch {first.batch_size}, "
        f"{first.precision}"
    )
    return [title, "", *_table(records, columns)]


def _waiting(one: _Waiting) -> list[str]:
    return [
        f"**Waiting for data**: {100 * one.waiting_share:.2f} % of {one.steps} "
        f"{one.method} steps ({one.waiting_seconds:.3f} of {one.seconds:.1f} s)."
    ]


def _scores(one: _Scores) -> list[str]:
    speed = one.people_per_second
    return [
        f"**Decoding and OKS**: {speed['ours']:.0f} people a second, {speed['looped']:.0f} in a "
        f"loop over people and joints: {one.looped_over_ours:.1f} x."
    ]


def _growth(records: Sequence[_Growth]) -> list[str]:
    columns: _Columns = {
        "people": lambda one: f"{one.people:,}",
        "crops": lambda one: "{} x {}".format(*one.crop_size),
        "building, ms a person": lambda one: _milliseconds(one.build_ms_per_person),
        "writing as many bytes, ms": lambda one: _milliseconds(one.write_ms_per_person),
        "loading, ms a person": lambda one: _milliseconds(one.load_ms_per_person),
        "store, MiB": lambda one: f"{one.store_bytes / 2**20:.0f}",
        "memory taken, MiB": lambda one: f"{one.peak_growth_bytes / 2**20:.0f}",
        "memory in all, MiB": lambda one: f"{one.peak_bytes / 2**20:.0f}",
    }
    return ["**Growth** with the number of people", "", *_table(records, columns)]


def _exported(one: _Exported) -> list[str]:
    width, height = one.pose.crop_size
    people, scored = f"{one.pose.people} people a pass", "scores on drawn people of unseen rooms"
    return [
        f"**Exported `ceiling-pose`**, {width} x {height}, {people}, {scored}",
        "",
        *_exported_rows(one.pose.rows, "people a second", one.pose.people),
        "",
        f"**Exported `ceiling-find`**, frames of {one.find.side} px, {scored}",
        "",
        *_exported_rows(one.find.rows, "frames a second", 1),
    ]


def _exported_rows(rows: Sequence[_ExportedRow], what: str, count: int) -> list[str]:
    lines = _head("runtime", "precision", "MiB", what, "torch's time over this", *rows[0].scores)
    for row in rows:
        size = "" if row.bytes is None else f"{row.bytes / 2**20:.1f}"
        speed, gain = f"{count / row.seconds:.1f}", f"{row.torch_over_this:.2f} x"
        scores = ("n/a" if s is None else f"{100 * s:.1f}" for s in row.scores.values())
        lines.append(_row(row.runtime, row.precision, size, speed, gain, *scores))
    return lines


def _ceiling(one: _Ceiling) -> list[str]:
    width, height = one.crop_size
    frame = f"{one.frame_side} px, {one.people} people"
    titles = {
        "chain": f"frames to poses, {frame}, frames a second",
        "poses": f"pose network, {width} x {height}, poses a second",
    }
    lines = ["**Ready-trained networks**, on the CPU, float32", ""]
    lines += _head("", "plain torch", "ours", "ratio", "ours, exported", "ratio")
    for name, title in titles.items():
        row = one.rows[name]
        cells = [f"{row.plain:.2f}", f"{row.ours:.2f}", f"{row.ratio:.2f} x", "n/a", "n/a"]
        if row.exported is not None and row.exported_ratio is not None:
            cells[3:] = [f"{row.exported:.2f}", f"{row.exported_ratio:.2f} x"]
        lines.append(_row(title, *cells))
    return lines


def _table(records: Sequence[Any], columns: _Columns) -> list[str]:
    rows = (_row(*(text(one) for text in columns.values())) for one in records)
    return [*_head(*map(str.strip, columns)), *rows]


def _milliseconds(time: float | None) -> str:
    return "n/a" if time is None else f"{time:.3f}"


def _head(*columns: str) -> list[str]:
    return [_row(*columns), _row(*("---" for _ in columns))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


_TABLES: dict[str, Callable[[Any], list[str]]] = {
    "pipeline": _pipeline,
    "steps": _steps,
    "waiting": _waiting,
    "scores": _scores,
    "growth": _growth,
    "exported": _exported,
    "ceiling": _ceiling,
}
