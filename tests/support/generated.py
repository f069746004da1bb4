"""How tests on generated data sets draw them: many where asked for, a few otherwise."""

import os

from hypothesis import HealthCheck, Phase, settings

EXAMPLES = "WEPDTOF_EXAMPLES"
"""Environment variable with the number of data sets; with it they differ from run to run."""


def generated(few: int) -> settings:
    """Return settings of a test on `few` data sets, always the same, or on as many as asked for."""
    return settings(
        max_examples=int(os.environ.get(EXAMPLES, few)),
        deadline=None,
        derandomize=EXAMPLES not in os.environ,
        database=None,
        # To shrink a data set takes minutes of reading and writing, and tells little.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
