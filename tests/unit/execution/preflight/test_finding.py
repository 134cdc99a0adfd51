"""Facts travel as JSON."""

import json

import pytest

from pipeline.execution.exchange import Misfit
from pipeline.execution.preflight.finding import (
    Built,
    ClusterFacts,
    DataFacts,
    Exchanged,
    Failed,
    NodeFacts,
    Ready,
    Unbuilt,
    as_event,
    as_fact,
)
from tests.unit.execution.preflight.told import trained


@pytest.mark.parametrize(
    "fact",
    [
        Failed("x", "trace", late=True),
        DataFacts("d", {"train": 3}, "4", "2", 2, 100, {"inputs of train": 1}, [1]),
        Ready(1.5),
        trained(told="x", notes=["slow"]),
        Built([{"a": 1}], [Unbuilt("0001", {"a": 2}, "x", "trace")]),
        Exchanged([Misfit("width", "so")]),
        ClusterFacts([NodeFacts("n", 2.0, 0.0, 1e9, {"ray": "2"}, "trouble")]),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_a_fact_comes_back_from_json(fact) -> None:
    """What a process tells is what is heard."""
    assert as_fact(json.loads(json.dumps(as_event(fact)))) == fact
