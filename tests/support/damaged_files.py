"""Damage to annotation files: what a full disk, an editor, another program or malice may leave."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

VALUES = [
    *("null", "true", "[]", "{}", '""', '"x"', "-1", "0", "0.5", "NaN", "-Infinity", "1e400"),
    *("1e308", "1e38", "-1e30", "9" * 30, "9" * 5000, '"\\ud800"', '"../a.png"', '"/a.png"'),
    *('"' + "n" * 5000 + '"', '"a\\u0000b"', "[[]]", '{"a": 1}', "&a", "*a", "!!int x", "<a>"),
    *("2023-99-99", "{[", "右肩", "\udcff", "\x00", "1,2", "1;2", "<!DOCTYPE a>", "&#0;", "&lol;"),
]
TOKEN = re.compile(r'"[^"]*"|-?\d[\d.e+-]*|\w+|[\[\]{},:<>/=;]')


def truncated(text: str, rng: np.random.Generator) -> str:
    return text[: rng.integers(len(text))]


def without_a_piece(text: str, rng: np.random.Generator) -> str:
    start = int(rng.integers(len(text)))
    return text[:start] + text[start + int(rng.integers(1, 60)) :]


def with_a_piece_twice(text: str, rng: np.random.Generator) -> str:
    start = int(rng.integers(len(text)))
    end = start + int(rng.integers(1, 120))
    return text[:end] + text[start:]


def with_another_token(text: str, rng: np.random.Generator) -> str:
    tokens = list(TOKEN.finditer(text))
    token = tokens[rng.integers(len(tokens))]
    return text[: token.start()] + VALUES[rng.integers(len(VALUES))] + text[token.end() :]


def with_two_tokens_exchanged(text: str, rng: np.random.Generator) -> str:
    tokens = list(TOKEN.finditer(text))
    a, b = sorted(rng.integers(len(tokens), size=2).tolist())
    first, second = tokens[a], tokens[b]
    if a == b:
        return text
    return (
        text[: first.start()]
        + second.group()
        + text[first.end() : second.start()]
        + first.group()
        + text[second.end() :]
    )


def without_a_key(text: str, rng: np.random.Generator) -> str:
    """A key of JSON or YAML, or an attribute of XML, gets another name."""
    keys = list(re.finditer(r'"\w+"(?=:)|\b\w+(?==")|^\w+(?=:)', text, re.MULTILINE))
    if not keys:
        return without_a_piece(text, rng)
    key = keys[rng.integers(len(keys))]
    return text[: key.start()] + re.sub(r"\w+", "other", key.group()) + text[key.end() :]


def with_a_key_twice(text: str, rng: np.random.Generator) -> str:
    keys = list(re.finditer(r'"\w+": ?("[^"]*"|-?[\d.]+),|\w+="[^"]*" ', text))
    if not keys:
        return with_a_piece_twice(text, rng)
    key = keys[rng.integers(len(keys))]
    return text[: key.end()] + key.group() + text[key.end() :]


def nested(text: str, rng: np.random.Generator) -> str:
    depth = int(rng.choice([60, 3000, 50_000]))
    opening, closing = [("[", "]"), ('{"a":', "}"), ("<a>", "</a>"), ("- ", "")][rng.integers(4)]
    middle = int(rng.integers(len(text))) if rng.random() < 0.5 else 0
    return text[:middle] + opening * depth + text[middle:] + closing * depth


CHANGES: list[Callable[[str, np.random.Generator], str]] = [
    truncated,
    without_a_piece,
    with_a_piece_twice,
    with_another_token,
    with_another_token,
    with_another_token,
    with_two_tokens_exchanged,
    without_a_key,
    with_a_key_twice,
    nested,
]


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The bytes of a damaged copy: the text changed, or its encoding, or single bytes."""
    kind = rng.random()
    if kind < 0.06 or b"\0" in content:
        changed = bytearray(content)
        for position in rng.integers(len(changed), size=int(rng.integers(1, 6))):
            changed[position] = int(rng.integers(256))
        return bytes(changed[: rng.integers(len(changed))] if rng.random() < 0.5 else changed)
    text = content.decode()
    if kind < 0.12:
        return (text + "右肩").encode(["utf-16", "gbk", "utf-8-sig", "shift-jis"][rng.integers(4)])
    change = CHANGES[rng.integers(len(CHANGES))]
    return change(text, rng).encode("utf-8", "surrogateescape")
