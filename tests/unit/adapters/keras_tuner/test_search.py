"""What a search says about a job."""

from typing import Any

import pytest

from pipeline.adapters.keras_tuner.search import (
    epochs_of,
    fields_of_search,
    left_out_of_search,
    objectives_of,
    search_arguments,
)
from pipeline.adapters.keras_tuner.tuners import Objective as TheirObjective
from pipeline.adapters.program import Call
from pipeline.errors import InvalidJob
from pipeline.study import Objective


def search(kind: str = "RandomSearch", *args: Any, tuner: Any = None, **kwargs: Any) -> Call:
    """A call of search."""
    return Call(None, {"kind": kind, "tuner": tuner or {}, "args": args, "kwargs": kwargs}, "kt.py, line 3")


def test_positional_arguments_have_names() -> None:
    """Positional arguments of a tuner's search get the names of the arguments of Keras' fit."""
    assert search_arguments(search("Tuner", 1, 2, 16, validation_split=0.1)) == {
        "x": 1, "y": 2, "batch_size": 16, "validation_split": 0.1,
    }  # fmt: skip


def test_a_search_says_budget_scheduler_and_searcher() -> None:
    """A Hyperband tuner sets the job's scheduler, a GridSearch its searcher, and other arguments set its fields."""
    given = {"max_epochs": 9, "factor": 2, "seed": 3, "executions_per_trial": 2}
    assert fields_of_search(
        search("Hyperband", tuner=given, epochs=50, class_weight={0: 1.0}, shuffle=False), "x", own_fit=False
    ) == {
        "scheduler": {"kind": "hyperband", "reduction_factor": 2},
        "seed": 3,
        "repeats": 2,
        "batch_size": 32,
        "budget": {"epochs": 9, "trials": 27},
        "fit": {"class_weight": {0: 1.0}, "shuffle": False},
    }
    grid = fields_of_search(search("GridSearch", tuner={"max_trials": 4}), "x", own_fit=False)
    assert (grid["searcher"], grid["budget"]) == ("grid", {"trials": 4, "epochs": 1})
    assert epochs_of(search(epochs=7)) == 7
    assert epochs_of(search()) is epochs_of(None) is None


def test_a_hyperband_tuner_has_the_default_of_keras_tuner() -> None:
    """A Hyperband tuner without max_epochs trains up to 100 epochs, as in KerasTuner, whatever its search says."""
    for call in (search("Hyperband"), search("Hyperband", epochs=5)):
        assert fields_of_search(call, "x", own_fit=False)["budget"] == {"epochs": 100, "trials": 172}
        assert epochs_of(call) == 100


@pytest.mark.parametrize(
    ("given", "trials"),
    [({"max_epochs": 10}, 22), ({"max_epochs": 10, "hyperband_iterations": 2}, 44), ({"max_epochs": 1}, 1)],
)
def test_a_hyperband_tuner_draws_the_configs_of_its_brackets(given: Any, trials: int) -> None:
    """A Hyperband tuner has as many trials as KerasTuner draws configs for its brackets, in each iteration."""
    assert fields_of_search(search("Hyperband", tuner=given), "x", own_fit=False)["budget"]["trials"] == trials


@pytest.mark.parametrize(
    ("kind", "trials"), [("RandomSearch", 10), ("BayesianOptimization", 10), ("GridSearch", None), ("Tuner", None)]
)
def test_a_tuner_has_the_trials_of_keras_tuner(kind: str, trials: int | None) -> None:
    """A tuner without max_trials has KerasTuner's default."""
    assert fields_of_search(search(kind), "x", own_fit=False)["budget"].get("trials") == trials


def test_settings_of_a_tuner_that_are_left_out_are_noted() -> None:
    """Settings of a tuner that a job does not have are noted, and a plain tuner has none."""
    plain = {"hyperband_iterations": 1, "executions_per_trial": 2}
    assert left_out_of_search(search("Hyperband", tuner=plain), own_fit=False) == []
    strategy = {"hyperband_iterations": 2, "distribution_strategy": "mirrored", "loss": "mse"}
    assert left_out_of_search(search("Hyperband", tuner=strategy), own_fit=False) == [
        "distribution_strategy is ignored; set resources.strategy instead."
    ]
    assert left_out_of_search(search("BayesianOptimization", tuner={"max_model_size": 9}), own_fit=False) == [
        "BayesianOptimization is ignored; set --search instead.",
        "max_model_size is ignored; models of any size are trained.",
    ]
    hooked = search()
    hooked.arguments["hooks"] = ["Tuner.on_trial_end"]
    assert left_out_of_search(hooked, own_fit=True) == ["Tuner.on_trial_end is not called."]


def test_an_own_fit_is_not_repeated() -> None:
    """Executions of a trial are left out with a note where the program trains by itself, since a function runs once."""
    call = search(tuner={"executions_per_trial": 2})
    assert "repeats" not in fields_of_search(call, "x", own_fit=True)
    assert left_out_of_search(call, own_fit=True) == [
        "executions_per_trial is ignored; the program's own training runs once in a trial."
    ]


def test_an_own_fit_takes_arguments_of_any_name() -> None:
    """An argument of the search that Keras' fit does not know is allowed where the program trains by itself."""
    assert fields_of_search(search(rows=3), "x", own_fit=True)["budget"]["epochs"] == 1


def test_objectives_have_directions() -> None:
    """An objective of KerasTuner has the direction that it states, or else the one that follows from its name."""
    both = {"objective": ["val_accuracy", TheirObjective("val_f", "max")]}
    assert objectives_of(search(tuner=both)) == [Objective("val_accuracy", "max"), Objective("val_f", "max")]
    assert objectives_of(None) == [Objective("val_loss", "min")]
    given = ["val_mean_io_u", "val_sensitivity_at_specificity", "val_true_positives", "val_false_positives"]
    assert [one.mode for one in objectives_of(search(tuner={"objective": given}))] == ["max", "max", "max", "min"]


def test_arguments_that_cannot_be_translated_are_named_with_the_line() -> None:
    """All arguments of the tuner and of its search that have no translation are named with the line of the search."""
    with pytest.raises(InvalidJob) as raised:
        fields_of_search(search(tuner={"los": "mse"}, rows=3), "x", own_fit=False)
    assert "kt.py, line 3: is not a known argument of a tuner: leave it out" in str(raised.value)
    assert "kt.py, line 3: is not a known argument of search" in str(raised.value)
