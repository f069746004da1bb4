"""Writes requirements.lock: what containers install, as it is in this environment (make lock).

Pinned is everything that the package and its extra `export` need, at the versions that pip resolved
here. What torch brings for CUDA is left to torch, whose own wheel pins it.
"""

from __future__ import annotations

import configparser
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
EXTRA = "export"


def stated() -> list[Requirement]:
    """Return the requirements of the package and of the extra, as setup.cfg states them."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"].splitlines()
    lines += config["options.extras_require"][EXTRA].splitlines()
    return [Requirement(line) for line in lines if line.strip()]


def pins() -> dict[str, str]:
    """Return the version of all that the requirements need, by name."""
    found: dict[str, str] = {}
    left = stated()
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name in found or name.startswith(("nvidia-", "cuda-", "triton")):
            continue
        distribution = metadata.distribution(name)
        # Without the local part, as `+cpu`: another index has the same version under its own.
        found[name] = Version(distribution.version).public
        extras = requirement.extras or {""}
        for line in distribution.requires or ():
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras):
                left.append(need)
    return found


def main() -> None:
    """Write the lock file."""
    lines = [f"{name}=={version}" for name, version in sorted(pins().items())]
    head = "# Written by `make lock`; the containers install these versions."
    LOCK.write_text("\n".join([head, *lines, ""]), encoding="utf-8")
    print(f"{LOCK}: {len(lines)} packages")


if __name__ == "__main__":
    main()
