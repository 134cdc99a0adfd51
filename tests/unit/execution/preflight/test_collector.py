"""Findings from the facts of a rehearsal, and checks that were not made."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.execution.preflight.collector import Collector
from pipeline.execution.preflight.finding import DataFacts, Failure, Finding, ModelFacts, WeightFacts, WorkerStart
from pipeline.study import Objective
from pipeline.study.sources import Sources
from tests.unit.execution.preflight.facts import job, steps, trained

DATA = DataFacts("d", {"train": 10}, "4", "2", 2, 100)


def collected(*facts: object, **fields: object) -> list[Finding]:
    """All findings of a rehearsal that reported those facts."""
    collector = Collector(job(**fields), {})
    return [finding for fact in facts for finding in collector.collect(fact)] + list(collector.rest())


def levels(findings: list[Finding]) -> dict[str, str]:
    """The level of each finding by its name."""
    return {each.name: each.level for each in findings}


def test_a_check_without_faults() -> None:
    """A check without faults has each finding once, in order."""
    found = collected(DATA, WorkerStart(1.0), trained(), ModelFacts([{"x": 1}]))
    assert [each.name for each in found] == ["data", "epoch", "objective", "labels", "resume", "configs"]
    assert set(levels(found).values()) == {"ok"}


def test_data_that_differ_at_each_call_do_not_resume_exactly() -> None:
    """If the data function returns other data each time, resuming is a warning that says which data differ."""
    changed = "the train inputs have different values, in the same shape"
    found = collected(replace(DATA, unsteady=[changed]), WorkerStart(1.0), trained(), ModelFacts([{"x": 1}]))
    (resume,) = [each for each in found if each.name == "resume"]
    assert (levels(found)["data"], resume.level) == ("warning", "warning")
    assert resume.found.endswith(f"the data function returns different data at each call: {changed}")
    assert "--accept-changes" in resume.advice


def test_data_that_cannot_be_loaded_skip_the_later_checks() -> None:
    """If the data cannot be loaded, that is the only fault, and each later check reports why it was skipped."""
    found = collected(Failure("no file"))
    assert levels(found) == {"data": "error"} | dict.fromkeys(
        ("epoch", "objective", "labels", "resume", "configs"), "skipped"
    )
    assert found[-1].found == "the data were not loaded"


def test_a_process_that_is_late_is_a_warning() -> None:
    """A rehearsal that takes too long is a warning with how far it came and how to give it more time."""
    found = collected(DATA, WorkerStart(1.0), Failure("It had not ended after 5 s.", late=True))
    assert levels(found)["epoch"] == "warning"
    assert found[1].found == "It had not ended after 5 s, and no epoch was trained"
    assert "--wait" in found[1].advice


def test_a_process_that_dies_is_a_fault() -> None:
    """A process that dies after the epoch is a fault of building configs."""
    assert levels(collected(DATA, WorkerStart(1.0), trained(), Failure("killed")))["configs"] == "error"


def test_another_config_is_waited_for_where_one_is_not_finite() -> None:
    """The epoch is judged once, with all configs that were tried, if one of them was not finite."""
    bad = trained(metrics={"loss": math.nan, "val_accuracy": 0.1})
    found = collected(DATA, WorkerStart(1.0), bad, trained(), ModelFacts([{"x": 1}]))
    assert [each.name for each in found].count("epoch") == 1
    assert levels(found)["epoch"] == "warning"


def test_targets_that_do_not_fit_are_the_only_fault() -> None:
    """Targets that do not fit the model are one fault, and Keras' error of the epoch, its effect, is not another."""
    epoch = trained(message="ValueError", trace="x", metrics={}, mismatch="8, not 10", remedy="Use 8.")
    found = collected(DATA, WorkerStart(1.0), epoch, ModelFacts([{"x": 1}]))
    assert levels(found) == {"data": "ok", "labels": "error", "configs": "ok"} | dict.fromkeys(
        ("epoch", "objective", "resume"), "skipped"
    )
    by_name = {each.name: each for each in found}
    assert (by_name["labels"].found, by_name["labels"].advice) == ("8, not 10", "Use 8.")
    assert by_name["resume"].found == "the targets do not fit the model"


def test_a_file_that_hides_a_module_is_named_where_the_process_dies(tmp_path: Path) -> None:
    """If the process of a check dies because of a file next to the job that hides a module, the advice names it."""
    (tmp_path / "csv.py").write_text("")
    (tmp_path / "queue.py").write_text("")
    printed = "Its process ended with code 1. It last printed: AttributeError: module 'csv' has no attribute 'reader'"
    collector = Collector(job(), {}, Sources(folders=(tmp_path,)))
    (found,) = collector.collect(Failure(printed))
    assert found.advice.startswith(f"{tmp_path}/csv.py hides Python's module csv: ")


@pytest.mark.parametrize(
    ("failed", "advice"),
    [
        (Failure("Its process was killed by SIGSEGV."), ""),
        (Failure("The data function load raised ValueError: no rows", trace="ValueError"), "Fix it, and check again."),
    ],
)
def test_another_failure_is_not_blamed_on_such_a_file(tmp_path: Path, failed: Failure, advice: str) -> None:
    """If a failure is not one of imports, the advice names no file that hides a module."""
    (tmp_path / "queue.py").write_text("")
    (found,) = Collector(job(), {}, Sources(folders=(tmp_path,))).collect(failed)
    assert found.advice == advice


def test_a_missing_objective_is_the_only_fault() -> None:
    """A missing objective is the only fault, and the findings of the trained epoch are still reported."""
    found = levels(
        collected(
            DATA, WorkerStart(1.0), trained(metrics={"loss": 1.0}, message="The objective …"), ModelFacts([{"x": 1}])
        )
    )
    assert found == {
        "data": "ok", "epoch": "ok", "objective": "error", "labels": "ok", "resume": "ok", "configs": "ok"
    }  # fmt: skip


def test_a_function_is_checked_for_less() -> None:
    """A check of a function has no findings on data, labels or models."""
    found = collected(
        WorkerStart(1.0), trained(metrics={"score": 1.0}), function=steps, objectives=[Objective("score", "max")]
    )
    assert [each.name for each in found] == ["epoch", "objective", "resume"]


def test_a_population_is_checked_for_compatible_weights() -> None:
    """A population's weights are checked after its models, and a skipped comparison is reported."""
    facts = (DATA, WorkerStart(1.0), trained(), ModelFacts([{"x": 1}]))
    assert levels(collected(*facts, WeightFacts([]), scheduler="pbt"))["weights"] == "ok"
    assert levels(collected(*facts, scheduler="pbt"))["weights"] == "skipped"
    assert "weights" not in levels(collected(*facts))
