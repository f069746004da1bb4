"""Whatever is killed with SIGKILL at whatever moment: run again, and the results are the same."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.results.results import read_results
from sspcm.runs.folder import RunFolder

BENCH = [sys.executable, "-c", "from benchmarks.commands.main import main; main()"]
MORE = ("--ratio", "8", "--methods", "sspcm", "--seeds", "2", "--preset", "quick", "--jobs", "2")
EPOCHS = ("--set", "optimisation.epochs=6", "--set", "optimisation.milestones=[4]")
TIMED = ("training_seconds", "peak_memory_bytes")

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").is_file(), reason="finds processes by Linux's /proc"
)


def descendants(pid):
    """Processes that a process started, and theirs, without the resource tracker."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(path.parent.name)] = int(fields[1])
    found, frontier = [], [pid]
    while frontier:
        frontier = [child for child, parent in parents.items() if parent in frontier]
        found += frontier
    return found


def cell_processes(pid):
    """Leaves of the tree: main process, fork server, cells."""
    tree = descendants(pid)
    inner = {child for process in tree for child in descendants(process)}
    return sorted(inner)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, *, seconds=90):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.02)


def epochs(output):
    """Epochs done, of all cells."""
    return sum(len(RunFolder(path).read_metrics()) for path in (output / "cells").glob("*"))


def start(arguments):
    return subprocess.Popen([*BENCH, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def untimed(output):
    """All that a run leaves, without what the clock and the memory say."""
    found = {}
    for cell in read_results(output).cells:
        run = RunFolder(cell.folder)
        written = json.loads((cell.folder / "result.json").read_text())
        result = {key: value for key, value in written.items() if key not in TIMED}
        metrics = [{k: v for k, v in row.items() if k != "seconds"} for row in cell.metrics]
        found[cell.folder.name] = (result, metrics, json.loads(run.predictions_file.read_text()))
    return found


@pytest.mark.slow
def test_any_process_killed_at_any_moment(tiny_fisheye, tmp_path, bench_arguments):
    def arguments(output):
        return bench_arguments(tiny_fisheye, output, *MORE, *EPOCHS)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert subprocess.run([*BENCH, *arguments(whole)], capture_output=True).returncode == 0

    # The main process, before anything has been written by a cell: the cells end with it.
    main = start(arguments(killed))
    wait_until(lambda: len(cell_processes(main.pid)) == 2)
    orphans = descendants(main.pid)
    os.kill(main.pid, signal.SIGKILL)
    main.wait()
    wait_until(lambda: not any(alive(pid) for pid in orphans))

    # A cell in the middle of its training: the other one goes on, and the exit code says so.
    main = start(arguments(killed))
    wait_until(lambda: epochs(killed) >= 3)
    os.kill(cell_processes(main.pid)[0], signal.SIGKILL)
    printed, _ = main.communicate()
    assert main.returncode == 1, printed.decode()
    assert b"failed (its process ended with -9)" in printed
    (done,) = (path for path in (killed / "cells").glob("*") if RunFolder(path).finished)

    # What a process killed while it writes leaves behind.
    for path in filter(Path.is_dir, (killed / "cells").glob("*")):
        (path / ".config.yaml.abcdefgh.part").write_text("half")
        (path / "checkpoints" / ".last.pt.abcdefgh.part").write_text("half")

    finished = subprocess.run([*BENCH, *arguments(killed)], capture_output=True)
    assert finished.returncode == 0, finished.stderr.decode()
    assert untimed(killed) == untimed(whole)
    # The cell that went on has swept its folder; nobody has touched that of the finished one.
    left = list((killed / "cells").rglob(".*.part"))
    assert len(left) == 2
    assert all(path.is_relative_to(done) for path in left)


@pytest.mark.parametrize(
    "moment",
    [pytest.param(0.3, marks=pytest.mark.slow), 0.8, pytest.param(1.5, marks=pytest.mark.slow)],
)
def test_main_process_and_fork_server_killed_in_their_first_seconds(
    tiny_fisheye, tmp_path, bench_arguments, moment
):
    arguments = bench_arguments(tiny_fisheye, tmp_path / "out", *MORE)
    main = start(arguments)
    wait_until(lambda: bool(descendants(main.pid)) or main.poll() is not None)
    time.sleep(moment)
    for pid in [*descendants(main.pid)[:2], main.pid]:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
    main.communicate()
    # Killed in the middle of its very first file.
    half = tmp_path / "out" / "cells" / "sspcm-8-seed0" / ".config.yaml.abcdefgh.part"
    half.parent.mkdir(parents=True, exist_ok=True)
    half.write_text("half")
    again = subprocess.run([*BENCH, *arguments], capture_output=True)
    assert again.returncode == 0, again.stdout.decode() + again.stderr.decode()
    assert len(read_results(tmp_path / "out").cells) == 2
