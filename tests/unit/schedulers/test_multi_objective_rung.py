"""A rung whose trials are compared by several objectives."""

from pipeline.schedulers.base import ObjectiveValues
from pipeline.schedulers.multi_objective_rung import MultiObjectiveRung


def test_a_rung_orders_by_front_then_bounds() -> None:
    """A rung has trials on the front first, dominated ones next, and those beyond bounds last."""
    rung = MultiObjectiveRung(1, 2.0, "min", (("a", "min"), ("b", "min")))
    rung.values["0000"] = ObjectiveValues((0.0, 0.0), 1.0)
    rung.values["0001"] = ObjectiveValues((2.0, 2.0))
    assert rung.ranking == ["0001", "0000"]
    rung.values["0002"] = ObjectiveValues((1.0, 1.0))
    assert rung.ranking == ["0002", "0001", "0000"]
    assert [rung.rank(trial) for trial in ("0000", "0001", "0002")] == [2, 1, 0]


def test_with_one_objective_it_orders_by_value() -> None:
    """With one objective, a rung ranks trials by value and holds the best that were not promoted."""
    rung = MultiObjectiveRung(1, 2.0, "max")
    rung.values |= {"0000": ObjectiveValues((-0.5,)), "0001": ObjectiveValues((-0.9,))}
    assert [rung.value_at(rank) for rank in range(2)] == [0.9, 0.5]
    assert list(rung.held(2)) == ["0001", "0000"]
    rung.promote("0001")
    assert list(rung.held(2)) == ["0000"]
