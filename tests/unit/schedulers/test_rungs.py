"""Rungs: their epochs, and the ranks of trials at one."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from pipeline.schedulers import ASHA, PromotingASHA
from pipeline.schedulers.base import Mode
from pipeline.schedulers.rungs import Rung, rungs


def _milestones(settings: ASHA, epochs: int) -> list[int]:
    found = [0]
    while found[-1] < epochs:
        found.append(settings.next_milestone(found[-1], epochs))
    return found[1:]


@pytest.mark.parametrize(
    ("settings", "epochs", "milestones"),
    [
        (ASHA(), 8, [1, 2, 4, 8]),
        (ASHA(), 9, [1, 2, 4, 8, 9]),
        (ASHA(grace_period=3), 20, [3, 6, 12, 20]),
        (ASHA(reduction_factor=3), 9, [1, 3, 9]),
        (ASHA(reduction_factor=1.5), 8, [1, 2, 3, 4, 6, 8]),
        (ASHA(reduction_factor=1.01), 5, [1, 2, 3, 4, 5]),
        (ASHA(grace_period=8), 8, [8]),
        (ASHA(), 1, [1]),
    ],
)
def test_rungs_are_at_powers(settings: ASHA, epochs: int, milestones: list[int]) -> None:
    """Rungs are the grace period times powers of the factor, rounded up, and then the maximum."""
    assert _milestones(settings, epochs) == milestones


def test_a_grace_period_beyond_the_end_is_a_fault() -> None:
    """A grace period beyond a trial's maximum of epochs is a fault."""
    assert ASHA(grace_period=8).faults(epochs=8, trials=1) == []
    (fault,) = ASHA(grace_period=9).faults(epochs=8, trials=1)
    assert str(fault) == "scheduler.grace_period: must be at most budget.epochs, which is 8; found 9"


@given(grace=st.integers(1, 20), factor=st.floats(1.01, 10), epochs=st.integers(1, 300))
def test_rungs_are_below_the_maximum_and_ascend(grace: int, factor: float, epochs: int) -> None:
    """Rungs ascend from the grace period by at least the factor, up to rounding, and are below the maximum."""
    found = rungs(grace, factor, epochs)
    assert list(found) == sorted(set(found))
    assert found[:1] == ((grace,) if grace < epochs else ())
    assert all(rung < epochs for rung in found)
    assert all(later > (earlier - 1) * factor for earlier, later in pairwise(found))


_reports = st.lists(st.tuples(st.floats(-3, 3), st.booleans()), max_size=20)


@given(reports=_reports, mode=st.sampled_from(["min", "max"]))
def test_a_rung_ranks_its_trials(reports: list[tuple[float, bool]], mode: Mode) -> None:
    """A rung ranks its trials by value, then by number, at any time between reports."""
    rung, values = Rung(4, mode), {}
    for number, (value, asks) in enumerate(reports):
        rung.values[str(number)] = values[str(number)] = value
        if asks:
            assert rung.ranking[rung.rank(str(number))] == str(number)
    expected = sorted(values, key=lambda trial: (-values[trial] if mode == "max" else values[trial], int(trial)))
    assert rung.ranking == expected
    assert [rung.value_at(rank) for rank in range(len(expected))] == [values[trial] for trial in expected]


@given(reports=_reports, most=st.integers(0, 20))
def test_the_best_that_do_not_continue_yet_are_held(reports: list[tuple[float, bool]], most: int) -> None:
    """The best trials that were not promoted are held, the best first, even after a conversion to JSON."""
    rung = Rung(4, "max")
    rung.values.update({str(number): value for number, (value, _) in enumerate(reports)})
    for number, (_, promoted) in enumerate(reports):
        if promoted:
            rung.promote(str(number))
            rung.promote(str(number))
    expected = [trial for trial in rung.ranking[:most] if not reports[int(trial)][1]]
    again = Rung(4, "max")
    again.restore(json.loads(json.dumps(rung.state())))
    assert list(rung.held(most)) == list(again.held(most)) == expected


def test_a_rank_is_described() -> None:
    """A rank is described by the value, the rank and the number of trials at the rung."""
    rung = Rung(4, "min", {"a": 0.5, "b": 0.25})
    assert rung.place("a") == "0.5 is number 2 of 2 at rung 4"


@pytest.mark.parametrize(("epochs", "grace"), [(1, 1), (8, 1), (50, 3), (200, 12)])
def test_the_measured_rungs_are_a_share_of_the_epochs(epochs: int, grace: int) -> None:
    """The measured grace period is 6% of a trial's maximum of epochs, and at least one epoch; the factor is 3.5."""
    resolved = PromotingASHA().resolved(epochs)
    assert (resolved.grace_period, resolved.reduction_factor) == (grace, 3.5)
