"""Networks of one's own: `network.name: module:Name`."""

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from sspcm.commands.main import main
from sspcm.config_io import load_config
from sspcm.inference.open import open_networks
from sspcm.networks import build_network
from sspcm.networks.roles import network_maker
from sspcm.training.train import train
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json

OWN_NETWORK = """
from torch import nn

class Shallow(nn.Sequential):
    def __init__(self, joints: int) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 7, 4, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, joints, 1),
        )

class Coarse(nn.Conv2d):
    def __init__(self, joints: int) -> None:
        super().__init__(3, joints, 8, 8)

def needs_two(joints: int, more: int) -> nn.Module:
    return nn.Identity()

def number(joints: int) -> int:
    return joints
"""


def same(a: nn.Module, b: nn.Module) -> bool:
    others = b.state_dict()
    return all(torch.equal(value, others[name]) for name, value in a.state_dict().items())


def config_of(tiny_run: Path, **changes: Any) -> Any:
    overrides = {key.replace("__", "."): value for key, value in changes.items()}
    return load_config(tiny_run / "config.yaml", overrides=overrides)


@pytest.fixture
def own_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_networks.py").write_text(OWN_NETWORK)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("own_networks", "own_cache")
def test_a_network_of_ones_own(tiny_run: Path, tiny_fisheye: Path, tmp_path: Path) -> None:
    config = config_of(
        tiny_run,
        network__name="my_networks:Shallow",
        method__name="supervised",
        optimisation__epochs=1,
        optimisation__epoch_steps=2,
    )
    result = train(config, tmp_path / "run")
    with pytest.raises(InputError, match=r"code of its own .*--allow-code my_networks"):
        open_networks(tmp_path / "run")
    networks = open_networks(tmp_path / "run", allow_code=["my_networks:Shallow"])
    assert type(networks.method.predictor()).__name__ == "Shallow"
    file = tmp_path / "scores.json"
    allowed = ["--allow-code", "my_networks:Shallow"]
    done = CliRunner().invoke(main, ["evaluate", str(tmp_path / "run"), "-o", str(file), *allowed])
    assert done.exit_code == 0, done.output
    assert read_json(file)["networks"] == result.last


@pytest.mark.usefixtures("own_networks")
def test_the_seed_decides_a_network_of_ones_own() -> None:
    before = torch.get_rng_state()
    first, second, other = (
        build_network("my_networks:Shallow", 3, generator=torch.Generator().manual_seed(seed))
        for seed in (4, 4, 5)
    )
    assert same(first, second)
    assert not same(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.usefixtures("own_networks")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my_networks:Coarse", "to (1, 14, 8, 8), but heatmaps (1, 14, 16, 16) are needed"),
        ("my_networks:number", "gave no torch.nn.Module"),
        ("my_networks:Missing", "my_networks has no 'Missing'"),
        ("my_networks:needs_two", "called with 14: TypeError"),
        ("sys:exit", "called with 14: SystemExit"),
        ("..:x", "is not module:name"),
        ("nowhere:Net", "is the folder of nowhere.py on PYTHONPATH?"),
        ("resnet19", "unknown network 'resnet19'"),
    ],
)
def test_unusable_networks(tiny_run: Path, name: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        network_maker(config_of(tiny_run, network__name=name), 14)("A")
    assert said in str(raised.value)


@pytest.mark.usefixtures("own_networks")
def test_own_networks_load_their_own_weights(tiny_run: Path) -> None:
    config = config_of(
        tiny_run, network__name="my_networks:Shallow", network__pretrained="imagenet"
    )
    with pytest.raises(InputError, match="load its weights in its constructor"):
        network_maker(config, 14)("A")
