"""The argument and options of every command that takes trained networks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource

from sspcm.choices import Angles, Decoding
from wepdtof_pose.commands.shared import PATH, SectionOption
from wepdtof_pose.errors import InputError, echo, not_read


def replaceable(ctx: click.Context, option: click.Parameter, out: Path | None) -> Path | None:
    """Return the file that -o names; refuse one that holds annotations or belongs to a run.

    One that is there and was not named, but is the default, is refused too.

    A callback of click: what is refused is refused before the work. So is a place where nothing can
    be written.
    """
    if out is not None:
        from wepdtof_pose.outputs import require_place

        require_place(out)
    if out is not None and out.exists():
        from sspcm.runs.folder import require_no_run_file
        from wepdtof_pose.files import require_no_annotations

        require_no_annotations(out)
        require_no_run_file(out)
        if ctx.get_parameter_source(option.name or "") == ParameterSource.DEFAULT:
            raise InputError(f"{out}: is there already: -o {out} writes over it, or name another")
    return out


def replaceable_onnx(ctx: click.Context, option: click.Parameter, out: Path | None) -> Path | None:
    """Return the ONNX file that -o names; refuse what `replaceable` does, and other suffixes."""
    out = replaceable(ctx, option, out)
    if out is not None and out.suffix.lower() not in ("", ".onnx"):
        raise InputError(
            f"{out}: {out.suffix} is no format of an export: give the name of an .onnx file"
        )
    if out is not None and not out.suffix and out.is_file():
        raise InputError(f"{out}: is there already: give the name of an .onnx file")
    return out


def replaceable_weights(
    ctx: click.Context, option: click.Parameter, out: Path | None
) -> Path | None:
    """Return the torch file that -o names; refuse what `replaceable` does, and other names."""
    out = replaceable(ctx, option, out)
    if out is not None:
        from wepdtof_pose.outputs import require_weights_name

        require_weights_name(out)
    return out


def replaceable_json(ctx: click.Context, option: click.Parameter, out: Path | None) -> Path | None:
    """Return the file of JSON that -o names; refuse what `replaceable` does, and other names."""
    out = replaceable(ctx, option, out)
    if out is not None:
        from wepdtof_pose.outputs import require_json_name

        require_json_name(out)
    return out


def require_other_output() -> None:
    """Refuse to write, with -o, over a file that an argument or another option names."""
    from wepdtof_pose.files import require_other_file

    named = dict(click.get_current_context().params)
    output = named.pop("output", None)
    values = [
        one for value in named.values() for one in (value if type(value) is tuple else [value])
    ]
    if isinstance(output, Path):
        require_other_file(output, [one for one in values if isinstance(one, Path)])


box_option = functools.partial(click.option, cls=SectionOption, section="Boxes")
network_option = functools.partial(click.option, cls=SectionOption, section="Networks")

BOXES = box_option("--boxes", type=PATH, help="File of boxes, or folder of YOLO's text files.")
BOX_CATEGORY = box_option(
    "--category", metavar="NAME", help="Category of people in --boxes, by id or name."
)
UP = box_option(
    "--up",
    type=click.Choice(["radius", "box", "angle"]),
    help="What points up in turned crops: the image radius, the end of a rotated box away from the "
    "image centre, or the box's angle as it is.  [default: as trained]",
)

ANGLES = box_option(
    "--angles",
    type=click.Choice(get_args(Angles)),
    help="What the angles of these boxes are: degrees or radians, clockwise from up, or degrees "
    "counter-clockwise.  [default: degrees; what looks otherwise is refused]",
)

REFINE = box_option(
    "--refine/--no-refine",
    default=True,
    help="Correct found boxes by a first look at the joints in them.",
)

BOX_THRESHOLD = box_option(
    "--box-threshold",
    type=float,
    help="Least score of a box.  [default: 0.28 for found boxes, none for given ones]",
)

TURNS = box_option(
    "--turns",
    type=click.IntRange(1, 4),
    default=1,
    help="How often the finder looks at each frame, turned by a quarter each time: slower, but "
    "finds more.",
)

NETWORK = network_option(
    "--network", metavar="NAME", help="Which network of the method.  [default: the reported one]"
)

ALLOW_CODE = network_option(
    "--allow-code",
    metavar="MODULE:NAME",
    multiple=True,
    help="Import this code of a network or method that the run folder names; do so only if you "
    "trust it. May be repeated.",
)

_RUN = click.argument("run", metavar="NAME|RUN|FILE", type=PATH)
_INPUTS = click.argument("inputs", metavar="[RUN] INPUTS...", nargs=-1, required=True, type=PATH)
_MODEL = network_option(
    "--model",
    metavar="NAME|RUN|FILE",
    type=PATH,
    help="Trained networks: a ready one by name, a run folder, a file of weights or an exported "
    "one.  [default: ceiling-pose]",
)

_SOURCE = (
    network_option(
        "--checkpoint",
        type=click.Choice(["last", "best"]),
        default="last",
        help="Which checkpoint of a run folder.",
    ),
    network_option(
        "--decoding",
        type=click.Choice(["shift", "dark", "none"]),
        help="How positions are read from heatmaps.  [default: the run's]",
    ),
    network_option(
        "--keypoints",
        metavar="SET",
        help="Joint set of the heatmaps, if run or file does not name it.",
    ),
    network_option(
        "--crop-size", metavar="WxH", help="Crop size of a file of weights.  [default: 192x256]"
    ),
    network_option(
        "--colour",
        type=click.Choice(["bgr", "rgb"]),
        help="Channel order of a file of weights.  [default: bgr, as released]",
    ),
    ALLOW_CODE,
)
_INFERENCE = (
    network_option(
        "--flip-test/--no-flip-test",
        default=None,
        help="Also look at each crop mirrored, and average.  [default: the run's]",
    ),
    network_option(
        "--looks",
        type=click.Choice(["1", "3"]),
        help="Crops in which each person is looked at; of 3, two are mirrored, and none is flipped "
        "as well.  [default: the run's; 1 with --flip-test or --no-flip-test]",
    ),
    network_option("--device", help="auto, cpu, cuda or cuda:N.  [default: the run's, else auto]"),
    network_option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16"]),
        help="Number format the networks compute in.  [default: the run's, else float32]",
    ),
)


def opens_networks(
    *, inference: bool, model_option: bool = False, inputs: bool = True, finders: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator of a command: it opens the trained networks that are named.

    The command is called with `TrainedNetworks` as `networks`. With `inference` the options
    `--flip-test`, `--looks`, `--device` and `--precision` are there too; without, the networks are
    on the CPU.
    With `model_option` an option `--model` names the networks, or else the first of the arguments
    INPUTS if it is a run folder or a file of weights; the command gets the others as `inputs`. A
    command without INPUTS has the option alone. With `finders` a network that finds people may be
    named too, and `networks` is then a `Finder`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run_command(
            checkpoint: str,
            decoding: Decoding | None,
            keypoints: str | None,
            crop_size: str | None,
            colour: str | None,
            allow_code: tuple[str, ...],
            run: Path | None = None,
            model: Path | None = None,
            flip_test: bool | None = None,
            looks: str | None = None,
            device: str | None = None if inference else "cpu",
            precision: str | None = None,
            **rest: Any,
        ) -> None:
            from sspcm.inference.open import open_networks
            from sspcm.ready.names import POSE_NETWORK, network_path
            from sspcm.runs.checkpoint import is_finder_run
            from sspcm.runs.code import own_errors

            require_other_output()
            if model_option and not inputs:
                run = model or Path(POSE_NETWORK)
            elif model_option:
                run, rest["inputs"] = _model_and_inputs(model, rest["inputs"])
            assert run is not None
            path = network_path(run)
            if finders and (path.is_file() or is_finder_run(path)):
                from sspcm.inference.finder import is_finder, open_finder
                from sspcm.networks.weights import read_weights

                if is_finder(read_weights(path)):
                    command(networks=open_finder(path, device=device), **rest)
                    return
            with own_errors():
                networks = open_networks(
                    path,
                    checkpoint=checkpoint,
                    keypoints=keypoints,
                    crop_size=None if crop_size is None else size_of(crop_size),
                    bgr=None if colour is None else colour == "bgr",
                    device=device,
                    precision=precision,
                    allow_code=allow_code,
                )
                networks.hardware.keep_freed_memory()
                for note in networks.notes:
                    echo(note, err=True)
                networks = networks.with_settings(
                    decoding=decoding,
                    flip_test=flip_test,
                    looks=None if looks is None else int(looks),
                )
                command(networks=networks, **rest)

        named: tuple[Callable[..., Any], ...] = (_RUN,)
        if model_option:
            named = (_INPUTS, _MODEL) if inputs else (_MODEL,)
        decorated: Callable[..., None] = run_command
        for option in reversed(named + _SOURCE + (_INFERENCE if inference else ())):
            decorated = option(decorated)
        return decorated

    return decorate


def _model_and_inputs(
    model: Path | None, inputs: tuple[Path, ...]
) -> tuple[Path, tuple[Path, ...]]:
    """Return what names the networks, and the images and videos."""
    from sspcm.ready.names import POSE_NETWORK, is_networks
    from wepdtof_pose.file_kinds import kind_of_name

    if model is None and is_networks(inputs[0]):
        model, inputs = inputs[0], inputs[1:]
    if not inputs:
        raise click.UsageError("Missing argument 'INPUTS...'.")
    if model is None and not inputs[0].exists():
        kind = kind_of_name(str(inputs[0]))
        raise InputError(f"{inputs[0]}: no such run, file of weights, image, video or folder{kind}")
    return model or Path(POSE_NETWORK), inputs


def say_what_was_not_read(
    left_out: Mapping[str, int], problems: Sequence[str], *, see: str = ""
) -> None:
    """Print which files were no inputs, by suffix, and which inputs could not be read.

    `see` names the file that has all of these; see `not_read`.
    """
    if left_out:
        from wepdtof_pose.formats.layout import count_in_words

        kinds = ", ".join(count_in_words(number, what) for what, number in left_out.items())
        echo(f"left out, neither images nor videos: {kinds}")
    for line in not_read(problems, see=see):
        echo(line)


def size_of(text: str, *, option: str = "--crop-size") -> tuple[int, int]:
    """Return the (width, height) in pixels that `192x256` says.

    Raises:
        InputError: it is no such text, or not a size that networks can take.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"{option} {text!r}: expected WIDTHxHEIGHT, for example 192x256")
    size = int(width), int(height)
    if min(size) < 32 or size[0] % 32 or size[1] % 32:
        raise InputError(f"{option} {text!r}: both must be multiples of 32")
    return size
