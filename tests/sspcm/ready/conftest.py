from pathlib import Path

import pytest

from sspcm.ready import make


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The annotation file of twelve drawn people."""
    return make.drawn(tmp_path_factory.mktemp("ready"), "unseen", people=12, seed=77)
