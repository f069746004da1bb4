"""Public files from their mirrors, and links that are checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from wepdtof_pose.commands.main import main


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["download", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


FILES = {f"val/{i:03}.jpg": np.random.default_rng(i).bytes(40_000) for i in range(30)}


def val_entry(url: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "val.zip",
        "urls": [url],
        "from": "val",
        "to": "images/val",
        "holds": [],
        **more,
    }


def test_public_files_with_a_mirror(
    root: Path, server: Any, make_zip: Callable, make_registry: Callable, tree: Callable
) -> None:
    dead = server.base + "/gone.zip"
    url = server.serve("/val.zip", make_zip(FILES), cuts=[300_000])
    registry = make_registry(val_entry(url, urls=[dead, url], images=30))
    options = ("--source", "coco", "--root", root, "--registry", registry, "--accept-license")
    result = run(*options)
    assert result.exit_code == 0, result.output
    assert {f"val/{n}": c for n, c in tree(root / "coco/images/val").items()} == FILES
    asked = len(server.pages["/val.zip"].requests)
    assert run(*options).exit_code == 0
    assert len(server.pages["/val.zip"].requests) == asked


def test_public_files_that_are_not_what_they_should_be(
    root: Path, server: Any, make_zip: Callable, make_registry: Callable
) -> None:
    url = server.serve("/val.zip", make_zip(FILES))
    for more, message in (
        ({"images": 31}, "has 30 images, expected 31"),
        ({"from": "train"}, "has no folder train/"),
        ({"holds": ["x.json"], "images": 30}, "lacks x.json"),
    ):
        registry = make_registry(val_entry(url, **more))
        result = run("--source", "coco", "--root", root, "--registry", registry, "--accept-license")
        assert result.exit_code == 2
        assert message in result.output
        assert not (root / "coco").exists()


def test_check_links(server: Any, make_registry: Callable, root: Path) -> None:
    page = server.serve("/log-in", b"<html><title>Log in</title>", content_type="text/html")
    good = server.serve("/val.zip", b"PK\x03\x04" + bytes(5000))
    registry = make_registry(
        val_entry(good, urls=[good, page, server.base + "/gone"], size=5004),
        val_entry(good, name="other.zip", size=9),
    )
    result = run("--check-links", "--registry", registry, "--root", root)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].split() == ["ok", "206", "5004", "application/zip", good]
    assert "sends a web page ('Log in')" in lines[1]
    assert lines[2].startswith("BAD  404")
    assert "has 5004 bytes, the registry says 9" in lines[3]
    assert lines[4] == "4 links, 3 of them bad"
    assert not root.exists()
    alone = run("--check-links", "--url", good)
    assert alone.exit_code == 0
