"""Kill every writing command at random moments, and race two of each on one output.

Run as a program it prints one JSON object: kills and races done, and what went wrong; while it
runs, a line for each on stderr. All commands run in forks of this process, which has imported
everything, so that a kill meets work and not an import. The arguments: folder, kills, races, seed,
and names of commands (all without any).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.commands.main import main as bench
from sspcm.commands.main import main as engine
from wepdtof_pose.commands.main import main as toolkit


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SETTINGS = words(
    "--device cpu --set network.name=resnet18_lateral --set network.width=8 "
    "--set network.deconv_channels=16 --set data.crop_width=64 --set data.crop_height=96 "
    "--set optimisation.epochs=3 --set optimisation.epoch_steps=2 --set optimisation.batch_size=4 "
    "--set optimisation.milestones=[] --set optimisation.burn_in_epochs=0 "
    "--set network.pretrained=null --set network.frozen_stages=0"
)
VOLATILE = {
    *("result.json", "env.json", "metrics.jsonl", "last.pt", "best.pt", "downloads.json"),
    *("summary.json", "out.html", "out.pt", "report.json", "start.pt", "speed.json", "speed.md"),
}
"""Files that hold times, places or hashes of such: their names are compared, not their bytes."""
PLACES = ("TMPDIR", "WEPDTOF_CACHE_DIR")
"""Folders beside those in which commands run; each try begins with empty ones."""
ENDS = ((signal.SIGKILL, os.kill), (signal.SIGTERM, os.kill), (signal.SIGINT, os.killpg))
"""How a command is stopped; Ctrl-C in a terminal reaches its workers, too."""
LONGEST = 1200.0
"""Seconds after which a command hangs and is killed."""


@dataclass(frozen=True)
class Writer:
    """A command that writes `out` in its folder.

    Attributes:
        command: the group to run.
        arguments: with `{set}`, `{archive}` and `{run}` for the inputs, and `out` relative.
        out: what it writes.
        in_place: whether the output grows file by file and is completed by the next run.
        before: makes what lies at `out` beforehand.
        given: the input of this name is copied to `out` beforehand; a folder or a file.
        refused: whether the command, run again, refuses what it finds in its folder.
        volatile: more files of which only the names are compared.
    """

    name: str
    command: Callable[..., object]
    arguments: tuple[str, ...]
    out: str
    in_place: bool = False
    before: tuple[str, ...] = ()
    given: str = ""
    refused: Callable[[Path], bool] = lambda folder: False
    volatile: tuple[str, ...] = ()


def is_there(folder: Path) -> bool:
    return (folder / "out").exists()


def is_predicted(folder: Path) -> bool:
    out = folder / "out"
    return (out / "summary.json").exists() and not (out / "unfinished.jsonl").exists()


CONVERT = words("convert {set} out --from coco --to coco")
WRITERS = (
    Writer("synth", toolkit, words("synth out --people 30 --size 96 --workers 1"), "out", True),
    Writer("convert", toolkit, CONVERT, "out"),
    Writer(
        "convert over old",
        toolkit,
        (*CONVERT, *words("--keypoints coco-17")),
        "out",
        before=CONVERT,
    ),
    Writer(
        "split", toolkit, words("split {set} --train 50 --test 50 -o out"), "out", refused=is_there
    ),
    Writer("labels", toolkit, words("split {set} --labels 4 -o l.json"), "l.json"),
    Writer("sides", toolkit, words("split {set} --train 50 --test 50 -o s.json"), "s.json"),
    Writer("fix", toolkit, words("validate {set} --fix out"), "out", refused=is_there),
    Writer("stats", toolkit, words("stats {set} --plots out"), "out", True),
    Writer("visualize", toolkit, words("visualize {set} -o out --limit 6"), "out", True),
    Writer("film", toolkit, words("visualize {set} -o out --video"), "out", True),
    Writer("grid", toolkit, words("visualize {set} -o out --grid"), "out", True),
    Writer("sheet", toolkit, words("visualize {set} -o out --sheet"), "out", True),
    Writer("heatmaps", toolkit, words("visualize {set} -o out --heatmaps"), "out", True),
    Writer(
        "download",
        toolkit,
        words("download --accept-license --archive {archive} --root out"),
        "out",
        True,
    ),
    Writer(
        "train",
        engine,
        (
            *words("train --data {set} --method supervised --labels 6 --resume -o out"),
            *SETTINGS,
            *words("--set data.cache=crops"),
        ),
        "out",
        True,
    ),
    Writer("pseudo-labels", engine, words("pseudo-labels {student} -o out.json"), "out.json"),
    Writer("find", engine, words("find {set}/images --side 64 -o out.json"), "out.json"),
    Writer("find film", engine, words("find {film} --side 64 -o out.json"), "out.json"),
    Writer(
        "predict",
        engine,
        words("predict {run} {set}/images --draw --drafts coco -o out"),
        "out",
        True,
        refused=is_predicted,
    ),
    Writer(
        "adapt",
        engine,
        words(
            "adapt --model {run} --data {set}/images --frames 6 --drawn 6 --steps 2 --device cpu "
            "--boxes {set}/annotations/person_keypoints.json -o out"
        ),
        "out",
        True,
    ),
    Writer(
        "predict film",
        engine,
        words("predict {run} {film} --draw -o out"),
        "out",
        True,
        refused=is_predicted,
    ),
    Writer("rank", engine, words("rank {set} --model {run} -n 4 -o out.json"), "out.json"),
    Writer("evaluate", engine, words("evaluate {run} -o out.json"), "out.json"),
    Writer("export", engine, words("export {run} -o out.onnx"), "out.onnx"),
    Writer(
        "export finder",
        engine,
        words("export ceiling-find --weights int8 -o out.onnx"),
        "out.onnx",
    ),
    Writer("weights", engine, words("import-weights {weights} -o out.pt"), "out.pt"),
    # It measures the grid that is then copied.
    Writer("report", bench, words("report {grid} -o out.html"), "out.html"),
    Writer("table", bench, words("table out"), "out", True, given="grid"),
    Writer("table into", bench, words("table --into out.md"), "out.md", given="page"),
    Writer(
        "speed",
        bench,
        words(
            "speed --parts steps --methods supervised --crop 64x96 --batch 2 --repeats 1 "
            "--device cpu -o out"
        ),
        "out",
        True,
    ),
    Writer("plot", bench, words("plot out"), "out", True, given="grid"),
    Writer(
        "bench rank",
        bench,
        (*words("rank --data {set} --first 4 --labels 6 --seeds 2 -o out"), *SETTINGS[2:]),
        "out",
        True,
        volatile=("ranked-seed0.json", "ranked-seed1.json"),
    ),
    Writer(
        "bench",
        bench,
        (*words("run --data {set} --ratio 6 --methods supervised -o out"), *SETTINGS),
        "out",
        True,
        volatile=("runs.csv", "table.csv", "table.md", "table.tex"),
    ),
    Writer(
        "bench burn-in",
        bench,
        (
            *words("run --data {set} --ratio 6 --methods pose_dual,pose_cons --jobs 2 -o out"),
            *SETTINGS,
            *words("--set optimisation.burn_in_epochs=1"),
        ),
        "out",
        True,
        volatile=("runs.csv", "table.csv", "table.md", "table.tex"),
    ),
)


INPUTS: dict[str, tuple[Callable[..., object], str, str]] = {
    "set": (toolkit, "synth set --people 24 --size 96 --workers 1", "set"),
    "archive": (lambda *_, **__: shutil.make_archive("archive", "zip", "set"), "", "archive.zip"),
    "run": (engine, "train --data {base}/set --method supervised --labels 6 -o run", "run"),
    "student": (
        engine,
        "train --data {base}/set --method pose_dual --labels 6 -o student",
        "student",
    ),
    "grid": (bench, "run --data {base}/set --ratio 6 --methods supervised -o grid", "grid"),
    "page": (lambda *_, **__: save_page(), "", "page.md"),
    "film": (toolkit, "visualize set -o films --video", "films/film.mp4"),
    "weights": (lambda *_, **__: save_weights(), "", "weights.pth"),
}
"""What the commands read by name: how it is made, and where it then is."""


def prepare(base: Path, writers: Iterable[Writer]) -> dict[str, str]:
    """Make the inputs of these commands once; gives what their arguments name."""
    os.chdir(base)
    for name in PLACES:
        (base / name).mkdir(exist_ok=True)
    named = " ".join(word for w in writers for word in (*w.arguments, f"{{{w.given}}}"))
    named += "{grid}" if "{page}" in named else ""
    for name, (command, text, _) in INPUTS.items():
        if name == "set" or f"{{{name}}}" in named:
            settings = SETTINGS if command in (engine, bench) else ()
            assert run(command, (*words(text.format(base=base)), *settings), base) == 0, said(base)
            shutil.rmtree(base / "set" / ".scenes", ignore_errors=True)
    return {name: str(base / file) for name, (_, _, file) in INPUTS.items()}


def save_page() -> None:
    """Write a text that marks the table of the grid."""
    grid = Path("grid").resolve()
    Path("page.md").write_text(f"Before\n<!-- table of {grid} -->\n<!-- end of table -->\nAfter\n")


def save_weights() -> None:
    """Save a network with fresh weights as training scripts do, for import-weights."""
    import torch

    from sspcm.networks import build_network

    network = build_network("resnet18", 24, width=16, deconv_channels=16)
    torch.save({"state_dict": network.state_dict()}, "weights.pth")


def start(command: Callable[..., object], arguments: Iterable[str], folder: Path) -> int:
    """Fork a process that runs the command in the folder; gives its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        # A shell starts what it runs in the background deaf to Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        for name in PLACES:
            os.environ[name] = str(folder.with_name(name))
        tempfile.tempdir = None
        handle = os.open(
            folder.with_name(f"{folder.name}.said"), os.O_WRONLY | os.O_CREAT | os.O_APPEND
        )
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        command(list(arguments), prog_name="command", standalone_mode=False)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def run(command: Callable[..., object], arguments: Iterable[str], folder: Path) -> int:
    return ended(start(command, arguments, folder))


def ended(process: int) -> int:
    """Wait for a process and give its exit code, -9 of a killed one."""
    until = time.monotonic() + LONGEST
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.002)


def said(folder: Path) -> str:
    file = folder.with_name(f"{folder.name}.said")
    return file.read_text(errors="replace")[-400:] if file.exists() else ""


def tree(writer: Writer, folder: Path) -> dict[str, bytes]:
    """All files below a folder with their bytes; of volatile ones nothing but their names."""
    volatile = VOLATILE.union(writer.volatile)
    return {
        path.relative_to(folder).as_posix(): b"" if path.name in volatile else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {"log", "logs"} & set(path.relative_to(folder).parts[:-1])
    }


def elsewhere(base: Path) -> set[str]:
    """The names of all that a command has left in its temporary folder and in the cache.

    But for the sockets of Python's own processes, `pymp-...`, which only Python can remove. Stores
    of crops are counted: their names go by the time at which pictures were written or drawn.
    """
    paths = (path for name in PLACES for path in (base / name).rglob("*"))
    names = {path.relative_to(base).as_posix() for path in paths}
    stores = {name for name in names if name.endswith(".npy")}
    others = {name for name in names - stores if "/pymp-" not in name}
    return others | {f"store {number}" for number in range(len(stores))}


def is_whole_or_absent(
    writer: Writer, folder: Path, calm: dict[str, bytes], old: dict[str, bytes]
) -> bool:
    """Whether what a killed run left can be taken for a whole output only where it is one."""
    found = {
        name: content
        for name, content in tree(writer, folder).items()
        if not any(part.startswith(".") for part in Path(name).parts)
    }
    if writer.in_place:
        # Every file with a name of the result is that of the result.
        return all(calm[name] == content for name, content in found.items() if name in calm)
    return found in ({}, calm, old)


class Campaign:
    """Kills and races over commands, each in a fresh folder."""

    def __init__(self, base: Path, seed: int, writers: tuple[Writer, ...]) -> None:
        self.random = random.Random(seed)
        self.base = base
        self.inputs = prepare(base, writers)
        self.writers = writers
        self.problems: list[str] = []
        self.count = 0
        self.met_work = 0
        self.elsewhere: dict[str, set[str]] = {}
        self.calm = {writer.name: self._calm(writer) for writer in writers}

    def _folder(self) -> Path:
        self.count += 1
        folder = self.base / f"work{self.count:04}"
        folder.mkdir()
        return folder

    def _arguments(self, words: tuple[str, ...]) -> list[str]:
        return [word.format(**self.inputs) for word in words]

    def _before(self, writer: Writer) -> Path:
        folder = self._folder()
        for name in PLACES:
            shutil.rmtree(self.base / name, ignore_errors=True)
            (self.base / name).mkdir()
        if writer.given:
            given = Path(self.inputs[writer.given])
            copy = shutil.copytree if given.is_dir() else shutil.copyfile
            copy(given, folder / writer.out)
        if writer.before:
            assert run(writer.command, self._arguments(writer.before), folder) == 0, said(folder)
        return folder

    def _calm(self, writer: Writer) -> tuple[dict[str, bytes], dict[str, bytes], float]:
        folder = self._before(writer)
        old = tree(writer, folder)
        process = start(writer.command, self._arguments(writer.arguments), folder)
        began = self._first_change(process, folder)
        assert ended(process) == 0, f"{writer.name}: {said(folder)}"
        duration = time.monotonic() - began
        self.elsewhere[writer.name] = elsewhere(self.base)
        return tree(writer, folder), old, duration

    def _first_change(self, process: int, folder: Path) -> float:
        """Wait until a process has begun to write, or has ended; gives the time."""
        names = set(folder.iterdir())
        while set(folder.iterdir()) == names and _runs(process):
            time.sleep(0.0002)
        return time.monotonic()

    def kill(self, writer: Writer) -> None:
        calm, old, duration = self.calm[writer.name]
        folder = self._before(writer)
        arguments = self._arguments(writer.arguments)
        process = start(writer.command, arguments, folder)
        self._first_change(process, folder)
        time.sleep(self.random.uniform(0, duration))
        end, told = self.random.choice(ENDS)
        with contextlib.suppress(ProcessLookupError):
            told(process, end)
        self.met_work += ended(process) != 0
        # Workers end with their parent, in a moment of their own.
        time.sleep(0.05)
        if not is_whole_or_absent(writer, folder, calm, old):
            self.problems.append(
                f"{writer.name}: neither whole nor absent after a kill in {folder}"
            )
        refused = writer.refused(folder)
        code = run(writer.command, arguments, folder)
        if code != (2 if refused else 0):
            self.problems.append(f"{writer.name}: code {code} after a kill: {said(folder)}")
        self._compare(writer, folder, "after the next run")

    def race(self, writer: Writer) -> None:
        folder = self._before(writer)
        arguments = self._arguments(writer.arguments)
        first = start(writer.command, arguments, folder)
        time.sleep(self.random.uniform(0, 0.5 * self.calm[writer.name][2]))
        second = start(writer.command, arguments, folder)
        codes = [ended(first), ended(second)]
        if 0 not in codes or not set(codes) <= {0, 2}:
            self.problems.append(f"{writer.name}: codes {codes} of two at once: {said(folder)}")
        self._compare(writer, folder, f"after two at once (codes {codes})")

    def _compare(self, writer: Writer, folder: Path, when: str) -> None:
        calm, found = self.calm[writer.name][0], tree(writer, folder)
        apart = elsewhere(self.base) ^ self.elsewhere[writer.name]
        if apart:
            self.problems.append(f"{writer.name}: {when}, outside the folder: {sorted(apart)[:5]}")
        if found != calm:
            names = sorted(n for n in calm.keys() | found.keys() if calm.get(n) != found.get(n))
            self.problems.append(f"{writer.name}: {when}, these differ: {names[:5]} in {folder}")
        else:
            shutil.rmtree(folder)


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def main(base: Path, kills: int, races: int, seed: int, names: list[str]) -> dict[str, object]:
    """Kill and race the commands in turn; see the module."""
    writers = tuple(writer for writer in WRITERS if not names or writer.name in names)
    base.mkdir(parents=True, exist_ok=True)
    campaign = Campaign(base, seed, writers)
    for what, once, count in (("kill", campaign.kill, kills), ("race", campaign.race, races)):
        for number in range(count):
            writer = writers[number % len(writers)]
            before = len(campaign.problems)
            once(writer)
            done = f"{what} {number + 1}/{count}: {writer.name} ({campaign.met_work} met work)"
            print(done, file=sys.stderr, flush=True)
            for problem in campaign.problems[before:]:
                print(problem, file=sys.stderr)
    return {
        "kills": kills,
        "met work": campaign.met_work,
        "races": races,
        "problems": campaign.problems,
    }


if __name__ == "__main__":
    folder, kills, races, seed = sys.argv[1:5]
    print(json.dumps(main(Path(folder), int(kills), int(races), int(seed), sys.argv[5:])))
