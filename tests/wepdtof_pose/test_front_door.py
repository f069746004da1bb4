import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wepdtof_pose


@pytest.mark.parametrize("name", wepdtof_pose.__all__)
def test_what_is_exported_is_there(name: str) -> None:
    assert getattr(wepdtof_pose, name).__name__ == name
    assert name in dir(wepdtof_pose)


def test_type_checkers_see_what_is_exported() -> None:
    tree = ast.parse(Path(wepdtof_pose.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    declared = {
        (str(node.module).removeprefix("wepdtof_pose."), alias.name)
        for node in imports
        for alias in node.names
        if str(node.module).startswith("wepdtof_pose.")
    }
    assert declared == {(module, name) for name, module in wepdtof_pose._PLACES.items()}
    assert (Path(wepdtof_pose.__file__).parent / "py.typed").is_file()


def test_names_that_are_not_exported() -> None:
    with pytest.raises(AttributeError, match="'wepdtof_pose' has no attribute 'nothing'"):
        wepdtof_pose.nothing  # noqa: B018


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, wepdtof_pose; heavy = {'numpy', 'pandas', 'cv2', 'torch'} & set(sys.modules); "
        "wepdtof_pose.load_dataset; print(sorted(heavy), 'pandas' in sys.modules, "
        "'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True False\n"
