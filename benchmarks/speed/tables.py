"""The measurements as Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def speed_tables(result: dict[str, Any]) -> str:
    """All tables of a result of `sspcm-bench speed`, those of parts that were not run left out."""
    environment = result["environment"]
    lines = [
        f"{environment['device']}, {environment['cores']} cores, {environment['threads']} threads, "
        f"torch {environment['packages']['torch']}, {environment['precision']}; peak memory "
        f"of everything measured {result['peak_memory_bytes'] / 2**20:.0f} MiB."
    ]
    for part, table in _TABLES.items():
        if part in result:
            lines += ["", *table(result[part])]
    return "\n".join(lines)


def _pipeline(records: Sequence[dict[str, Any]]) -> list[str]:
    lines = ["**Data pipeline**, one core, people a second, from a built store", ""]
    lines += _head(
        "frames",
        "plain loader",
        "host's part",
        "ratio",
        "ready tensors on a CPU",
        "ratio",
        "building the store over a plain pass",
        "over decoding each frame once",
        "bytes a person, store / JPEG",
        "decoding that JPEG",
    )
    for one in records:
        speed, size = one["people_per_second"], one["bytes_per_person"]
        lines.append(
            _row(
                one["frames"],
                f"{speed['plain']:.0f}",
                f"{speed['host']:.0f}",
                f"{one['host_ratio']:.1f} x",
                f"{speed['ready']:.0f}",
                f"{one['ready_ratio']:.1f} x",
                f"{one['build_over_plain_pass']:.2f} x",
                f"{one['build_over_decoding']:.2f} x",
                f"{size['store']:,} / {size['jpeg']:,}",
                f"{speed['jpeg']:.0f}",
            )
        )
    return lines


def _steps(records: Sequence[dict[str, Any]]) -> list[str]:
    first = records[0]
    width, height = first["crop_size"]
    title = (
        f"**Training step**, {first['network']}, {width} x {height}, batch {first['batch_size']}, "
        f"{first['precision']}"
    )
    lines = [title, ""]
    lines += _head(
        "method",
        "network passes (with gradient)",
        "step, s",
        "people a second",
        "plain fp32 contiguous over ours",
        "ours over the bare passes",
    )
    for one in records:
        lines.append(
            _row(
                one["method"],
                f"{one['passes']} ({one['passes_with_gradient']})",
                f"{one['step_seconds']['ours']:.3f}",
                f"{one['people_per_second']:.2f}",
                f"{one['plain_over_ours']:.2f} x",
                f"{one['ours_over_bare']:.3f} x",
            )
        )
    return lines


def _waiting(one: dict[str, Any]) -> list[str]:
    return [
        f"**Waiting for data**: {100 * one['waiting_share']:.2f} % of {one['steps']} "
        f"{one['method']} steps ({one['waiting_seconds']:.3f} of {one['seconds']:.1f} s)."
    ]


def _scores(one: dict[str, Any]) -> list[str]:
    speed = one["people_per_second"]
    return [
        f"**Decoding and OKS**: {speed['ours']:.0f} people a second, {speed['looped']:.0f} in a "
        f"loop over people and joints: {one['looped_over_ours']:.1f} x."
    ]


def _growth(records: Sequence[dict[str, Any]]) -> list[str]:
    lines = ["**Growth** with the number of people", ""]
    lines += _head(
        "people",
        "crops",
        "building, ms a person",
        "writing as many bytes, ms",
        "loading, ms a person",
        "store, MiB",
        "memory taken, MiB",
        "memory in all, MiB",
    )
    for one in records:
        width, height = one["crop_size"]
        times = [one[f"{name}_ms_per_person"] for name in ("build", "write", "load")]
        lines.append(
            _row(
                f"{one['people']:,}",
                f"{width} x {height}",
                *("n/a" if time is None else f"{time:.3f}" for time in times),
                f"{one['store_bytes'] / 2**20:.0f}",
                f"{one['peak_growth_bytes'] / 2**20:.0f}",
                f"{one['peak_bytes'] / 2**20:.0f}",
            )
        )
    return lines


def _exported(one: dict[str, Any]) -> list[str]:
    width, height = one["crop_size"]
    title = (
        f"**Exported pose network**, {width} x {height}, {one['people']} people a pass, scores on "
        "the drawn people of the sample"
    )
    lines = [title, ""]
    lines += _head("file", "MiB", "people a second", *next(iter(one["rows"].values()))["scores"])
    for name, row in one["rows"].items():
        size = "" if row["bytes"] is None else f"{row['bytes'] / 2**20:.1f}"
        scores = ("n/a" if s is None else f"{100 * s:.1f}" for s in row["scores"].values())
        lines.append(_row(name, size, f"{1 / row['seconds_a_person']:.1f}", *scores))
    return lines


def _ceiling(one: dict[str, Any]) -> list[str]:
    width, height = one["crop_size"]
    frame = f"{one['frame_side']} px, {one['people']} people"
    titles = {
        "chain": f"frames to poses, {frame}, frames a second",
        "poses": f"pose network, {width} x {height}, poses a second",
    }
    lines = ["**Ready-trained networks**, on the CPU", ""]
    lines += _head("", "plain torch", "ours", "ratio")
    for name, title in titles.items():
        row = one["rows"][name]
        lines.append(
            _row(title, f"{row['plain']:.2f}", f"{row['ours']:.2f}", f"{row['ratio']:.2f} x")
        )
    return lines


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
