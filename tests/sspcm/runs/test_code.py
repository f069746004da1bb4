"""Code that a run folder names is imported only if it is asked for by name."""

import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from sspcm.commands.main import main
from sspcm.config_io import load_config
from sspcm.inference.open import open_networks
from sspcm.methods import method_class
from sspcm.runs.code import import_named, own_errors, require_allowed_code
from sspcm.training.train import train
from wepdtof_pose.errors import InputError

OWN = """
from pathlib import Path
from sspcm.methods.method import Method
from sspcm.methods.supervised import Supervised

Path(__file__).with_name("ran").touch()

class Mine(Supervised):
    pass

class WithoutOptions(Supervised):
    Options = None

class Half(Method):
    Options = Supervised.Options

    def forward(self, batch):
        return {}

number = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of modules on the path, and where it shows that they were imported."""
    (tmp_path / "own_code.py").write_text(OWN)
    (tmp_path / "broken_code.py").write_text("raise RuntimeError('at once')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_code", raising=False)
    return tmp_path / "ran"


@pytest.fixture
def foreign_run(own, single_run):
    """A run folder of somebody else's that names code."""
    folder = own.parent / "run"
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("keypoints.json", "env.json", "checkpoints/last.pt"):
        (folder / name).write_bytes((single_run / name).read_bytes())
    config = yaml.safe_load((single_run / "config.yaml").read_text())
    config["method"]["name"] = "own_code:Mine"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def test_a_run_folder_imports_nothing_unasked(foreign_run, own):
    with pytest.raises(InputError, match=r"--allow-code own_code:Mine \(in Python allow_code="):
        open_networks(foreign_run)
    with pytest.raises(InputError, match="code of its own"):
        open_networks(foreign_run, allow_code=["own_code:Other"])
    found = CliRunner().invoke(main, ["train", "--resume", "-o", str(foreign_run)])
    assert found.exit_code != 0
    assert not own.exists()
    assert open_networks(foreign_run, allow_code=["own_code:Mine"]).reported == "A"
    assert own.exists()


def test_what_the_user_names_is_allowed():
    config = load_config(overrides={"network.name": "my:Net", "student.name": "timm:resnet18"})
    require_allowed_code(config, (), source=Path("run"), named={"network.name": "my:Net"})
    with pytest.raises(InputError, match=r"network\.name is 'my:Net'"):
        require_allowed_code(config, (), source=Path("run"))


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_code:number", "is no subclass of"),
        ("own_code:WithoutOptions", "has no dataclass Options"),
        ("own_code:Half", "does not define heatmaps, predictor$"),
        ("own_code:Missing", "own_code has no 'Missing'"),
        ("nowhere_at_all:X", "on PYTHONPATH"),
        ("broken_code:X", r"cannot be imported: RuntimeError: at once \(.*broken_code.py:1\)"),
        ("..:x", "is not module:name"),
        ("sspcn", "choose one of supervised"),
    ],
)
def test_methods_of_ones_own_that_are_none(name, said):
    with pytest.raises(InputError, match=said):
        method_class(name)


@pytest.mark.usefixtures("own")
def test_a_method_of_ones_own_is_built_like_the_others(single_run):
    from sspcm.assembly import method_of
    from wepdtof_pose.keypoints import get_keypoint_set

    config = load_config(single_run / "config.yaml", overrides={"method.name": "own_code:Mine"})
    joints = get_keypoint_set("wepdtof-pose-14")
    method = method_of(config, joints, labelled=joints.flip_permutation)
    assert type(method) is import_named("own_code:Mine", kind="method")


FAILING = """
from dataclasses import dataclass
import torch
from torch import nn
from sspcm.methods.supervised import Supervised

class Late(nn.Module):
    def __init__(self, joints):
        super().__init__()
        self.layer = nn.Conv2d(3, joints, 4, 4)
        self.calls = 0

    def forward(self, images):
        self.calls += 1
        if self.training:
            return self.fail(self.layer(images))
        return self.layer(images)

    def fail(self, maps):
        raise KeyError("my mistake")  # Late

class Torch(Late):
    def fail(self, maps):
        return maps @ torch.zeros(7, 7)  # Torch

class Detached(Late):
    def fail(self, maps):
        return maps.detach()

class Still(Late):
    def __init__(self, joints):
        super().__init__(joints)
        self.requires_grad_(False)

class Early(Late):
    def forward(self, images):
        assert images.shape[-1] == 7  # Early

class Leaves(Late):
    def forward(self, images):
        raise SystemExit(3)

class Raises(Supervised):
    def forward(self, batch):
        return {"loss": 1 / 0}  # Raises

class Begins(Supervised):
    def __init__(self, *given):
        raise ValueError("not so")  # Begins

class Nothing(Supervised):
    def forward(self, batch):
        return None

class Number(Supervised):
    def forward(self, batch):
        return {"loss": 1.5}

class Reports(Supervised):
    reported = "Z"

class Maps(Supervised):
    def heatmaps(self, images):
        return {"A": images}

class Bare(Supervised):
    def heatmaps(self, images):
        return images

class Leaver(Supervised):
    def predictor(self):
        return None

class Asks(Supervised):
    @dataclass(frozen=True)
    class Options:
        weight: float

class Lacks(Supervised):
    @dataclass(frozen=True)
    class Options:
        weight: float = 1

class Typed(Supervised):
    @dataclass(frozen=True)
    class Options:
        weight: "Weight" = None
"""


@pytest.mark.parametrize(
    ("key", "name", "said"),
    [
        (
            "network",
            "Late",
            r"code of your own fails: KeyError: 'my mistake' \(.*failing.py:LINE\)$",
        ),
        ("network", "Torch", r"code of your own fails: RuntimeError: .*\(.*failing.py:LINE\)$"),
        ("network", "Detached", "no loss depends on a weight that learns"),
        ("network", "Still", "no weight that learns"),
        ("network", "Early", r"cannot be applied to .*: AssertionError \(.*failing.py:LINE\)$"),
        ("network", "Leaves", "cannot be applied to .*: SystemExit: 3"),
        ("method", "Raises", r"code of your own fails: ZeroDivisionError.*failing.py:LINE\)$"),
        ("method", "Begins", r"method 'failing:Begins': ValueError: not so \(.*failing.py:LINE\)$"),
        ("method", "Nothing", "it gives NoneType$"),
        ("method", "Number", "it gives float as 'loss'$"),
        ("method", "Reports", "'Z' that a method reports is none of .* which are 'A'$"),
        ("method", "Maps", r"must return \(1, 14, 16, 16\) of .* not \(1, 3, 64, 64\) as 'A'$"),
        ("method", "Bare", "must return heatmaps by network, not Tensor$"),
        ("method", "Leaver", r"predictor\(\) of a method must return a torch.nn.Module$"),
        ("method", "Asks", "config key 'method.options.weight' has no default: give its value$"),
        ("method", "Lacks", "method 'failing:Lacks': AttributeError: .* no attribute 'role'$"),
        ("method", "Typed", "the types of its Options are not known: name 'Weight'"),
    ],
)
def test_what_fails_in_code_of_ones_own_is_said_with_its_place(
    settings, tmp_path, monkeypatch, key, name, said
):
    (tmp_path / "failing.py").write_text(FAILING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "failing", raising=False)
    settings |= {"method.name": "supervised", f"{key}.name": f"failing:{name}"}
    if key == "network":
        del settings["network.width"], settings["network.deconv_channels"]
    lines = FAILING.splitlines()
    line = next((n for n, text in enumerate(lines, 1) if text.endswith(f"# {name}")), 0)
    with pytest.raises(InputError, match=said.replace("LINE", str(line))):
        train(load_config(overrides=settings), tmp_path / "run")


def test_a_lack_of_memory_is_no_fault_of_code_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "greedy.py").write_text("import torch\n\ndef make():\n    torch.empty(10**15)\n")
    monkeypatch.syspath_prepend(tmp_path)
    make = import_named("greedy:make", kind="network")
    with pytest.raises(RuntimeError, match="can't allocate memory"), own_errors():
        make()


@pytest.mark.parametrize("name", ["make", "Greedy"])
def test_nor_is_it_where_a_network_is_made_and_tried(settings, tmp_path, monkeypatch, name):
    (tmp_path / "greedily.py").write_text(
        "import torch\n\ndef make(joints):\n    torch.empty(10**15)\n\n"
        "class Greedy(torch.nn.Conv2d):\n    def __init__(self, joints):\n"
        "        super().__init__(3, joints, 4, stride=4)\n\n"
        "    def forward(self, x):\n        return torch.empty(10**15)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    settings |= {"method.name": "supervised", "network.name": f"greedily:{name}"}
    del settings["network.width"], settings["network.deconv_channels"]
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        train(load_config(overrides=settings), tmp_path / "run")


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere_at_all\n", r"cannot be imported: ModuleNotFoundError: .*wanting.py:1\)$"),
        ("def f(:\n", r"cannot be imported: SyntaxError: invalid syntax \(wanting.py, line 1\)$"),
    ],
)
def test_a_module_that_is_there_and_cannot_be_imported(own, text, said):
    (own.parent / "wanting.py").write_text(text)
    with pytest.raises(InputError, match=said):
        method_class("wanting:Mine")
    with pytest.raises(InputError, match=r"goes without folder and \.py"):
        method_class("wanting.py:Mine")
