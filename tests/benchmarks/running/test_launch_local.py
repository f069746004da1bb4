"""Jobs at a time on one machine: their threads and GPUs."""

import json
import multiprocessing
import time
from pathlib import Path

import pytest
import torch

from benchmarks.running import launch_local
from benchmarks.running.launch_local import threads_of_a_job
from benchmarks.running.launching import Task
from wepdtof_pose.files import replacing


def test_threads_are_divided_among_jobs(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(launch_local, "usable_cores", lambda: 8)
    assert [threads_of_a_job(jobs) for jobs in (1, 2, 3, 16)] == [None, 4, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_of_a_job(2) is None


@pytest.mark.parametrize(
    ("count", "variable", "names"),
    [
        (2, None, ["0", "1"]),
        (2, "4,6", ["4", "6"]),
        (1, "GPU-ab", ["GPU-ab"]),
        (1, "3,9", ["3"]),
        (0, None, []),
        (0, "", []),
    ],
)
def test_gpus_are_named_as_the_variable_names_them(monkeypatch, count, variable, names):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert launch_local.visible_gpus() == names


@pytest.mark.parametrize(
    ("device", "gpus"), [("auto", {"4", "6"}), ("cuda", {"4", "6"}), ("cpu", {None})]
)
def test_jobs_at_a_time_have_a_gpu_each(tmp_path, monkeypatch, device, gpus):
    def work(task, gpu, threads):
        (tmp_path / task.name).write_text(json.dumps(gpu))

    fork = multiprocessing.get_context("fork")
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: fork)
    monkeypatch.setattr(launch_local, "visible_gpus", lambda: ["4", "6"])
    monkeypatch.setattr(launch_local, "_work", work)
    tasks = [Task(str(tmp_path), name, "", "") for name in ("a", "b")]
    events = list(launch_local.launch(tasks, jobs=2, device=device, options={}))
    assert sorted((event.name, event.state) for event in events) == [
        ("a", "done"),
        ("a", "started"),
        ("b", "done"),
        ("b", "started"),
    ]
    assert {json.loads((tmp_path / name).read_text()) for name in ("a", "b")} == gpus


def test_a_cell_that_is_ended_leaves_nothing_half_written(tmp_path, monkeypatch):
    def run_cell(folder, name, config, where):
        with replacing(Path(folder, "last.pt")) as part:
            part.write_text("half")
            Path(folder, "began").touch()
            time.sleep(60)

    fork = multiprocessing.get_context("fork")
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: fork)
    monkeypatch.setattr(launch_local, "run_cell", run_cell)
    tasks = [Task(str(tmp_path), "a", "", "")]
    events = launch_local.launch(tasks, jobs=1, device="cpu", options={})
    assert next(events).state == "started"
    (cell,) = multiprocessing.active_children()
    while not (tmp_path / "began").exists():
        time.sleep(0.01)
    events.close()
    cell.join(30)
    assert cell.exitcode == 143
    assert [entry.name for entry in tmp_path.iterdir() if entry.suffix != ".lock"] == ["began"]
