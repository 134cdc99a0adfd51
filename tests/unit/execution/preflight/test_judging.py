"""From facts about training to findings."""

import math

import pytest

from pipeline import Objective
from pipeline.execution.exchange import Misfit
from pipeline.execution.preflight import judging
from pipeline.execution.preflight.finding import Built, DataFacts, Exchanged, Failed, Unbuilt
from tests.unit.execution.preflight.told import job, steps, trained

_TRACE = """Traceback (most recent call last):
  File "/copies/source/mine.py", line 7, in build_model
    return layers(config)
  File "<string>", line 1, in nothing
  File "{library}/keras/layer.py", line 99, in __init__
    raise ValueError("no")
ValueError: no
"""


def trace() -> str:
    """The user's line, and below it a library's."""
    import sysconfig

    return _TRACE.format(library=sysconfig.get_path("purelib"))


def test_the_users_own_line_is_shown_in_the_users_own_file() -> None:
    """The last frame that is not a library's, under the name of the file that was copied."""
    frame = judging.user_frame(trace(), {"/copies/source/mine.py": "/home/you/mine.py"})
    assert frame == "/home/you/mine.py, line 7, in build_model: return layers(config)"


def test_no_frame_of_the_users_is_none() -> None:
    """An error that never passed the user's code is told without a place."""
    assert judging.user_frame('  File "<string>", line 1, in x\n    y\n', {}) == ""
    assert judging.failed_finding("data", Failed("no file"), {}, "").found == "no file"


def test_an_error_of_tensorflows_is_told_by_what_it_says() -> None:
    """Its first line names the graph, the next ones where, and only then comes what happened."""
    told = "InvalidArgumentError: Graph execution error:\n\nDetected at node X, defined at:\n  File a\n\nsizes differ"
    found = judging.epoch_finding(job(), [trained(told=told, trace="Traceback", metrics={})], {})
    assert found.found == "InvalidArgumentError: Graph execution error: sizes differ"
    assert found.level == "fault"


def data(**fields: object) -> DataFacts:
    """Facts of a small data set."""
    known = {"name": "d", "rows": {"train": 1200}, "inputs": "64 float32", "targets": "10 float32", "classes": 10}
    return DataFacts(**{**known, "bytes": 2_000_000, **fields})


def test_data_are_described() -> None:
    """Rows, shapes, classes and size stand in one line."""
    found = judging.data_finding(data())
    assert found.level == "ok"
    assert found.found == "d: 1,200 train rows; inputs 64 float32, targets 10 float32, 10 classes; 2 MB"


def test_numbers_that_are_none_are_a_fault_of_the_data() -> None:
    """It says how many, and in which split."""
    found = judging.data_finding(data(strange={"inputs of train": 3}))
    assert (found.level, found.found.endswith("3 in the inputs of train")) == ("fault", True)


def test_a_class_that_training_never_shows_is_a_warning() -> None:
    """Validation asks for it all the same."""
    assert judging.data_finding(data(unseen=[2, 9])).found.endswith("no row of class 2, 9")
    assert judging.data_finding(data(unseen=[2, 9])).level == "warning"


def test_an_epoch_that_runs_tells_its_seconds() -> None:
    """A model is built and trained, a function takes a step."""
    assert (
        judging.epoch_finding(job(), [trained()], {}).found
        == "trial 0000 trains: 10 s an epoch, 2.0 s to build its model"
    )
    function = job(function=steps, objectives=[Objective("score", "max")])
    assert judging.epoch_finding(function, [trained()], {}).found == "trial 0000 trains: 10 s a step"


def test_what_is_not_finite_with_one_config_is_a_warning_and_with_all_a_fault() -> None:
    """The configs are named."""
    bad = trained(metrics={"loss": math.nan, "val_accuracy": 0.1}, config={"x": 0.9})
    some, all_of_them = ([bad, trained()], [bad, bad, bad])
    assert judging.epoch_finding(job(), some, {}).level == "warning"
    assert "x=0.9" in judging.epoch_finding(job(), some, {}).found
    assert judging.epoch_finding(job(), all_of_them, {}).level == "fault"


def test_a_metric_that_nobody_judges_by_may_be_anything() -> None:
    """NaN in another metric than the loss and the objectives is let pass."""
    assert judging.finite(job(), trained(metrics={"loss": 1.0, "val_accuracy": 0.5, "other": math.nan}))


def test_an_objective_that_is_not_there_lists_those_that_are() -> None:
    """The epoch itself is no fault then."""
    without = trained(metrics={"loss": 1.0, "acc": 0.5}, told="The objective …")
    found = judging.objective_finding(job(), without)
    assert found.level == "fault"
    assert found.found == "There is no metric 'val_accuracy'; there are loss, acc"
    assert judging.epoch_finding(job(), [without], {}).level == "ok"


def test_a_second_objective_that_is_not_there_is_a_warning() -> None:
    """Trials are judged by the first one."""
    two = job(objectives=[Objective("val_accuracy", "max"), Objective("val_auc", "max")])
    found = judging.objective_finding(two, trained())
    assert (found.level, "There is no val_auc" in found.found) == ("warning", True)


def test_what_cannot_go_on_exactly_is_a_warning_with_its_reason() -> None:
    """Else it says how a trial goes on."""
    assert judging.exactness_finding(job(), trained(inexact="it runs eagerly")).level == "warning"
    assert judging.exactness_finding(job(), trained()).found.endswith("from its checkpoint, exactly")


def test_targets_that_do_not_fit_are_a_fault() -> None:
    """In the words of training."""
    assert judging.labels_finding(trained(mismatch="8, not 10")).level == "fault"
    assert judging.labels_finding(trained()).level == "ok"


def test_configs_that_give_no_model_are_told_with_the_choice_to_blame() -> None:
    """Which configs, why, at which line, and the first trial that would fail."""
    failed = [Unbuilt("0003", {"kind": "b", "x": 0.1}, "ValueError: no", trace())]
    found = judging.models_finding(Built([{"kind": "a", "x": 0.2}], failed), {})
    assert found.level == "fault"
    assert found.found.startswith("1 of 2 configs give no model, every config with kind='b': ValueError: no (/copies")
    assert "trial 0003" in found.advice
    assert judging.models_finding(Built([{"x": 1}]), {}).level == "ok"


def test_weights_that_would_not_fit_are_a_fault_with_a_way_out() -> None:
    """Which parameter it is, and how it is fixed; else the scheduler is named for which it matters."""
    found = judging.weights_finding(job(scheduler="pbt"), Exchanged([Misfit("x", "x (2 with x=1, 3 with x=2)")]))
    assert found.level == "fault"
    assert found.found.startswith("Under pbt a trial goes on with another's weights")
    assert found.found.endswith("x (2 with x=1, 3 with x=2)")
    assert "--set space.x=VALUE" in found.advice
    well = judging.weights_finding(job(scheduler="pb2"), Exchanged([]))
    assert (well.level, "under pb2" in well.found) == ("ok", True)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0123, "0.012 s"), (3, "3.0 s"), (45, "45 s"), (600, "10 min"), (7200, "2.0 h"), (10**6, "11.6 days")],
)
def test_durations_are_told_in_a_unit_that_fits(seconds, told) -> None:
    """Two digits are enough."""
    assert judging.duration(seconds) == told


@pytest.mark.parametrize(
    ("count", "told"),
    [(973, "973 bytes"), (513_000, "513 kB"), (6_890_000, "6.89 MB"), (2.5e9, "2.5 GB"), (3e12, "3 TB")],
)
def test_sizes_are_told_in_a_unit_that_fits(count, told) -> None:
    """Three digits are enough."""
    assert judging.size(count) == told
