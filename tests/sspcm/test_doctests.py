"""The examples in the docstrings of what users call."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "sspcm",
        "sspcm.adaptation.before_after",
        "sspcm.adaptation.steadiness",
        "sspcm.api",
        "sspcm.augment.cameras",
        "sspcm.augment.textures",
        "sspcm.data.detections",
        "sspcm.inference.poses",
        "sspcm.model",
        "sspcm.runs.checkpoint",
    ],
)
def test_examples_in_docstrings(name, own_cache):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert not result.failed
