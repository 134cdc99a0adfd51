"""Facts are sent as JSON."""

import json

import pytest

from pipeline.execution.preflight.finding import (
    BuildFailure,
    ClusterFacts,
    DataFacts,
    Failure,
    ModelFacts,
    NodeFacts,
    WeightFacts,
    WorkerStart,
    as_event,
    as_fact,
    skipped,
)
from pipeline.execution.worker.weight_compatibility import WeightMismatch
from tests.unit.execution.preflight.facts import trained


@pytest.mark.parametrize(
    "fact",
    [
        Failure("x", "trace", late=True),
        DataFacts("d", {"train": 3}, "4", "2", 2, 100, {"inputs of train": 1}, [1], {"train.x": {}}, ["so"], ["so"]),
        WorkerStart(1.5),
        trained(message="x", notes=["slow"]),
        ModelFacts([{"a": 1}], [BuildFailure("0001", {"a": 2}, "x", "trace")]),
        WeightFacts([WeightMismatch("width", "so")]),
        ClusterFacts([NodeFacts("n", 2.0, 0.0, 1e9, {"ray": "2"}, "trouble")]),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_a_fact_comes_back_from_json(fact) -> None:
    """A fact of a check equals its copy after a conversion to JSON and back."""
    assert as_fact(json.loads(json.dumps(as_event(fact)))) == fact


def test_the_json_of_a_skipped_check_says_why() -> None:
    """The JSON of a check that was skipped has its own level, and says why it was skipped."""
    assert skipped("time", "no epoch was trained").as_object() == {
        "name": "time", "level": "skipped", "found": "no epoch was trained", "advice": "",
    }  # fmt: skip
