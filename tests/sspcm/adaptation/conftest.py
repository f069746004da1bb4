"""Few, small drawn people."""

import pytest

from sspcm.adaptation import drawn_people


@pytest.fixture(autouse=True)
def small_drawn_people(monkeypatch, tmp_path_factory):
    """Drawn people on frames of 128 pixels, drawn once for all tests."""
    folder = tmp_path_factory.getbasetemp() / "adaptation-cache"
    monkeypatch.setenv("WEPDTOF_CACHE_DIR", str(folder))
    monkeypatch.setattr(drawn_people, "DRAWN_SIZE", 128)
