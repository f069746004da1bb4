"""YAML of plain values: a text of somebody else's runs nothing and stands for no gigabytes."""

from __future__ import annotations

import re
from typing import Any

import yaml

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import shown

_DEEP = r"(?:[\[{]\s{0,9}(?:\"?\w{0,40}\"?\s{0,9}:\s{0,9})?){20}|(?:- {1,9}){20}"
"""Twenty lists or mappings that open in one another."""


def parse_yaml(text: str, *, source: str, aliases: bool = False) -> Any:
    """Return the content of a YAML text of plain values.

    Args:
        text: one document.
        source: names it in errors.
        aliases: also take `*name` in place of what `&name` marks: few of them may stand for much.

    Raises:
        InputError: it is no such text, or has a key twice; the message names the line.
    """
    # Quick to see here; PyYAML takes seconds to find out.
    if re.search(_DEEP, text):
        raise InputError(f"{source}: not usable YAML: nested too deeply")
    try:
        return yaml.load(text, Loader=_Loader if aliases else _PlainLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{source}: not usable YAML: {error.problem} at line {line}") from None
    except RecursionError:
        raise InputError(f"{source}: not usable YAML: nested too deeply") from None
    # Tags with wrong values raise almost anything in the constructors: KeyError, IndexError, ...
    except Exception as error:
        raise InputError(f"{source}: not usable YAML: {shown(str(error))}") from None


class _Loader(yaml.SafeLoader):
    """A safe loader that also refuses a key that is there twice, of which PyYAML takes the last."""

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


class _PlainLoader(_Loader):
    """A loader without aliases: a few lines of them stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(
                None, None, "aliases are not supported", self.peek_event().start_mark
            )
        return super().compose_node(parent, index)
