"""Plain values of YAML: what people read, and no more than there is."""

import math

import pytest
import yaml

from wepdtof_pose.errors import InputError
from wepdtof_pose.plain_yaml import parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0", 0),
        ("2.50", 2.5),
        ("1.0e-05", 1e-5),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30:00", "1:30:00"),
        ("2026-01-05", "2026-01-05"),
        ("no", "no"),
        ("ON", "ON"),
        ("1e-3", "1e-3"),
        ("=", "="),
        ("'3'", "3"),
        ("[a, 010, 2]", ["a", "010", 2]),
    ],
)
def test_values_are_what_they_look_like(text, value):
    found = parse_yaml(text, source="text")
    assert (found, type(found)) == (value, type(value))
    assert parse_yaml(yaml.safe_dump([value]), source="text") == [value]


def test_aliases_stand_for_what_they_name():
    text = "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n"
    assert parse_yaml(text, source="text") == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    "text",
    [
        "a: &a\n  b: *a",
        "a: &a [1, *a]",
        "\n".join(
            [
                "b0: &b0 [1]",
                *(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]" for n in range(1, 8)),
            ]
        ),
    ],
    ids=["a mapping in itself", "a list in itself", "ten million values"],
)
def test_aliases_without_end_are_refused(text):
    with pytest.raises(InputError, match=r"^text: not usable YAML: the alias stands for itself or"):
        parse_yaml(text, source="text")


def test_tabs_are_said():
    with pytest.raises(InputError, match=r"YAML: a tab, in whose place .* alone, at line 2$"):
        parse_yaml("seed: 1\n\tdevice: cpu\n", source="text")
    with pytest.raises(InputError, match="a tab, in whose place"):
        parse_yaml('{\n\t"seed": 1\n}', source="text")
