"""Schedulers and searchers that do not go together."""

import re

import pytest

from pipeline.execution.preflight.search_findings import objectives_finding, pair_finding
from pipeline.space import Uniform
from pipeline.study import Objective
from tests.unit.simulation.simulation_inputs import job


@pytest.mark.parametrize(("scheduler", "searcher"), [("promoting-asha", "gp"), ("median", "gp")])
def test_a_pair_that_needs_more_epochs_than_chance_is_reported(scheduler, searcher):
    """A scheduler and searcher that need more epochs than random draws are a warning with figure and alternative."""
    space = {"x": Uniform(0, 1), "y": Uniform(0, 1)}
    finding = pair_finding(job(scheduler=scheduler, searcher=searcher, space=space))
    assert finding.level == "warning"
    assert re.search(f"{searcher} with {scheduler} needed .*1\\.[12].* times the epochs of random draws", finding.found)
    assert "--search curves" in finding.advice


@pytest.mark.parametrize(
    "pair",
    [
        ("asha", "random"),
        ("asha", "tpe"),
        ("hyperband", "cma"),
        ("hyperband", "gp"),
        ("halving", "tpe"),
        ("promoting-asha", "curves"),
    ],
)
def test_other_pairs_have_no_finding(pair):
    """A scheduler and searcher without known weaknesses produce no finding."""
    assert pair_finding(job(scheduler=pair[0], searcher=pair[1])) is None


_TWO = [Objective("score", "max"), Objective("size", "min")]


@pytest.mark.parametrize(
    ("pair", "found"),
    [
        (("asha", "random"), "The scheduler asha uses only the first objective, score"),
        (("asha", "tpe"), "The scheduler asha and the searcher tpe use only the first objective, score"),
        (("moasha", "curves"), "The searcher curves uses only the first objective, score"),
    ],
)
def test_pairs_that_use_one_of_several_objectives_are_reported(pair, found):
    """A scheduler or a searcher that uses only the first of several objectives is a warning with alternatives."""
    finding = objectives_finding(job(scheduler=pair[0], searcher=pair[1], objectives=_TWO))
    assert (finding.level, finding.found) == ("warning", found)
    assert "promoting-moasha" in finding.advice


@pytest.mark.parametrize("pair", [("moasha", "motpe"), ("promoting-moasha", "nsga2"), ("fifo", "random")])
def test_pairs_that_use_all_objectives_have_no_finding(pair):
    """Pairs that look at all objectives, or compare nothing, produce no finding, and neither does one objective."""
    assert objectives_finding(job(scheduler=pair[0], searcher=pair[1], objectives=_TWO)) is None
    assert objectives_finding(job(scheduler="asha", searcher="tpe")) is None


def test_bounds_that_nothing_looks_at_are_reported():
    """A scheduler that compares trials by the value alone is reported for one objective with a bound."""
    finding = objectives_finding(job(scheduler="asha", objectives=[Objective("score", "max", at_least=0.5)]))
    assert finding.found == "The scheduler asha uses no bounds"
