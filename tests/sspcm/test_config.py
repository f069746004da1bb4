import re
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
import yaml

from sspcm.augment.views import EASY_VIEW, HARD_VIEW
from sspcm.config import TrainConfig
from sspcm.config_io import load_config, parse_override, parse_overrides, to_yaml
from wepdtof_pose.errors import InputError


def test_the_resolved_configuration_reads_back_as_itself(tmp_path):
    config = load_config(
        overrides={"data.labels": "300", "optimisation.milestones": [3, 5], "student.width": 32}
    )
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    assert load_config(path) == config
    assert config.optimisation.milestones == (3, 5)
    assert config.student is not None


def test_overrides_win_over_the_file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("data: {labels: 5k, path: somewhere}\n")
    config = load_config(path, overrides={"data.labels": 300})
    assert config.data.labels == "300"
    assert config.data.path == "somewhere"


@pytest.mark.parametrize(
    ("overrides", "sigma"),
    [
        ({}, 2.0),
        ({"data.crop_width": 288, "data.crop_height": 384}, 3.0),
        ({"data.crop_width": 96, "data.crop_height": 128}, 1.5),
        ({"data.crop_width": 256, "data.crop_height": 256}, 2.0),
        ({"data.crop_width": 96, "data.crop_height": 128, "data.sigma": 2}, 2.0),
        ({"data.crop_width": 96, "data.crop_height": 128, "method.recipe": "released"}, 2.0),
    ],
)
def test_sigma_fits_the_crops(overrides, sigma):
    assert load_config(overrides=overrides).sigma == sigma


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"optimisation.epoch": 3}, r"optimisation\.epoch'.*epochs"),
        ({"nothing": 3}, "unknown config key 'nothing': choose"),
        (
            {"data.crop_width": 32, "data.crop_height": 32, "optimisation.batch_size": 1},
            r"'optimisation.batch_size' must be at least 2 with crops of 32 x 32",
        ),
        ({"epochs": 3}, r"unknown config key 'epochs' \(optimisation\.epochs\?\)"),
        ({"optimization.epochs": 3}, r"unknown config key 'optimization' \(optimisation\?\)"),
        ({"optimisation.epochs": "many"}, r"'optimisation\.epochs' must be of type int"),
        ({"optimisation.epochs": 0}, r"'optimisation\.epochs' must be at least 1"),
        ({"evaluation.flip_test": 1}, r"'evaluation\.flip_test' must be of type bool"),
        ({"data.crop_width": 100}, "multiple of 32"),
        ({"network.width": 4}, r"'network\.width' must be a multiple of 8"),
        ({"data.order": "alphabetical"}, "file, random"),
        ({"method.recipe": "own"}, "corrected, released"),
        ({"seed.a": 1}, "'seed'"),
        ({"optimisation.milestones": 7}, r"must be a list, not 7: write \[a, b\]"),
        ({"methods": ["sspcm"]}, r"'methods' \(it is one of a grid: sspcm-bench run --grid FILE\)"),
        ({"method.label": 1.5}, "must be of type str, not 1.5: write it in quotes, '1.5'"),
        ({"optimisation.epochs": None}, r"'optimisation\.epochs' must be of type int, not None"),
        ({"optimisation.epochs": "1e1"}, "must be of type int, not '1e1'"),
        ({"data.test_fraction": 1.0}, "from 0 to below 1"),
        ({"seed": -1}, "'seed' must be at least 0, not -1"),
        ({"threads": -1}, "'threads' must be at least 0"),
        ({"data.subset_seed": -1}, r"'data\.subset_seed' must be at least 0"),
        ({"optimisation.epoch_steps": -1}, r"'optimisation\.epoch_steps' must be at least 0"),
        ({"optimisation.learning_rate": 0.0}, r"'optimisation\.learning_rate' must be above 0"),
        ({"optimisation.learning_rate": "fast"}, "must be of type float, not 'fast'"),
        ({"optimisation.learning_rate": "nan"}, "must be of type float, not 'nan'"),
        ({"optimisation.learning_rate": float("inf")}, "must be of type float, not 'inf'"),
        ({"optimisation.milestones": [3, -1]}, "must be epochs from 0 on"),
        ({"threads": 100000}, "'threads' must be at most 1024"),
        ({"data.sigma": 101}, r"'data\.sigma' must be at most 100"),
        ({"easy_view.scale": 1.0}, r"'easy_view\.scale' must be from 0 to below 1"),
        ({"hard_view.rotation": -1.0}, r"'hard_view\.rotation' must be at least 0"),
        ({"easy_view.flip_probability": 1.5}, "from 0 to 1"),
        ({"hard_view.flip_probability": 0.5}, r"'hard_view\.flip_probability' must be 0"),
        ({"easy_view.translation": -0.1}, r"'easy_view\.translation' must be from 0 to below 1"),
        ({"hard_view.translation": 0.1}, r"'hard_view\.translation' must be 0"),
        ({"data.unlabelled": "x", "data.exclude_labelled": True}, "no meaning with"),
        ({"data.subset_seed": 1}, r"'data\.subset_seed' .* with data\.order=file"),
        (
            {"data.subset_seed": 1, "data.order": "random", "data.labels": "listed.json"},
            r"data\.labels names a list",
        ),
        (
            {"optimisation.epochs": 5, "optimisation.burn_in_epochs": 5},
            "optimisation.epochs is 5, of which the burn-in takes 5: none is left to the method",
        ),
        ({"optimisation.averaging": 1.0}, r"'optimisation\.averaging' must be from 0 to below 1"),
        ({"optimisation.optimiser": "sgd"}, "choose one of adam, adamw"),
        ({"optimisation.schedule": "linear"}, "choose one of steps, cosine"),
        ({"optimisation.warm_up_epochs": -1}, r"'optimisation\.warm_up_epochs' must be at least 0"),
        (
            {"optimisation.burn_in_learning_rate": 0},
            r"'optimisation\.burn_in_learning_rate' must be above 0",
        ),
    ],
)
def test_wrong_keys_and_values_are_named(overrides, message):
    with pytest.raises(InputError, match=message):
        load_config(overrides={"seed": 1} | overrides if "seed.a" in overrides else overrides)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=3", ("a.b", 3)),
        ("a=[1, 2]", ("a", [1, 2])),
        ("a=1e-3", ("a", "1e-3")),
        ("a=", ("a", None)),
    ],
)
def test_settings_on_the_command_line_are_yaml(text, expected):
    assert parse_override(text) == expected


def test_a_group_keeps_its_own_defaults_beside_the_keys_that_are_set(tmp_path):
    assert load_config(overrides={"hard_view.rotation": 10}).hard_view == replace(
        HARD_VIEW, rotation=10.0
    )
    (tmp_path / "config.yaml").write_text("hard_view: {scale: 0.1}\neasy_view: {scale: 0.2}\n")
    config = load_config(tmp_path / "config.yaml")
    assert config.hard_view == replace(HARD_VIEW, scale=0.1)
    assert config.easy_view == replace(EASY_VIEW, scale=0.2)


def test_a_rate_may_be_written_without_a_dot(tmp_path):
    key, value = parse_override("optimisation.learning_rate=1e-3")
    assert load_config(overrides={key: value}).optimisation.learning_rate == 1e-3
    (tmp_path / "config.yaml").write_text("optimisation: {learning_rate: 5e-4}\n")
    config = load_config(tmp_path / "config.yaml")
    assert config.optimisation.learning_rate == 5e-4
    assert load_config(overrides={"data.labels": "1e-3"}).data.labels == "1e-3"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("data.path=2026-01-05", "2026-01-05"),
        ("data.path=007", "007"),
        ("data.path=1_000", "1_000"),
        ("data.path=12:30", "12:30"),
        ("data.path=~/mine", "HOME/mine"),
        ("data.unlabelled=", ""),
        ("method.label=on", "on"),
        ("method.label='1.50'", "1.50"),
        ("optimisation.epochs=010", 10),
        ("optimisation.epochs='12'", 12),
        ("optimisation.epochs=1_000", 1000),
        ("network.pretrained=None", None),
        ("network.pretrained=", None),
        ("evaluation.flip_test=yes", True),
        ("evaluation.flip_test=Off", False),
        ("evaluation.flip_test='true'", True),
    ],
)
def test_values_are_what_people_read(text, value, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    value = value.replace("HOME", str(tmp_path)) if isinstance(value, str) else value
    overrides = parse_overrides([text])
    config = load_config(overrides=overrides)
    assert attrgetter(*overrides)(config) == value
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    assert load_config(tmp_path / "config.yaml") == config
    group, key, written = re.split("[.=]", text, maxsplit=2)
    (tmp_path / "mine.yaml").write_text(f"{group}:\n  {key}: {written}\n")
    assert load_config(tmp_path / "mine.yaml") == config


def test_a_key_that_a_file_has_wrong_is_said_with_the_file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("seed: 0\nof_tomorrow: 3\n")
    for overrides in ({}, {"seed": 1}):
        with pytest.raises(InputError, match=rf"{path}: unknown config key 'of_tomorrow'"):
            load_config(path, overrides=overrides)
    path.write_text("seed: 0\n")
    with pytest.raises(InputError, match=r"^config key 'seed' must be at least 0"):
        load_config(path, overrides={"seed": -1})


def test_a_group_sets_the_keys_that_it_names(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "network: &small {width: 8}\nstudent: *small\n"
        "optimisation: {batch_size: 4}\nevaluation:\nmethod: {options: {patches: 0}}\n"
    )
    settings = ["optimisation={epochs: 3}", "student={width: 16}", "method.options={}"]
    config = load_config(tmp_path / "config.yaml", overrides=parse_overrides(settings))
    assert (config.optimisation.batch_size, config.optimisation.epochs) == (4, 3)
    assert (config.network.width, config.student.width) == (8, 16)
    assert config.method.options == {}


def test_a_setting_without_a_value_is_an_error():
    with pytest.raises(InputError, match="KEY=VALUE"):
        parse_override("optimisation.epochs")


def test_files_that_are_no_configuration(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_config(tmp_path / "missing.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n- 2\n")
    with pytest.raises(InputError, match="top level"):
        load_config(tmp_path / "list.yaml")
    for text, said in {
        "a: [1\n": "not usable YAML: .* at line 2",
        "data:\n  order: file\n  labels: 3\n  order: random\n": "'order' .* twice, .*line 4",
        "a: " + "[" * 5000: "nested too deeply",
        "seed: !!python/object:os.system x": "could not determine a constructor .* at line 1",
    }.items():
        (tmp_path / "broken.yaml").write_text(text)
        with pytest.raises(InputError, match=f"broken.yaml: .*{said}"):
            load_config(tmp_path / "broken.yaml")


def test_files_that_are_no_configuration_say_what_is(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("optimisation.epochs: 3\n")
    with pytest.raises(InputError, match="write optimisation: and in the line below, indented"):
        load_config(path)
    with pytest.raises(InputError, match=r"is a folder, .*; that of the run is .*config\.yaml"):
        load_config(tmp_path)


def test_anchors_of_a_file_are_followed_and_never_printed_at_length(tmp_path):
    path = tmp_path / "anchors.yaml"
    path.write_text("easy_view: &view {scale: 0.1}\nhard_view: {<<: *view, flip_probability: 0}\n")
    config = load_config(path)
    assert (config.hard_view.scale, config.hard_view.flip_probability) == (0.1, 0)
    lines = [f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]" for n in range(1, 12)]
    path.write_text("\n".join(["data:", "  b0: &b0 [1]", *(f"  {line}" for line in lines)]))
    with pytest.raises(InputError, match="stands for itself or for very many values, at line 7"):
        load_config(path)
    path.write_text("seed: [[1, 2], [3]]")
    with pytest.raises(InputError, match="'seed' must be of type int, not a list of 2"):
        load_config(path)


def test_defaults_are_the_published_setting():
    written = yaml.safe_load(to_yaml(TrainConfig()))
    assert written["optimisation"] == {
        "epochs": 100,
        "epoch_steps": 0,
        "burn_in_epochs": 0,
        "batch_size": 32,
        "optimiser": "adam",
        "weight_decay": 0.01,
        "schedule": "steps",
        "learning_rate": 0.001,
        "milestones": [70, 90],
        "factor": 0.1,
        "warm_up_epochs": 0.0,
        "burn_in_learning_rate": None,
        "burn_in_milestones": [],
        "averaging": 0.0,
    }
    assert (written["data"]["crop_width"], written["data"]["crop_height"]) == (192, 256)


def test_values_of_numpy_and_paths_are_taken():
    config = load_config(
        overrides={
            "seed": np.int64(3),
            "optimisation.learning_rate": np.float32(0.5),
            "data.path": Path("people"),
            "data.more_labelled": [Path("more")],
        }
    )
    assert type(config.seed) is int
    assert (config.seed, config.optimisation.learning_rate) == (3, 0.5)
    assert (config.data.path, config.data.more_labelled) == ("people", ("more",))
    assert load_config(overrides={"seed": 3}).seed == config.seed


@pytest.mark.parametrize(
    ("names", "said"),
    [([""], "holds an empty name"), (["more", "./more"], "names a data set twice")],
)
def test_further_data_sets_are_named_once_each(names, said):
    with pytest.raises(InputError, match=f"'data.more_labelled' {said}"):
        load_config(overrides={"data.more_labelled": names})
