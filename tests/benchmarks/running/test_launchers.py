"""The launchers of clusters, on this machine: submitit's local executor and a local Ray."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from benchmarks.commands.main import main
from benchmarks.results.results import read_results
from benchmarks.running.launch_ray import launch as launch_ray
from benchmarks.running.launching import first_line, get_launcher
from wepdtof_pose.errors import InputError

MORE = ("--ratio", "8", "--methods", "supervised", "--seeds", "2", "--preset", "quick")


def launch(bench_arguments, data, output, *more):
    return CliRunner().invoke(main, bench_arguments(data, output, *MORE, *more))


def test_slurm_runs_a_cell_a_task(tiny_fisheye, tmp_path, bench_arguments):
    pytest.importorskip("submitit")
    output = tmp_path / "out"
    more = ("--launcher", "slurm", "--launcher-set", "cluster=local")
    found = launch(bench_arguments, tiny_fisheye, output, *more)
    assert found.exit_code == 0, found.output
    assert found.output.count(": submitted (job ") == 2
    assert len(read_results(output).cells) == 2
    again = launch(bench_arguments, tiny_fisheye, output, *more)
    assert again.output.count("already there") == 2


def test_slurm_options_are_submitits(tiny_fisheye, tmp_path, bench_arguments, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.chdir(tmp_path)
    more = ("--launcher", "slurm", "--launcher-set", "cluster=local", "--launcher-set", "colour=3")
    found = launch(bench_arguments, tiny_fisheye, tmp_path / "out", *more)
    assert found.exit_code == 2
    assert "--launcher slurm:" in found.output
    assert "colour" in found.output
    assert not list(tmp_path.iterdir())


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A cluster whose sbatch keeps what it is given, or does what a test writes in its place."""
    pytest.importorskip("submitit")
    commands = tmp_path / "bin"
    commands.mkdir()
    script = f'#!/bin/sh\ncp "$1" {tmp_path}/submitted.sh\necho Submitted batch job 7\n'
    for name in ("srun", "sbatch"):
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    return commands


@pytest.mark.parametrize(
    ("settings", "minutes"),
    [((), "1440"), (("timeout_min=90",), "90"), (("slurm_time=30",), "30")],
    ids=["a day by default", "submitit's name", "Slurm's name"],
)
def test_a_slurm_task_has_time_to_train(
    tiny_fisheye, tmp_path, bench_arguments, slurm, settings, minutes
):
    options = [part for text in settings for part in ("--launcher-set", text)]
    more = ("--launcher", "slurm", "--launcher-set", "cpus_per_task=4", *options)
    found = launch(bench_arguments, tiny_fisheye, tmp_path / "out", *more)
    assert found.exit_code == 0, found.output
    for number in (0, 1):
        assert f": submitted (job 7_{number}, at most {minutes} minutes)" in found.output
    lines = (tmp_path / "submitted.sh").read_text().splitlines()
    assert f"#SBATCH --time={minutes}" in lines
    assert "#SBATCH --cpus-per-task=4" in lines
    assert not any("gpus" in line for line in lines)


def test_what_slurm_refuses_is_one_line(tiny_fisheye, tmp_path, bench_arguments, slurm):
    refusal = "sbatch: error: invalid partition specified: nowhere"
    (slurm / "sbatch").write_text(
        f"#!/bin/sh\nprintf '{refusal}\nsbatch: error: failed\\n' >&2\nexit 1\n"
    )
    more = ("--launcher", "slurm", "--launcher-set", "slurm_partition=nowhere")
    found = launch(bench_arguments, tiny_fisheye, tmp_path / "out", *more)
    assert found.exit_code == 2
    assert found.output.splitlines()[-1].endswith(f"--launcher slurm: {refusal}")
    assert "submitted" not in found.output


def test_a_slurm_option_of_the_wrong_kind(tiny_fisheye, tmp_path, bench_arguments, slurm):
    more = ("--launcher", "slurm", "--launcher-set", "timeout_min=long")
    found = launch(bench_arguments, tiny_fisheye, tmp_path / "out", *more)
    assert found.exit_code == 2
    assert 'Parameter "timeout_min" expected type' in found.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_ray_runs_a_cell_a_task(tiny_fisheye, tmp_path, bench_arguments):
    pytest.importorskip("ray")
    output = tmp_path / "out"
    more = ("--launcher", "ray", "--jobs", "1", "--launcher-set", "num_cpus=1")
    found = launch(bench_arguments, tiny_fisheye, output, *more)
    assert found.exit_code == 0, found.output
    assert len(read_results(output).cells) == 2


@pytest.mark.parametrize(("extra", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_a_missing_engine_is_named(tiny_fisheye, tmp_path, bench_arguments, extra, package):
    arguments = bench_arguments(tiny_fisheye, tmp_path / "out", *MORE, "--launcher", extra)
    start = "from benchmarks.commands.main import main; main()"
    code = f"import sys; sys.modules[{package!r}] = None; {start}"
    found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert found.returncode == 2
    assert f"pip install 'wepdtof-pose[{extra}]'" in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_options_of_clusters_are_not_for_this_machine(tiny_fisheye, tmp_path, bench_arguments):
    more = ("--launcher-set", "num_cpus=1")
    found = launch(bench_arguments, tiny_fisheye, tmp_path / "out", *more)
    assert found.exit_code == 2
    assert "--launcher-set is for" in found.output
    assert not (tmp_path / "out").exists()


def test_a_malformed_option_is_named_as_it_was_given(tiny_fisheye, tmp_path, bench_arguments):
    more = ("--launcher", "slurm", "--launcher-set", "partition")
    found = launch(bench_arguments, tiny_fisheye, tmp_path / "out", *more)
    assert found.exit_code == 2
    assert "--launcher-set 'partition': expected KEY=VALUE" in found.output


def test_an_unknown_launcher():
    with pytest.raises(InputError, match="unknown launcher 'moon'"):
        get_launcher("moon", {})


def test_an_error_without_a_text_is_named_by_its_class():
    assert first_line(RuntimeError("one\ntwo")) == "one"
    assert first_line(RuntimeError()) == "RuntimeError"


class FakeRay:
    """As much of Ray as a launch that fails needs."""

    def is_initialized(self):
        return False

    def shutdown(self):
        pass

    def init(self, **arguments):
        raise ConnectionError("nobody at this address\nmore")


def test_what_ray_refuses_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    with pytest.raises(InputError, match=r"^--launcher ray: nobody at this address$"):
        list(launch_ray([], jobs=0, device="cpu", options={"address": "x:1"}))
