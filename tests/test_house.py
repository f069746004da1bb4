"""The shape of the house: which way imports point, and how large rooms and modules are."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("wepdtof_pose", "sspcm", "benchmarks")
LONGEST, FULLEST = 500, 17
"""Lines of a module, and modules of a folder."""

FORBIDDEN = {
    "wepdtof_pose": {"torch", "sspcm", "benchmarks"},
    "sspcm": {"benchmarks"},
    "benchmarks": set(),
}
"""What no module of a package may import, not even inside a function."""


def modules() -> dict[str, Path]:
    """All modules by name; a package stands for its `__init__`."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path) -> set[str]:
    """Every name that a file imports, wherever in it.

    What a front door imports for type checkers alone is loaded when somebody asks for it.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.name == "__init__.py":
        tree.body = [node for node in tree.body if not is_for_type_checkers(node)]
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_for_type_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def graph() -> dict[str, set[str]]:
    """The modules of ours that each module imports."""
    known = modules()

    def ours(names: Iterable[str]) -> Iterator[str]:
        for name in names:
            yield from [n for n in (name, name.rpartition(".")[0]) if n in known][:1]

    return {name: set(ours(imported(path))) - {name} for name, path in known.items()}


def folders(of: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The same between folders; modules beside a package's `__init__` stand alone."""
    known = modules()

    def folder(name: str) -> str:
        parent = known[name].relative_to(ROOT).parent
        return name if len(parent.parts) == 1 else ".".join(parent.parts)

    found: dict[str, set[str]] = {}
    for name, others in of.items():
        found.setdefault(folder(name), set()).update(map(folder, others))
    return {name: others - {name} for name, others in found.items()}


def circle(of: Mapping[str, set[str]]) -> list[str]:
    """A circle, from one of its members back to itself; none if there is none.

    >>> circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})
    ['b', 'c', 'b']
    """
    done: set[str] = set()
    for start in of:
        path, left = [start], [iter(sorted(of[start]))]
        while path:
            following = next((name for name in left[-1] if name not in done), None)
            if following is None:
                done.add(path.pop())
                left.pop()
            elif following in path:
                return [*path[path.index(following) :], following]
            else:
                path.append(following)
                left.append(iter(sorted(of.get(following, set()))))
    return []


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) == []


def test_there_is_no_circle_of_modules_or_folders() -> None:
    found = graph()
    assert len(found) > 200
    assert sum(map(len, found.values())) > 800
    assert circle(found) == []
    assert circle(folders(found)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_point_one_way(package: str) -> None:
    wrong = {
        name: sorted(others)
        for name, path in modules().items()
        if name.split(".")[0] == package
        and (others := {n.split(".")[0] for n in imported(path)} & FORBIDDEN[package])
    }
    assert wrong == {}


def test_fiftyone_is_imported_in_its_room_alone() -> None:
    users = {
        name
        for name, path in modules().items()
        if any(other.split(".")[0] == "fiftyone" for other in imported(path))
    }
    others = {name for name in users if not name.startswith("wepdtof_pose.browse.")}
    # Poses.to_fiftyone, when it is called.
    assert others == {"sspcm.inference.poses"}


def test_rooms_and_modules_have_a_size_that_one_takes_in() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in modules().items()}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}
    rooms = Counter(str(path.parent.relative_to(ROOT)) for path in modules().values())
    assert {room: count for room, count in rooms.items() if count > FULLEST} == {}
