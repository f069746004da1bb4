"""The launchers of clusters, on this machine: submitit's local executor and a local Ray."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from benchmarks.cli import main
from benchmarks.launch_ray import launch as launch_ray
from benchmarks.launching import first_line, get_launcher
from benchmarks.results import read_results
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
    code = f"import sys; sys.modules[{package!r}] = None; from benchmarks.cli import main; main()"
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
