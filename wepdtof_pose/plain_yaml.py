"""YAML of plain values: a text of somebody else's runs nothing and stands for no gigabytes.

Unquoted values are numbers or true and false where they look so to people, and texts otherwise.
PyYAML, which follows YAML 1.1, takes 010 for 8, 1:30 for 90, 2026-01-05 for a date and no for
false.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import shown

_DEEP = r"(?:[\[{]\s{0,9}(?:\"?\w{0,40}\"?\s{0,9}:\s{0,9})?){20}|(?:- {1,9}){20}"
"""Twenty lists or mappings that open in one another."""

_TAB = "a tab, in whose place YAML takes spaces alone,"

_MOST_VALUES = 100_000
"""Values that a text with aliases may stand for."""


def parse_yaml(text: str, *, source: str) -> Any:
    """Return the content of a YAML text of plain values.

    Args:
        text: one document.
        source: names it in errors.

    Raises:
        InputError: it is no such text, has a key twice, or stands by its aliases for itself or for
            very many values; the message names the line.
    """
    # Quick to see here; PyYAML takes seconds to find out.
    if re.search(_DEEP, text):
        raise InputError(f"{source}: not usable YAML: nested too deeply")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        problem = _TAB if "'\\t'" in str(error.problem) else error.problem
        raise InputError(f"{source}: not usable YAML: {problem} at line {line}") from None
    except RecursionError:
        raise InputError(f"{source}: not usable YAML: nested too deeply") from None
    # Tags with wrong values raise almost anything in the constructors: KeyError, IndexError, ...
    except Exception as error:
        raise InputError(f"{source}: not usable YAML: {shown(str(error))}") from None


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key that is there twice, of which PyYAML takes the last.

    It also refuses a few lines of aliases that stand for gigabytes, or for themselves.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = 0
        self._within: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        alias = self.check_event(yaml.AliasEvent)
        mark, before = self.peek_event().start_mark, self._values
        self._values += 1
        node = super().compose_node(parent, index)
        if not alias:
            self._within[id(node)] = self._values - before
            return node
        # What an alias stands for is not counted yet where the alias is inside of it.
        self._values += self._within.get(id(node), _MOST_VALUES)
        if self._values > _MOST_VALUES:
            problem = "the alias stands for itself or for very many values,"
            raise yaml.composer.ComposerError(None, None, problem, mark)
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        keys: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if (key.tag, key.value) in keys:
                problem = f"the key {shown(key.value)} is there twice, again"
                raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
            keys.add((key.tag, key.value))
        return node


_Loader.yaml_implicit_resolvers = {}
_NUMBER = list("-+0123456789.")
for _tag, _form, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", ["<"]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(?:0|[1-9][0-9]*)", _NUMBER),
    # As in YAML 1.1, 1e-3 is a text.
    ("float", r"(?:[-+]?[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?", _NUMBER),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", _NUMBER),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_form})$"), _first)
