"""Grids: which cells they have, what their files may say, and what a dry run says of them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.commands.main import main
from benchmarks.grid.grid import make_cells
from benchmarks.grid.grid_file import make_grid, overrule, read_grid_file
from wepdtof_pose.errors import InputError

ROOT = Path(__file__).parents[3]


RESNET = {
    "network.name": "resnet18_lateral",
    "network.width": 8,
    "network.pretrained": None,
    "network.frozen_stages": 0,
}


def names(**content):
    content["set"] = RESNET | content.get("set", {})
    grid = make_grid({"preset": "quick", **content})
    return [cell.name for cell in make_cells(grid, data=Path("data"), cache=Path("crops"))]


def test_every_axis_is_in_the_name_but_defaults():
    found = names(
        methods=["supervised", "sspcm"],
        labels=[60, "10%"],
        seeds=[0, 2],
        subsets=2,
        networks=["resnet18_lateral", "hrnet_w32"],
    )
    assert len(found) == 2**5
    assert found[0] == "supervised-60-seed0"
    assert found[2] == "supervised-60-seed0-hrnet_w32"
    assert "sspcm-10pct-seed2-subset1-hrnet_w32" in found


def test_seeds_of_single_budgets():
    found = names(methods="sspcm", labels=[60, 90], seeds={60: 3, 90: [1]})
    assert found == ["sspcm-60-seed0", "sspcm-60-seed1", "sspcm-90-seed1", "sspcm-60-seed2"]


def test_budgets_of_the_command_line_leave_the_others_seeds_out():
    content = {"methods": "sspcm", "labels": [60, 90], "seeds": {60: 2, 90: 1}}
    assert names(**overrule(content, {"labels": ["60"]})) == ["sspcm-60-seed0", "sspcm-60-seed1"]
    assert names(**overrule(content, {"labels": ["90"], "seeds": 2})) == [
        "sspcm-90-seed0",
        "sspcm-90-seed1",
    ]


def test_a_network_sets_its_keys_and_settings_reach_every_cell():
    grid = make_grid(
        {
            "preset": "quick",
            "networks": {"wide": {"network.width": 32}, "plain": {}},
            "set": RESNET | {"optimisation.epochs": 3, "optimisation.burn_in_epochs": 1},
        }
    )
    cells = make_cells(grid, data=Path("data"), cache=Path("crops"))
    widths = {cell.name: cell.config.network.width for cell in cells}
    assert widths["sspcm-1k-seed0-wide"] == 32
    assert widths["sspcm-1k-seed0"] == 8
    assert {cell.config.optimisation.epochs for cell in cells} == {3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: [sspcm]", "unknown key 'method'"),
        ("[sspcm]", "expected keys and values"),
        ("methods: {", "not usable YAML"),
        ("methods: []", "'methods' must be a list of names"),
        ("seeds: 0", "'seeds' must be a number from 1"),
        ("seeds: true", "'seeds' must be a number from 1"),
        ("seeds: {60: 2}", "'seeds' and grid key 'labels' must name the same budgets"),
        ("subsets: -1", "'subsets' must be a number"),
        ("networks: {a: 3}", "'networks.a' must be configuration keys"),
        ("networks: {a/b: {}}", "'networks' must be names of letters"),
        ("networks: {a: {optimisation.epochs: 3}}", "network 'a' of the grid sets"),
        ("variants: [a]", "'variants' must be names"),
        (
            "variants: {a: {method.options.joints: 3}}",
            "variant 'a' of the grid needs a method.name",
        ),
        ("variants: {a: {seed: 3}}", "variant 'a' of the grid sets 'seed'"),
        ("variants: {sspcm: {method.name: sspcm}}", "has the name of a method"),
        ("variants: {a: {method.name: magic}}", "unknown method 'magic'"),
        ("set: 3", "'set' must be configuration keys"),
        ("labels: [some]", "label budget 'some' is not understood"),
        ("labels: [5000000]", "asks for 5000000 labelled people"),
        ("data: nowhere", "nowhere: no such file"),
        ("data: 3", "'data' must be a text"),
        ("data: ''", "'data' must be a text"),
        ("seeds: 010", "or a list of numbers from 0 on, not '010'"),
        ("preset: huge", "unknown preset 'huge'"),
        ("methods: [magic]", "unknown method 'magic'"),
        ("{preset: paper, subsets: 2}", "where data.order is random"),
        ("set: {optimisation.epoch: 3}", "unknown config key 'optimisation.epoch'"),
    ],
)
def test_a_bad_grid_is_refused_in_one_line(tmp_path, text, message):
    file = tmp_path / "grid.yaml"
    file.write_text(text)
    arguments = ["run", "--grid", str(file), "-o", str(tmp_path / "out"), "--dry-run"]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 2
    assert found.output.startswith(f"main: error: {file}: ")
    assert message in found.output
    assert len(found.output.strip().splitlines()) == 1


def test_what_an_option_says_is_not_laid_on_the_grid_file(tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text("methods: [supervised]\nseeds: {60: 2}")
    for option, message in (
        (["--labels", "60", "--methods", "magic"], "unknown method 'magic'"),
        (["--labels", "60", "--set", "optimisation.epoch=3"], "unknown config key"),
    ):
        found = CliRunner().invoke(main, ["run", "--grid", str(file), "-o", "out", *option])
        assert found.exit_code == 2
        assert message in found.output
        assert "grid.yaml" not in found.output


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ({"a": {"network.width": 32}, "b": {"network.width": 32}}, "'a' and 'b' of the grid are"),
        ({"a": {}, "b": {}}, "'a' and 'b' of the grid are the same"),
        (
            {
                "a": {"network.name": "hrnet_w32"},
                "b": {"network": {"name": "hrnet_w32", "width": 8}},
            },
            "'a' and 'b' of the grid are the same",
        ),
        ({"plain": {}, "subset1": {"network.width": 32}}, "two cells of the grid are called"),
        (["resnet19"], "unknown network 'resnet19'"),
        (["nowhere:Net"], "nowhere"),
        ({"a": {"student.name": "resnet20"}}, "unknown network 'resnet20'"),
        (
            {"a": {"network.name": "hrnet_w32", "network.pretrained": "imagenet"}},
            "no ImageNet file",
        ),
    ],
    ids=str,
)
def test_networks_that_cannot_be_run_or_told_apart(networks, message):
    with pytest.raises(InputError, match=message):
        names(networks=networks, subsets=2)


@pytest.mark.parametrize(
    "key", ["method.name", "data.labels", "data.subset_seed", "seed", "data.path"]
)
def test_what_has_an_option_of_its_own_cannot_be_set(key):
    with pytest.raises(InputError, match=f"{key!r} cannot be set for all cells: use --"):
        make_grid({"set": {key: "1"}})
    group, _, name = key.rpartition(".")
    if group:
        with pytest.raises(InputError, match=f"{key!r} cannot be set for all cells"):
            make_grid({"set": {group: {name: "1"}}})


def test_options_of_a_method_are_checked_with_the_grid():
    with pytest.raises(InputError, match=r"unknown config key 'method\.options\.patch'"):
        names(methods="sspcm", set={"method.options.patch": 3})
    said = r"options\.views is an option of multi_augs, sspcm_ema, not of sspcm, which has score_"
    with pytest.raises(InputError, match=said):
        names(methods="sspcm", set={"method.options.views": 2})
    names(methods="sspcm", set={"method.options.patches": 3})


def test_variants_of_a_method_are_rows_of_their_own():
    grid = make_grid(
        {
            "preset": "quick",
            "methods": "sspcm_ema",
            "labels": 60,
            "variants": {"soft": {"method.name": "sspcm_ema", "method.options.redraw": False}},
        }
    )
    plain, soft = make_cells(grid, data=Path("data"), cache=Path("crops"))
    assert (plain.name, soft.name) == ("sspcm_ema-60-seed0", "soft-60-seed0")
    assert (soft.config.method.name, soft.config.method.shown) == ("sspcm_ema", "soft")
    assert soft.config.method.options == {"redraw": False}
    assert plain.config.method.options == {}


def test_a_missing_grid_file():
    with pytest.raises(InputError, match="no such file"):
        read_grid_file(Path("nowhere.yaml"))


@pytest.mark.parametrize("file", sorted((ROOT / "results" / "grids").glob("*.yaml")), ids=str)
def test_the_committed_grids_can_be_run(file):
    grid = make_grid(read_grid_file(file))
    assert make_cells(grid, data=Path(grid.data or "data"), cache=Path("crops"))


def test_a_dry_run_writes_nothing_and_guesses_nothing(tmp_path):
    output = tmp_path / "out"
    arguments = ["run", "--preset", "quick", "--ratio", "60", "-o", str(output), "--dry-run"]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 0, found.output
    lines = found.output.splitlines()
    # Both methods start from A's burn-in, which is counted once; B's is sspcm's alone.
    assert [line.split() for line in lines[1:5]] == [
        ["burn-in-A-60-seed0", "missing", "400", "unknown"],
        ["supervised-60-seed0", "missing", "200", "unknown"],
        ["burn-in-B-60-seed0", "missing", "400", "unknown"],
        ["sspcm-60-seed0", "missing", "200", "unknown"],
    ]
    assert "2 cells, 2 to run" in found.output
    assert not output.exists()


def test_a_dry_run_estimates_from_finished_cells(copied, change, tiny_fisheye, bench_arguments):
    for name in ("sspcm-8-seed0", "sspcm-8-seed1", "sspcm-50pct-seed0", "sspcm-50pct-seed1"):
        change(copied / "cells" / name, lambda result: result.update(training_seconds=600))
    more = ("--preset", "quick", "--ratio", "8", "--ratio", "16", "--seeds", "1", "--dry-run")
    found = CliRunner().invoke(main, bench_arguments(tiny_fisheye, copied, *more))
    assert found.exit_code == 0, found.output
    rows = {line.split()[0]: line.split()[1:] for line in found.output.splitlines()[2:6]}
    assert rows["sspcm-8-seed0"] == ["finished", "6", "0.0"]
    # As many steps as those that took ten minutes.
    assert rows["sspcm-16-seed0"] == ["missing", "6", "10.0"]
    assert "hours of training in all" in found.output
