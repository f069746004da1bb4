"""What the commands share: a group that shows bad input as one line, and common options."""

from __future__ import annotations

import io
import math
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click
from click.core import ParameterSource

from wepdtof_pose.cores import Terminated, orderly_end
from wepdtof_pose.errors import InputError, echo, lacks_memory

if TYPE_CHECKING:
    import numpy as np

    from wepdtof_pose.dataset import PoseDataset

# Before anything imports OpenCV: damaged pictures and videos are our own messages' to name.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class _Place(click.Path):
    """A path of click, with the user's folder for ~ (see `with_home`)."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from wepdtof_pose.files import with_home

        return super().convert(with_home(value) if isinstance(value, str) else value, param, ctx)


PATH = _Place(path_type=Path)
SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}
SEED = click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of the choice.")

_LONGEST_MESSAGE = 2000
CATEGORY = click.option(
    "--category",
    metavar="NAME",
    help="Category of the people, where the file has several with joints (A,B: several).",
)
SCENE_FROM = click.option(
    "--scene-from",
    type=click.Choice(["folder", "name"]),
    help="Take scenes from the images' folders, or from their names without the number.",
)
SCENE_FIELD = click.option(
    "--scene-field",
    metavar="FIELD",
    help="Take scenes from this field of the images, such as video_id.",
)

LEAVE_OUT_TEST = click.option(
    "--leave-out-test",
    is_flag=True,
    help="Do not choose people whom sspcm train, by default, holds out for testing from a single "
    "annotation file.",
)


def output_option(
    help: str,
    *names: str,
    metavar: str = "DIR",
    default: str | None = None,
    callback: Callable[[Any, Any, Any], Any] | None = None,
) -> Callable[[Any], Any]:
    """Return the option -o of a command, which has to be given unless there is a default.

    `names` are others that it has, and the parameter's; `callback` is click's: it gets the value,
    and returns it or refuses it.
    """
    # To click from 8.3 on, a default of None is a value, and an option that has it never missing.
    needed: dict[str, Any] = {"required": True} if default is None else {"default": default}
    return click.option(
        "-o", "--output", *names, metavar=metavar, type=PATH, callback=callback, help=help, **needed
    )


class SectionOption(click.Option):
    """An option that --help lists under a heading of its own, in a `SectionedCommand`."""

    def __init__(self, *names: Any, section: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose --help lists its options under their headings: plain ones first."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options; click calls it."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(option, "section", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class CommandGroup(click.Group):
    """A command group that shows bad input and failing files as one line, without a traceback."""

    command_class = SectionedCommand

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command, whose numbers have to be finite: a range of click's lets nan through."""
        for option in cmd.params:
            if isinstance(option.type, click.types.FloatParamType) and option.callback is None:
                option.callback = _finite
        super().add_command(cmd, name)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; where its help or an error cannot be written, exit with 2."""
        try:
            return super().main(*args, **extra)
        except OSError as error:
            error.filename = error.filename or "standard output"
            _fail(extra.get("prog_name") or Path(sys.argv[0]).name, _of_file(error))

    @orderly_end()
    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command.

        What its input or the machine is to blame for exits with 2, Ctrl-C with 130 and SIGTERM with
        143, as of shells.
        """
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a terminal that is not UTF-8
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            _end_interrupted(ctx, error)
        except BrokenPipeError:  # click ends quietly where nobody reads the output any more
            raise
        except OSError as error:
            message = _of_file(error)
        except InputError as error:
            message = str(error)
        except Exception as error:
            # Compiled modules make an ImportError of it.
            if isinstance(cause := error.__cause__ or error.__context__, KeyboardInterrupt):
                _end_interrupted(ctx, cause)
            if not lacks_memory(error):
                raise
            message = f"not enough memory: {str(error).strip() or 'this needs a larger machine'}"
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:_LONGEST_MESSAGE]} ... ({len(message):,} characters)"
        _fail(ctx.info_name, message)


def _fail(program: str | None, message: str) -> NoReturn:
    with suppress(OSError):  # a disk that is full may be that of the error, too
        echo(f"{program}: error: {message}", err=True)
    sys.exit(2)


def _of_file(error: OSError) -> str:
    place = "" if error.filename is None else f"{error.filename}: "
    return f"{place}{error.strerror or error}"


def _end_interrupted(ctx: click.Context, error: BaseException) -> NoReturn:
    word, code = ("terminated", 143) if isinstance(error, Terminated) else ("interrupted", 130)
    echo(f"{ctx.info_name}: {word}", err=True)
    sys.exit(code)


def _finite(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no finite number.")
    return value


def refuse_unused(what: str, names: Iterable[str]) -> None:
    """Refuse parameters that were given to the command, but have no effect on what was chosen."""
    ctx = click.get_current_context()
    given = [
        (option.secondary_opts if ctx.params[option.name] is False else option.opts)[0]
        for option in ctx.command.params
        if option.name in names
        and ctx.get_parameter_source(option.name) == ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)}: without effect on {what}")


def names_of(text: str, *, option: str) -> list[str]:
    """Return the names in a comma-separated text.

    Raises:
        InputError: there is none; the message names the option.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError(f"{option} {text!r} names nothing")
    return names


def one_split(
    path: Path,
    name: str | None,
    *,
    category: str | None = None,
    scene_from: Literal["folder", "name"] | None = None,
    scene_field: str | None = None,
) -> PoseDataset:
    """Return the named split; without a name the only one, else "train", else the first.

    What was left out, if anything was, is said in a line, and so is what units are doubtful.
    """
    from wepdtof_pose.formats.loading import load_dataset, read_line, take_split, usual_split
    from wepdtof_pose.validation.validate import doubts_about

    datasets = load_dataset(path, category=category)
    name = usual_split(datasets) if name is None else name
    dataset = scenes_of(take_split(datasets, name, path=path), scene_from, scene_field)
    if dataset.left_out:
        echo(f"{name}: {read_line(dataset)}")
    for doubt in doubts_about(dataset):
        echo(f"{name}: doubtful: {doubt} (wepdtof-pose validate {path})")
    return dataset


def left_by_training(path: Path, dataset: PoseDataset) -> np.ndarray:
    """Return the rows of those whom `sspcm train`, by default, does not hold out for testing.

    Raises:
        InputError: the data come in several files, of which none is held out.
    """
    from wepdtof_pose.formats.loading import annotation_files
    from wepdtof_pose.splits.hold_out import hold_out

    if len(annotation_files(path)) > 1:
        raise InputError(
            f"{path}: has several annotation files, of which none is held out: --leave-out-test is "
            "for one file"
        )
    return hold_out(dataset).train


def scenes_of(
    dataset: PoseDataset, scene_from: Literal["folder", "name"] | None, scene_field: str | None
) -> PoseDataset:
    """Return the data set with the scenes that the options --scene-from and --scene-field name."""
    from wepdtof_pose.dataset import with_scenes

    if scene_from and scene_field:
        raise click.UsageError("give either --scene-from or --scene-field")
    if not scene_from and not scene_field:
        return dataset
    return with_scenes(dataset, by=scene_from or "folder", field=scene_field)
