"""The commands as a person meets them, also on a machine without FiftyOne."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from wepdtof_pose.annotations import sample_folder

REPOSITORY = Path(__file__).parents[3]


def run(
    *arguments: object, env: dict[str, str] | None = None, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    code = "from wepdtof_pose.commands.main import main; main(prog_name='wepdtof-pose')"
    return subprocess.run(
        [sys.executable, *options, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **(env or {})},
    )


@pytest.fixture(scope="module")
def without_fiftyone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which all installed packages are there, but FiftyOne is not."""
    folder = tmp_path_factory.mktemp("packages")
    for place in {*map(sysconfig.get_path, ("purelib", "platlib"))}:
        for entry in Path(place).iterdir():
            named = entry.name.lower()
            if not named.startswith(("fiftyone", "__editable__")) and not named.endswith(".pth"):
                (folder / entry.name).symlink_to(entry)
    shutil.rmtree(folder / "wepdtof_pose", ignore_errors=True)
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)])}


@pytest.mark.parametrize("command", ["browse", "register"])
def test_without_fiftyone_it_says_what_to_install(
    command: str, without_fiftyone: dict[str, str]
) -> None:
    done = run(command, sample_folder(), env=without_fiftyone, options=("-S",))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "wepdtof-pose: error: FiftyOne is not installed: pip install 'wepdtof-pose[browse]'\n"
    )


def test_doctor_without_fiftyone_finds_no_problem_in_it(without_fiftyone: dict[str, str]) -> None:
    done = run("doctor", env=without_fiftyone, options=("-S",))
    assert "-       mongodb   no FiftyOne" in done.stdout
    assert "-> pip install 'wepdtof-pose[browse]'" in done.stdout
    assert (done.returncode == 1) == ("PROBLEM" in done.stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere: no such file or folder"),
        ((sample_folder(), "--predictions", "none.json"), "none.json: no such file"),
        ((sample_folder(), "--predictions", "a=x", "--predictions", "a=y"), "'a' is taken"),
    ],
)
def test_wrong_input_is_one_line(arguments: tuple[object, ...], message: str) -> None:
    done = run("browse", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "options", [("--tag", "x"), ("--export", "x.json", "--predictions", "y.json")]
)
def test_options_that_do_not_go_together(options: tuple[str, ...]) -> None:
    done = run("browse", sample_folder(), *options)
    assert done.returncode == 2
    assert "--export" in done.stderr


@pytest.mark.fiftyone
def test_a_mongodb_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    # An address at which nothing answers, and little patience.
    address = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=500"
    env = {"FIFTYONE_DATABASE_URI": address, "FIFTYONE_DATABASE_DIR": str(tmp_path)}
    done = run("browse", sample_folder(), "--no-open", env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert "MongoDB does not answer" in done.stderr
    assert done.stderr.count("\n") == 1
