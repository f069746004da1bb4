"""Killed at any moment and run again, a download ends with the same bytes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FILES = {f"val/{i:03}.jpg": np.random.default_rng(i).bytes(100_000) for i in range(4)}
COMMAND = [sys.executable, "-c", "from wepdtof_pose.commands.main import main; main()", "download"]

KILL_BEFORE_EACH_CHANGE = """
import os, signal, sys
from pathlib import Path
from wepdtof_pose.download.install import download
from wepdtof_pose.download.sources import read_registry

source = read_registry(Path(sys.argv[1]))["coco"]
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"}

def run(root, kill_at):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    seen = 0
    def count(event, arguments):
        nonlocal seen
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
        if event in CHANGES or writes:
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    sys.stderr = open(os.devnull, "w")
    download(source, root, say=lambda line: None)
    os._exit(0)

def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

base = Path(sys.argv[2])
assert run(base / "calm", None) == 0
calm = tree(base / "calm")
kills = 0
while True:
    root = base / f"killed {kills} ä"
    if run(root, kills + 2) == 0:
        break
    kills += 1
    whole = root / "coco/images/val"
    assert not whole.exists() or tree(whole) == tree(base / "calm/coco/images/val"), root
    assert run(root, None) == 0, root
    assert tree(root) == calm, root
print(kills)
"""


def test_killed_before_each_change_on_the_disk(
    tmp_path: Path, server: Any, make_zip: Callable, make_registry: Callable
) -> None:
    url = server.serve("/val.zip", make_zip(FILES))
    registry = make_registry(_entry(url))
    done = subprocess.run(
        [sys.executable, "-c", KILL_BEFORE_EACH_CHANGE, str(registry), str(tmp_path / "ä")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 15


def test_killed_on_the_way(
    tmp_path: Path,
    server: Any,
    make_zip: Callable,
    make_registry: Callable,
    tree: Callable[[Path], dict[str, bytes]],
) -> None:
    url = server.serve("/val.zip", make_zip(FILES), drip=0.02, piece=1 << 14)
    registry = make_registry(_entry(url))
    options = ["--source", "coco", "--registry", str(registry), "--accept-license", "--root"]
    calm, killed = tmp_path / "calm ä", tmp_path / "killed ä"
    subprocess.run([*COMMAND, *options, str(calm)], check=True, capture_output=True)
    part = killed / "downloads/coco/val.zip.part"
    for size in (1, 200_000):
        with subprocess.Popen(
            [*COMMAND, *options, str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while process.poll() is None and not (part.exists() and part.stat().st_size >= size):
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        assert not (killed / "coco").exists()
    subprocess.run([*COMMAND, *options, str(killed)], check=True, capture_output=True)
    assert tree(killed) == tree(calm)
    asked = [r.get("Range") for r in server.pages["/val.zip"].requests]
    assert asked[:2] == [None, None]
    assert None not in asked[2:]
    assert json.loads((killed / "downloads.json").read_text()).keys() == {"coco/val.zip"}


def _entry(url: str) -> dict[str, Any]:
    return {
        "name": "val.zip",
        "url": url,
        "from": "val",
        "to": "images/val",
    }
