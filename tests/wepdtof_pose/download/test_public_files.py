"""Files that anybody may fetch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from command_line import runner

from wepdtof_pose.commands.main import main

run = runner(main, "download")


FILES = {f"val/{i:03}.jpg": np.random.default_rng(i).bytes(40_000) for i in range(30)}


def val_entry(url: str, **more: Any) -> dict[str, Any]:
    return {"name": "val.zip", "url": url, "from": "val", "to": "images/val", **more}


def test_public_files(
    root: Path, server: Any, make_zip: Callable, make_registry: Callable, tree: Callable
) -> None:
    url = server.serve("/val.zip", make_zip(FILES), cuts=[300_000])
    registry = make_registry(val_entry(url))
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
        ({"size": 31}, "expected 31"),
        ({"sha256": "0" * 64}, "expected 0000"),
        ({"from": "train"}, "has no folder train/"),
    ):
        registry = make_registry(val_entry(url, **more))
        result = run("--source", "coco", "--root", root, "--registry", registry, "--accept-license")
        assert result.exit_code == 2
        assert message in result.output
        assert not (root / "coco").exists()
