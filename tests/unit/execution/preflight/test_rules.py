"""From facts about training to findings."""

import math

from pipeline import Budget, Objective
from pipeline.execution.preflight import rules
from pipeline.execution.preflight.finding import Built, DataFacts, Exchanged, Failed, Unbuilt
from pipeline.execution.worker.weight_compatibility import WeightMismatch
from tests.unit.execution.preflight.facts import job, steps, trained

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
    frame = rules.user_frame(trace(), {"/copies/source/mine.py": "/home/you/mine.py"})
    assert frame == "/home/you/mine.py, line 7, in build_model: return layers(config)"


def test_an_error_outside_of_the_users_code_has_no_location() -> None:
    """An error that never passed through the user's code is reported without a location."""
    assert rules.user_frame('  File "<string>", line 1, in x\n    y\n', {}) == ""
    assert rules.failed_finding("data", Failed("no file"), {}, "").found == "no file"


def test_an_error_of_tensorflow_is_reported_by_its_cause() -> None:
    """Of an error of TensorFlow, the line with the cause is reported, not the first lines about the graph."""
    reported = (
        "InvalidArgumentError: Graph execution error:\n\nDetected at node X, defined at:\n  File a\n\nsizes differ"
    )
    found = rules.epoch_finding(job(), [trained(message=reported, trace="Traceback", metrics={})], {})
    assert found.found == "InvalidArgumentError: Graph execution error: sizes differ"
    assert found.level == "fault"


def data(**fields: object) -> DataFacts:
    """Facts of a small data set."""
    known = {"name": "d", "rows": {"train": 1200}, "inputs": "64 float32", "targets": "10 float32", "classes": 10}
    return DataFacts(**{**known, "bytes": 2_000_000, **fields})


def test_data_are_described() -> None:
    """One line has the rows, shapes, classes and size of the data."""
    found = rules.data_finding(data())
    assert found.level == "ok"
    assert found.found == "d: 1,200 train rows; inputs 64 float32, targets 10 float32, 10 classes; 2 MB"


def test_data_without_a_hash_are_named() -> None:
    """Of pipelines and of objects that are no text no hash is kept: the finding says that a resume is blind to them."""
    array = {"shape": [2], "dtype": "|O", "sha256": None}
    pipeline = {"pipeline": "tf.data.Dataset", "batches": 2, "elements": "float32"}
    hashed = {"shape": [2], "dtype": "<f4", "sha256": "0"}
    found = rules.data_finding(data(fingerprint={"train": pipeline, "test.x": array, "test.y": hashed}))
    assert found.level == "ok"
    assert found.found.endswith(
        ". A resume does not notice other content of the train pipeline and the test inputs, of which no hash is kept"
    )


def test_values_that_are_not_numbers_are_a_fault_of_the_data() -> None:
    """Values that are not numbers are a fault of the data, with their count and split."""
    found = rules.data_finding(data(strange={"inputs of train": 3}))
    assert (found.level, found.found.endswith("3 in the inputs of train")) == ("fault", True)


def test_a_class_that_training_never_shows_is_a_warning() -> None:
    """Validation asks for it all the same."""
    assert rules.data_finding(data(unseen=[2, 9])).found.endswith("no row of class 2, 9")
    assert rules.data_finding(data(unseen=[2, 9])).level == "warning"


def test_an_epoch_that_runs_tells_its_seconds() -> None:
    """A model is built and trained, a function takes a step."""
    assert (
        rules.epoch_finding(job(), [trained()], {}).found
        == "trial 0000 trains: 10 s an epoch, 2.0 s to build its model"
    )
    function = job(function=steps, objectives=[Objective("score", "max")])
    assert rules.epoch_finding(function, [trained()], {}).found == "trial 0000 trains: 10 s a step"


def test_a_replay_tells_its_seconds() -> None:
    """A function without a state is trained again from its first step, and one with a state is not."""
    function = job(function=steps, objectives=[Objective("score", "max")], budget=Budget(epochs=30))
    found = rules.exactness_finding(function, trained(seconds_epoch=10.0, replays=True)).found
    assert "is replayed from its first step, which takes up to 5.0 min (30 steps)" in found
    assert "resumes exactly from its checkpoint" in rules.exactness_finding(function, trained()).found


def test_a_loss_that_is_not_finite_is_a_warning_with_one_config_and_a_fault_with_all() -> None:
    """A loss that is not finite is a warning for one config and a fault for all; the configs are named."""
    bad = trained(metrics={"loss": math.nan, "val_accuracy": 0.1}, config={"x": 0.9})
    some, all_of_them = ([bad, trained()], [bad, bad, bad])
    assert rules.epoch_finding(job(), some, {}).level == "warning"
    assert "x=0.9" in rules.epoch_finding(job(), some, {}).found
    assert rules.epoch_finding(job(), all_of_them, {}).level == "fault"


def test_a_metric_that_is_no_objective_may_be_nan() -> None:
    """NaN is accepted in a metric that is neither the loss nor an objective."""
    assert rules.finite(job(), trained(metrics={"loss": 1.0, "val_accuracy": 0.5, "other": math.nan}))


def test_an_objective_that_is_not_there_lists_those_that_are() -> None:
    """The epoch itself is no fault then."""
    without = trained(metrics={"loss": 1.0, "acc": 0.5}, message="The objective …")
    found = rules.objective_finding(job(), without)
    assert found.level == "fault"
    assert found.found == "There is no metric 'val_accuracy'; there are loss, acc"
    assert rules.epoch_finding(job(), [without], {}).level == "ok"


def test_a_second_objective_that_is_not_there_is_a_warning() -> None:
    """Trials are judged by the first one."""
    two = job(objectives=[Objective("val_accuracy", "max"), Objective("val_auc", "max")])
    found = rules.objective_finding(two, trained())
    assert (found.level, "There is no val_auc" in found.found) == ("warning", True)


def test_inexact_continuation_is_a_warning_with_its_reason() -> None:
    """A trial that cannot continue exactly is a warning with the reason; else the finding says how it continues."""
    assert rules.exactness_finding(job(), trained(inexact="it runs eagerly")).level == "warning"
    assert rules.exactness_finding(job(), trained()).found.endswith("resumes exactly from its checkpoint")


def test_data_of_a_config_must_be_the_same_at_each_call():
    """Data that differ at each call are a warning for a resume; those of `data(config)` are a fault: trials fail."""
    unsteady = data(unsteady=["train has other values"])
    assert rules.data_finding(unsteady).level == "warning"
    assert rules.data_finding(unsteady, of_config=True).level == "fault"


def test_targets_that_do_not_fit_are_a_fault() -> None:
    """Targets that do not fit the model are a fault with the same message as in training."""
    assert rules.labels_finding(trained(mismatch="8, not 10")).level == "fault"
    assert rules.labels_finding(trained()).level == "ok"


def test_configs_without_a_model_are_reported_with_the_choice_at_fault() -> None:
    """Configs without a model are reported with reason, line, the choice at fault and the first trial that fails."""
    failed = [Unbuilt("0003", {"kind": "b", "x": 0.1}, "ValueError: no", trace())]
    found = rules.models_finding(Built([{"kind": "a", "x": 0.2}], failed), {})
    assert found.level == "fault"
    assert found.found.startswith("1 of 2 configs give no model, every config with kind='b': ValueError: no (/copies")
    assert "trial 0003" in found.advice
    assert rules.models_finding(Built([{"x": 1}]), {}).level == "ok"


def test_weights_that_would_not_fit_are_a_fault_with_a_way_out() -> None:
    """Which parameter it is, and how it is fixed; else the scheduler is named for which it matters."""
    found = rules.weights_finding(job(scheduler="pbt"), Exchanged([WeightMismatch("x", "x (2 with x=1, 3 with x=2)")]))
    assert found.level == "fault"
    assert found.found.startswith("Under pbt a trial continues with another's weights")
    assert found.found.endswith("x (2 with x=1, 3 with x=2)")
    assert "--set space.x=VALUE" in found.advice
    well = rules.weights_finding(job(scheduler="pb2"), Exchanged([]))
    assert (well.level, "under pb2" in well.found) == ("ok", True)
