"""What tables say about steps that a teacher and a student share."""

from dataclasses import replace

import msgspec
import pytest

from benchmarks.results.fairness import shared_steps
from benchmarks.results.results import read_results
from sspcm.config import MethodConfig
from sspcm.runs.records import BurnInRecord


@pytest.mark.parametrize(
    ("burn_in", "options", "said"),
    [
        (0, {}, ("first 6 epochs", "other 6 the student's", "starts afresh")),
        (0, {"teacher_epochs": 4}, ("first 4 epochs", "other 8 the student's", "starts afresh")),
        (8, {}, ("first 8 epochs", "other 4 the student's", "starts as burnt in")),
        (8, {"fresh_student": True}, ("first 8 epochs", "starts afresh")),
        # A result of version 0.1, in which the first epochs were no burn-in of a teacher.
        (None, {}, ("first 6 epochs", "other 6 the student's", "starts afresh")),
    ],
)
def test_teacher_and_student_share_the_steps(comparison, burn_in, options, said):
    found = read_results(comparison)
    epochs = 8 if burn_in is None else burn_in
    schedule = replace(found.cells[0].config.optimisation, epochs=12, burn_in_epochs=epochs)
    record = BurnInRecord(epochs=8, training_seconds=1.0, scores={}) if burn_in else None
    method = MethodConfig("pseudo_pose", options=options)
    groups = []
    for group in found.groups:
        cells = [
            replace(
                cell,
                config=replace(cell.config, method=method, optimisation=schedule),
                result=msgspec.structs.replace(cell.result, method="pseudo_pose", burn_in=record),
            )
            for cell in group.cells
        ]
        groups.append(replace(group, method="pseudo_pose", cells=tuple(cells)))
    text = shared_steps(replace(found, groups=tuple(groups)))
    for words in ("pseudo_pose", *said):
        assert words in text


def test_nothing_is_said_of_other_methods(comparison):
    assert shared_steps(read_results(comparison)) == ""
