"""Parts of the site that the code itself says: MkDocs puts them where a page has their mark.

A mark is a line `<!-- made: NAME -->`. What a page says of commands, formats, findings and networks
is read from the code, and scores are from `results/`, so that pages and code never differ. Formulas
of the methods' pages stand between dollars; they become MathML, which browsers draw without a
script.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml
from latex2mathml.converter import convert as mathml

if TYPE_CHECKING:
    from benchmarks.results.results import Comparison
    from wepdtof_pose.dataset import PoseDataset

_FORMULA = re.compile(r"\$\$(?P<block>[^$]+)\$\$|\$(?P<inline>[^$\n]+)\$")
_MARK = re.compile(r"^<!-- made: (?P<name>[a-z_]+)(?: (?P<argument>[\w.]+))? -->$", re.MULTILINE)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return a page with its marks filled and its formulas drawn; MkDocs calls it."""
    if page.file.src_uri.startswith("methods/"):
        markdown = _FORMULA.sub(_drawn, markdown)
    return _MARK.sub(lambda mark: _PARTS[mark["name"]](*filter(None, [mark["argument"]])), markdown)


def commands(module: str) -> str:
    """Return the help of every command of a group, as `--help` prints it."""
    group = import_module(module).main
    name = {"wepdtof_pose": "wepdtof-pose", "sspcm": "sspcm", "benchmarks": "sspcm-bench"}
    program = name[module.split(".")[0]]
    parts = []
    for sub in sorted(group.commands):
        context = click.Context(
            group.commands[sub],
            info_name=f"{program} {sub}",
            terminal_width=90,
            max_content_width=90,
            **group.context_settings,
        )
        text = group.commands[sub].get_help(context)
        parts.append(f"### {program} {sub}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def formats() -> str:
    """Return the table of formats: whether they are read and written, and what they cannot hold."""
    from wepdtof_pose.conversion.registry import READERS, WRITERS
    from wepdtof_pose.keypoints import get_keypoint_set

    sample = sample_with_everything()
    rows = []
    for name in {**READERS, **WRITERS}:
        lost = ""
        if name in WRITERS:
            joints = get_keypoint_set(OWN_JOINTS.get(name, "wepdtof-pose-14"))
            held = {split: part.with_keypoint_set(joints) for split, part in sample.items()}
            lost = ", ".join(WRITERS[name](held).not_held) or "nothing is lost"
        marks = ["yes" if name in kind else "" for kind in (READERS, WRITERS)]
        rows.append([f"`{name}`", _escaped(_about_format(name)), *marks, _escaped(lost)])
    return _table(["name", "what it is", "read", "written", "cannot hold"], rows)


def sample_with_everything() -> dict[str, PoseDataset]:
    """Return the sample with what it lacks, so that a format loses of it whatever it can lose."""
    from wepdtof_pose.annotations import sample_folder

    from wepdtof_pose.formats.loading import load_dataset

    sample = load_dataset(sample_folder())
    for dataset in sample.values():
        people, points = dataset.people, dataset.keypoints
        people["id"] += 100
        people["iscrowd"] = people["iscrowd"].where(people.index != 0, 1)
        people["extra"] = [{"note": "glasses"}] * len(people)
        points[1:, 0, 2] = 1
        points[1:, 1] = (1, 1, 0)
    return sample


def keypoint_sets() -> str:
    """Return the table of the keypoint sets that have a name."""
    from wepdtof_pose.keypoints import get_keypoint_set, keypoint_set_names

    rows = [
        [f"`{name}`", str(len(get_keypoint_set(name))), ", ".join(get_keypoint_set(name).joints)]
        for name in keypoint_set_names()
    ]
    return _table(["name", "joints", "in this order"], rows)


def codes() -> str:
    """Return the table of what `validate` finds."""
    from wepdtof_pose.validation.codes import CODES

    rows = [
        [
            f"`{name}`",
            code.severity,
            _escaped(code.title),
            _escaped(code.fix),
            "yes" if code.repaired else "",
        ]
        for name, code in CODES.items()
    ]
    return _table(["code", "severity", "what it is", "what to do", "`--fix`"], rows)


def networks() -> str:
    """Return the cards of the ready-trained networks, a heading lower."""
    from sspcm.ready.names import ready_networks

    cards = [path.with_suffix(".md").read_text("utf-8") for path in ready_networks().values()]
    return "\n".join(re.sub(r"^#", "##", card, flags=re.MULTILINE) for card in cards)


def presets() -> str:
    """Return the table of presets."""
    from sspcm.config_io import flatten, load_config, to_dict
    from sspcm.presets import PRESETS

    configs = {
        name: flatten(to_dict(load_config(overrides=preset.overrides)))
        for name, preset in PRESETS.items()
    }
    keys = sorted({key for preset in PRESETS.values() for key in preset.overrides})
    rows = [[f"`{key}`", *(str(config[key]) for config in configs.values())] for key in keys]
    return _table(["key", *(f"`{name}`" for name in configs)], rows)


def found(method: str) -> str:
    """Return the table of what a method reached in the comparisons of `results/`."""
    from benchmarks.results.results import difference
    from benchmarks.results.statistics import mean_and_spread
    from benchmarks.tables.tables import interval

    rows = []
    for name, about in _COMPARISONS.items():
        comparison = _comparison(name)
        for group in comparison.groups:
            if group.method != method:
                continue
            baseline = comparison.find("supervised", group.labels, group.backbone)
            assert baseline is not None
            gain = None if baseline is group else difference(group, baseline, "PCK@0.2")
            times = [one.facts("training_seconds").mean() for one in (group, baseline)]
            # Minutes of two machines cannot be compared.
            machines = {cell.environment["device"] for cell in (*group.cells, *baseline.cells)}
            rows.append(
                [
                    about,
                    group.labels,
                    str(len(group.cells)),
                    mean_and_spread(group.values("PCK@0.2")),
                    "" if gain is None else f"{100 * gain.mean:+.1f}",
                    "" if gain is None else interval(gain.low, gain.high, sign="+"),
                    mean_and_spread(group.values("AP")),
                    f"{times[0] / times[1]:.1f} x" if len(machines) == 1 else "n/a",
                ]
            )
    heads = ["comparison", "labels", "runs", "PCK@0.2", "Δ to supervised", "95 % interval of Δ"]
    return _table([*heads, "AP", "time of supervised"], rows)


def needs() -> str:
    """Return the table of what each method trains, reports, and can be told."""
    from sspcm.methods import METHODS

    rows = []
    for name, method in METHODS.items():
        defaults = {field.name: field.default for field in dataclasses.fields(method.Options)}
        options = ", ".join(f"`{key}: {_yaml(value)}`" for key, value in defaults.items())
        rows.append([f"`{name}`", ", ".join(method.roles.values()), method.reported, options])
    return _table(["method", "networks", "reported", "`method.options`"], rows)


def passes() -> str:
    """Return the table of the measured cost of every method's step, from `results/speed`."""
    text = (_RESULTS / "speed" / "speed.md").read_text("utf-8")
    section = text.split("**Training step**, ", 1)[1]
    setting, table = section.split("\n\n", 2)[:2]
    return f"{table}\n\n{setting}, {text.splitlines()[0].split(';')[0]}"


def _drawn(formula: re.Match[str]) -> str:
    # The letter, not the operator, which would be drawn far above.
    text = (formula["block"] or formula["inline"]).replace("'", "\N{PRIME}").strip()
    if formula["block"]:
        return f'<div style="margin: 1em 0">{mathml(text, display="block")}</div>'
    return mathml(text)


def _about_format(name: str) -> str:
    from wepdtof_pose import formats as root

    module = {"lspet": "lsp"}.get(name, name)
    for place in ("", "datasets.", "tools."):
        try:
            text = import_module(f"{root.__name__}.{place}{module}").__doc__
        except ModuleNotFoundError:
            continue
        if text:
            return re.sub(r"\s*\(see `\w+`\)", "", text.split("\n\n")[0]).replace("\n", " ")
    raise LookupError(f"no module says what the format {name} is")


@cache
def _comparison(name: str) -> Comparison:
    from benchmarks.results.results import read_results

    return read_results(_RESULTS / name)


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True).split("\n")[0]


def _table(heads: list[str], rows: list[list[str]]) -> str:
    def lines() -> Iterator[str]:
        yield f"| {' | '.join(heads)} |"
        yield f"|{'---|' * len(heads)}"
        for row in rows:
            yield f"| {' | '.join(row)} |"

    return "\n".join(lines())


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


OWN_JOINTS = {"mpii": "mpii-16", "crowdpose": "crowdpose-14", "ai_challenger": "aic-14"}
"""Formats that hold the joints of their data set alone."""

_RESULTS = Path(__file__).parents[1] / "results"
_COMPARISONS = {
    "fisheye": "drawn fisheye, EfficientNet-Lite0 from ImageNet",
    "fisheye-longer": "drawn fisheye, EfficientNet-Lite0 from ImageNet, trained longer",
    "fisheye-long": "drawn fisheye, ResNet-18 from nothing, 24 epochs",
    "fisheye-small": "drawn fisheye, ResNet-18 from nothing, 9 epochs",
    "lspet": "photographs (LSPET), EfficientNet-Lite0 from ImageNet",
    "lspet-small": "photographs (LSPET), ResNet-18 from nothing",
}
"""Comparisons in `results/` by which methods are told apart, and what they were trained on."""

_PARTS: dict[str, Callable[..., str]] = {
    "commands": commands,
    "formats": formats,
    "keypoint_sets": keypoint_sets,
    "codes": codes,
    "networks": networks,
    "found": found,
    "needs": needs,
    "passes": passes,
    "presets": presets,
}
