"""`sspcm train`: what it chooses where nothing is said, and what it never overrules."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sspcm.commands.main import main
from sspcm.config import TrainConfig
from sspcm.config_io import load_config, to_yaml
from wepdtof_pose.files import read_json, write_json

TINY = {
    "data.crop_width": 64,
    "data.crop_height": 64,
    "network.width": 8,
    "network.deconv_channels": 8,
    "optimisation.epochs": 2,
    "optimisation.epoch_steps": 1,
    "optimisation.batch_size": 4,
    "threads": 1,
}
CEILING = "people are seen from a ceiling"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["train", "--device", "cpu", *map(str, arguments)])


def options(settings: dict[str, object]) -> list[str]:
    return [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]


@pytest.mark.usefixtures("own_cache")
def test_the_preset_of_a_cpu_with_crops_turned_for_a_ceiling(
    tiny_fisheye: Path, tmp_path: Path
) -> None:
    named = ["--data", tiny_fisheye, "--method", "supervised", *options(TINY)]
    done = run(*named, "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == (
        "preset small, for a CPU: resnet18, crops of 64 x 64, 1 epoch of burn-in and 1 epoch of "
        "supervised; --preset, --config and --set choose otherwise"
    )
    assert lines[1].startswith(CEILING)
    config = load_config(tmp_path / "run" / "config.yaml")
    assert config.data.upright
    assert config.data.labels == "all"
    assert config.data.order == "random"
    assert config.evaluation.decoding == "dark"


@pytest.mark.usefixtures("own_cache")
def test_that_everybody_is_labelled_is_said(tiny_fisheye: Path, tmp_path: Path) -> None:
    done = run("--data", tiny_fisheye, *options(TINY), "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "1 epoch of supervised" in lines[0]
    assert lines[1].startswith("everybody is labelled and no other people are named")
    assert load_config(tmp_path / "run" / "config.yaml").method.name == "supervised"


@pytest.mark.usefixtures("own_cache")
def test_what_is_said_goes_before_what_would_be_chosen(tiny_fisheye: Path, tmp_path: Path) -> None:
    named = TINY | {"data.upright": False, "data.labels": "6"}
    given = ["--data", tiny_fisheye, "--method", "supervised", "--preset", "quick"]
    done = run(*given, *options(named), "-o", tmp_path / "run")
    assert done.output.startswith("preset quick, as asked: resnet18, ")
    assert CEILING not in done.output
    config = load_config(tmp_path / "run" / "config.yaml")
    assert not config.data.upright
    assert config.data.labels == "6"


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("states", [False, True])
def test_a_configuration_is_taken_as_it_is(
    tiny_fisheye: Path, tmp_path: Path, states: bool
) -> None:
    text = "".join(
        f"{group}: {json.dumps(keys)}\n"
        for group, keys in {
            "data": {"path": str(tiny_fisheye), "labels": "6", "crop_width": 64, "crop_height": 64}
            | ({"upright": False} if states else {}),
            "network": {"width": 8, "deconv_channels": 8},
            "method": {"name": "supervised"},
            "optimisation": {"epochs": 1, "epoch_steps": 1, "batch_size": 4, "milestones": []},
        }.items()
    )
    (tmp_path / "mine.yaml").write_text(text)
    done = run("--config", tmp_path / "mine.yaml", "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "preset" not in done.output
    assert (f"{CEILING} (rotated boxes or a fisheye lens in the file): --set" in done.output) is (
        not states
    )
    config = load_config(tmp_path / "run" / "config.yaml")
    assert not config.data.upright
    assert config.data.order == TrainConfig().data.order


@pytest.mark.usefixtures("own_cache")
def test_data_without_rotated_boxes_or_lens_are_not_turned(
    tiny_fisheye: Path, tmp_path: Path
) -> None:
    (file,) = (tiny_fisheye / "annotations").glob("*.json")
    content = read_json(file)
    for annotation in content["annotations"]:
        annotation.pop("rotated_box", None)
    for image in content["images"]:
        image.pop("fisheye", None)
    write_json(tmp_path / "plain" / "annotations" / file.name, content)
    (tmp_path / "plain" / "images").symlink_to(tiny_fisheye / "images")
    named = ["--data", tmp_path / "plain", "--method", "supervised", *options(TINY)]
    done = run(*named, "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert CEILING not in done.output
    assert not load_config(tmp_path / "run" / "config.yaml").data.upright


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "tiny", "--data", "nowhere"], "unknown preset 'tiny': choose one of quick,"),
        (["--preset", "quick", "--config", "CONFIG"], "--preset and --config both say all"),
        ([], "no data: name a data set with --data PATH"),
        (["--config", "CONFIG"], "names no data"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(TrainConfig()))
    named = [str(file) if argument == "CONFIG" else argument for argument in arguments]
    done = run(*named, "-o", tmp_path / "run")
    assert done.exit_code == 2
    assert message in done.output.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_nothing_to_go_on_with_is_said(tmp_path: Path) -> None:
    done = run("--resume", "-o", tmp_path / "run")
    assert done.exit_code == 2
    assert f"{tmp_path / 'run'}: holds no run to go on with" in done.output
    assert not (tmp_path / "run").exists()
