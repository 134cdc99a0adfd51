"""What is heard of a rehearsal, and what is not."""

import math

from pipeline.execution.preflight.finding import Built, DataFacts, Exchanged, Failed, Finding, Ready
from pipeline.execution.preflight.hearing import Hearing
from pipeline.study import Objective
from tests.unit.execution.preflight.told import job, steps, trained

DATA = DataFacts("d", {"train": 10}, "4", "2", 2, 100)


def heard(*facts: object, **fields: object) -> list[Finding]:
    """All findings of a rehearsal that told those facts."""
    hearing = Hearing(job(**fields), {})
    return [finding for fact in facts for finding in hearing.hear(fact)] + list(hearing.rest())


def levels(findings: list[Finding]) -> dict[str, str]:
    """Name → level, `unlooked` for what was not looked at."""
    return {each.name: each.level if each.looked else "unlooked" for each in findings}


def test_all_is_well() -> None:
    """Each name comes once, in order."""
    found = heard(DATA, Ready(1.0), trained(), Built([{"x": 1}]))
    assert [each.name for each in found] == ["data", "epoch", "objective", "labels", "resume", "configs"]
    assert set(levels(found).values()) == {"ok"}


def test_data_that_cannot_be_loaded_leave_the_rest_unlooked_at() -> None:
    """The fault is the data's, and everything behind says why it was not looked at."""
    found = heard(Failed("no file"))
    assert levels(found) == {"data": "fault"} | dict.fromkeys(
        ("epoch", "objective", "labels", "resume", "configs"), "unlooked"
    )
    assert found[-1].found == "not looked at: the data were not loaded"


def test_a_process_that_is_late_is_a_warning() -> None:
    """How far it came, and how to give it more time."""
    found = heard(DATA, Ready(1.0), Failed("It had not ended after 5 s.", late=True))
    assert levels(found)["epoch"] == "warning"
    assert found[1].found == "It had not ended after 5 s, and no epoch was trained"
    assert "--wait" in found[1].advice


def test_a_process_that_dies_is_a_fault() -> None:
    """After the epoch it is the building of configs that it did not survive."""
    assert levels(heard(DATA, Ready(1.0), trained(), Failed("killed")))["configs"] == "fault"


def test_another_config_is_waited_for_where_one_is_not_finite() -> None:
    """The epoch is judged once, with all that were tried."""
    bad = trained(metrics={"loss": math.nan, "val_accuracy": 0.1})
    found = heard(DATA, Ready(1.0), bad, trained(), Built([{"x": 1}]))
    assert [each.name for each in found].count("epoch") == 1
    assert levels(found)["epoch"] == "warning"


def test_targets_that_do_not_fit_are_told_beside_the_epoch_that_failed() -> None:
    """They are why it failed."""
    found = levels(heard(DATA, Ready(1.0), trained(told="ValueError", trace="x", metrics={}, mismatch="8, not 10")))
    assert (found["epoch"], found["labels"], found["objective"]) == ("fault", "fault", "unlooked")


def test_a_missing_objective_is_the_only_fault() -> None:
    """The epoch ran, so what it shows is told."""
    found = levels(heard(DATA, Ready(1.0), trained(metrics={"loss": 1.0}, told="The objective …"), Built([{"x": 1}])))
    assert found == {
        "data": "ok", "epoch": "ok", "objective": "fault", "labels": "ok", "resume": "ok", "configs": "ok"
    }  # fmt: skip


def test_a_function_is_asked_about_less() -> None:
    """It has no data, no labels and no models."""
    found = heard(Ready(1.0), trained(metrics={"score": 1.0}), function=steps, objectives=[Objective("score", "max")])
    assert [each.name for each in found] == ["epoch", "objective", "resume"]


def test_a_population_is_asked_whether_weights_fit() -> None:
    """Behind the models; where they were not compared, that is said."""
    facts = (DATA, Ready(1.0), trained(), Built([{"x": 1}]))
    assert levels(heard(*facts, Exchanged([]), scheduler="pbt"))["weights"] == "ok"
    assert levels(heard(*facts, scheduler="pbt"))["weights"] == "unlooked"
    assert "weights" not in levels(heard(*facts))
