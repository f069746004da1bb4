"""The annotation card as package data: joint definitions, schema, label budgets, sample."""

from pathlib import Path


def sample_folder() -> Path:
    """The folder of the committed sample: six synthetic overhead-fisheye frames."""
    return Path(__file__).parent / "sample"
