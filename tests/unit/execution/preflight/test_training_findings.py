"""Findings about the first epoch and about models."""

import math

from pipeline import Objective
from pipeline.execution.preflight.finding import BuildFailure, ModelFacts, WeightFacts
from pipeline.execution.preflight.training_findings import (
    epoch_finding,
    finite,
    labels_finding,
    models_finding,
    objective_finding,
    weights_finding,
)
from pipeline.execution.worker.weight_compatibility import WeightMismatch
from tests.unit.execution.preflight.facts import job, steps, trained, user_trace


def test_an_error_of_tensorflow_is_reported_by_its_cause() -> None:
    """Of an error of TensorFlow, the line with the cause is reported, not the first lines about the graph."""
    reported = (
        "InvalidArgumentError: Graph execution error:\n\nDetected at node X, defined at:\n  File a\n\nsizes differ"
    )
    finding = epoch_finding(job(), [trained(message=reported, trace="Traceback", metrics={})], {})
    assert finding.found == "InvalidArgumentError: Graph execution error: sizes differ"
    assert finding.level == "error"


def test_an_epoch_that_runs_is_reported_with_its_seconds() -> None:
    """The finding of an epoch that runs has the seconds of an epoch and a build, or of a step for a function."""
    assert epoch_finding(job(), [trained()], {}).found == "trial 0000 trains: 10 s per epoch, 2.0 s to build its model"
    function = job(function=steps, objectives=[Objective("score", "max")])
    assert epoch_finding(function, [trained()], {}).found == "trial 0000 trains: 10 s per step"


def test_a_loss_that_is_not_finite_is_a_warning_with_one_config_and_a_fault_with_all() -> None:
    """A loss that is not finite is a warning for one config and a fault for all; the configs are named."""
    bad = trained(metrics={"loss": math.nan, "val_accuracy": 0.1}, config={"x": 0.9})
    some, all_of_them = ([bad, trained()], [bad, bad, bad])
    assert epoch_finding(job(), some, {}).level == "warning"
    assert "x=0.9" in epoch_finding(job(), some, {}).found
    assert epoch_finding(job(), all_of_them, {}).level == "error"


def test_a_metric_that_is_no_objective_may_be_nan() -> None:
    """NaN is accepted in a metric that is neither the loss nor an objective."""
    assert finite(job(), trained(metrics={"loss": 1.0, "val_accuracy": 0.5, "other": math.nan}))


def test_an_objective_that_is_not_there_lists_those_that_are() -> None:
    """A missing objective is a fault that lists the reported metrics, and the epoch itself is not a fault."""
    without = trained(metrics={"loss": 1.0, "acc": 0.5}, message="The objective …")
    finding = objective_finding(job(), without)
    assert finding.level == "error"
    assert finding.found == "There is no metric 'val_accuracy'; available: loss, acc"
    assert epoch_finding(job(), [without], {}).level == "ok"


def test_a_second_objective_that_is_not_there_is_a_warning() -> None:
    """A second objective that is not reported is only a warning."""
    two = job(objectives=[Objective("val_accuracy", "max"), Objective("val_auc", "max")])
    finding = objective_finding(two, trained())
    assert (finding.level, "There is no val_auc" in finding.found) == ("warning", True)


def test_targets_that_do_not_fit_are_a_fault() -> None:
    """Targets that do not fit the model are a fault."""
    assert labels_finding(trained(mismatch="8, not 10")).level == "error"
    assert labels_finding(trained()).level == "ok"


def test_configs_without_a_model_are_reported_with_the_choice_at_fault() -> None:
    """Configs without a model are reported with reason, line, the choice at fault and the first trial that fails."""
    failed = [BuildFailure("0003", {"kind": "b", "x": 0.1}, "ValueError: no", user_trace())]
    finding = models_finding(ModelFacts([{"kind": "a", "x": 0.2}], failed), {})
    assert finding.level == "error"
    assert finding.found.startswith(
        "1 of 2 configs failed to build a model, namely every config with kind='b': ValueError: no (/copies"
    )
    assert "trial 0003" in finding.advice
    assert models_finding(ModelFacts([{"x": 1}]), {}).level == "ok"


def test_an_objective_that_is_not_finite_is_left_to_the_finding_of_the_epoch() -> None:
    """The check of an objective that is not finite is skipped, because the epoch's finding is the fault."""
    finding = objective_finding(job(), trained(metrics={"loss": 1.0, "val_accuracy": math.nan}, message="It is nan."))
    assert (finding.found, finding.level) == ("val_accuracy is nan", "skipped")


def test_an_error_of_all_configs_and_of_the_epoch_is_reported_once() -> None:
    """If all configs fail like the first epoch, the error is not repeated; another error is, without the space."""
    failed = [BuildFailure(f"000{n}", {"x": n}, "KeyError: 'y'", user_trace()) for n in range(4)]
    same = trained(message="KeyError: 'y'", trace=user_trace(), metrics={})
    finding = models_finding(ModelFacts([], failed), {}, same)
    assert finding.found == "all 4 configs fail in the same way as the first epoch"
    assert (finding.level, finding.advice) == ("skipped", "")
    other = models_finding(ModelFacts([], failed), {}, trained(message="OSError: no"))
    assert (other.level, other.advice) == ("error", "Fix it, and check again.")
    assert models_finding(ModelFacts([{"x": 9}], failed), {}, same).level == "error"


def test_weights_that_would_not_fit_are_a_fault_with_a_way_out() -> None:
    """Weights that would not fit under a population scheduler are a fault with the parameter and a remedy."""
    finding = weights_finding(job(scheduler="pbt"), WeightFacts([WeightMismatch("x", "x (2 with x=1, 3 with x=2)")]))
    assert finding.level == "error"
    assert finding.found.startswith("With pbt, a trial continues with another trial's weights")
    assert finding.found.endswith("x (2 with x=1, 3 with x=2)")
    assert "--set space.x=VALUE" in finding.advice
    fits = weights_finding(job(scheduler="pb2"), WeightFacts([]))
    assert (fits.level, "with pb2" in fits.found) == ("ok", True)
