"""Changes by dotted fields, as in --set."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, strategies as st

from pipeline.errors import InvalidJob
from pipeline.schedulers import ASHA, PBT
from pipeline.space import Choice, LogUniform, Switch, Uniform
from pipeline.study import Budget, Objective, TuneJob


def _build(config: dict[str, Any]) -> None: ...


_SCHEDULE = Switch({"constant": {}, "cyclic": {"period": Choice((1, 2)), "scheduler": "x"}})

_JOB = TuneJob(
    name="a",
    model=_build,
    data="mnist",
    space={"lr": Uniform(0.1, 1), "kind": Choice(["x", "y"]), "units": 64, "schedule": _SCHEDULE},
    objectives=[Objective("val_accuracy", "max")],
    scheduler=PBT(interval=2, quantile=0.5),
    budget=Budget(trials=4, seconds=60.0),
)


@pytest.mark.parametrize(("changes", "field", "value"), [
    ({"budget.trials": 3}, "budget", Budget(trials=3, seconds=60.0)),
    ({"budget.seconds": None, "budget.epochs": 9}, "budget", Budget(trials=4, epochs=9)),
    ({"space.lr": 0.1}, "space", {**_JOB.space, "lr": 0.1}),
    ({"space.lr.low": 0.5}, "space", {**_JOB.space, "lr": Uniform(0.5, 1.0)}),
    ({"space.lr": LogUniform(1, 2), "space.lr.high": 3}, "space", {**_JOB.space, "lr": LogUniform(1.0, 3.0)}),
    (
        {"space.schedule.cyclic.period.values": [3, 4]},
        "space",
        {
            **_JOB.space,
            "schedule": Switch({"constant": {}, "cyclic": {"period": Choice((3, 4)), "scheduler": "x"}}),
        },
    ),
    ({"start_with": [{"lr": 0.5}], "start_with.0.lr": 0.25}, "start_with", ({"lr": 0.25},)),
    ({"scheduler": "asha"}, "scheduler", ASHA()),
    ({"scheduler.interval": 1}, "scheduler", PBT(interval=1, quantile=0.5)),
    ({"scheduler": PBT(), "scheduler.interval": 3}, "scheduler", PBT(interval=3)),
    ({"scheduler": {"kind": "asha", "grace_period": 2}}, "scheduler", ASHA(grace_period=2)),
    ({"objectives.0.mode": "min"}, "objectives", (Objective("val_accuracy", "min"),)),
    ({}, "name", "a"),
])  # fmt: skip
def test_a_field_is_replaced(changes: dict[str, Any], field: str, value: object) -> None:
    before = _JOB.to_json()
    changed = _JOB.replaced(changes)
    assert getattr(changed, field) == value
    assert repr(getattr(changed, field)) == repr(value)
    assert {k: v for k, v in changed.to_json().items() if k != field} == {k: v for k, v in before.items() if k != field}
    assert _JOB.to_json() == before


@pytest.mark.parametrize(("path", "fault"), [
    ("budgett", "no such field"),
    ("budget.trial", "no such field; available: trials, epochs"),
    ("space.lr.lo", "no such field; available: low, high; did you mean low?"),
    ("space.schedule.cosine", "no such branch; available: constant, cyclic"),
    ("space.schedule.cyclic.perod", "no such hyperparameter; available: period, scheduler; did you mean period?"),
    ("scheduler.reduction_factor", "no such field; available: interval, "),
])  # fmt: skip
def test_a_path_that_leads_nowhere_is_a_fault(path: str, fault: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        _JOB.replaced({path: 1})
    (found,) = refused.value.faults
    assert (found.field, found.found) == (path, 1)
    assert found.allowed.startswith(fault)


def test_wrong_paths_and_wrong_values_are_reported_together() -> None:
    with pytest.raises(InvalidJob) as refused:
        _JOB.replaced({"budget.trials": 0, "x": 1, "scheduler": "asha", "scheduler.interval": 2, "space.lr.low": 2})
    assert [fault.field for fault in refused.value.faults] == ["space.lr", "budget.trials", "scheduler.interval", "x"]


_paths = st.lists(
    st.sampled_from(
        [
            *("budget", "trials", "space", "lr", "low", "kind", "scheduler", "interval", "objectives", "0", "", "x"),
            *("schedule", "cyclic", "period", "branches", "start_with"),
        ]
    ),
    min_size=1,
    max_size=4,
).map(".".join)
_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 5),
    st.floats(),
    st.sampled_from(["pbt", "asha", "normal", "x"]),
    st.lists(st.integers(0, 2), max_size=2),
    st.dictionaries(st.sampled_from(["kind", "low", "lr"]), st.sampled_from(["normal", 1]), max_size=2),
)


@given(changes=st.dictionaries(_paths, _values, max_size=4))
def test_any_change_makes_a_job_or_an_invalid_one(changes: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidJob):
        assert isinstance(_JOB.replaced(changes), TuneJob)


def test_lists_are_set_as_json() -> None:
    job = _JOB.replaced({"space": {"layers": Choice([[64], [64, 32]]), "o": {"a": [1]}}})
    assert job.replaced({"space.layers": [64, 32]}).space["layers"] == [64, 32]
    assert job.replaced({"space.layers.values.1.0": 16}).space["layers"] == Choice(([64], [16, 32]))
    assert job.replaced({"space.o.a.0": 2}).space["o"] == {"a": [2]}
