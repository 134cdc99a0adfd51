"""Which parameters change a model's variables, and how that is reported before anything is trained."""

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pipeline import datasets, load_results, run
from pipeline.cli.job_changes import assignments
from pipeline.engine.messages import Assignment
from pipeline.execution.worker.weight_compatibility import (
    WeightMismatch,
    compare,
    copies_weights,
    mismatch_advice,
    mismatch_text,
)
from pipeline.execution.worker.worker import Worker
from pipeline.schedulers import PBT
from pipeline.space import Choice, Config, IntUniform, Switch, Uniform, drawn_names
from pipeline.storage import Store
from pipeline.study import Budget, Objective, TuneJob

SPACE = {
    "lr": Uniform(0, 1),
    "width": IntUniform(1, 9),
    "kind": Switch({"plain": {}, "deep": {"depth": Choice((1, 2)), "rate": Uniform(0, 1)}}),
}
PLAIN = {"lr": 0.1, "width": 4, "kind": "plain"}
DEEP = {"lr": 0.2, "width": 4, "kind": "deep", "depth": 1, "rate": 0.5}
WIDE = {**PLAIN, "lr": 0.9, "width": 9}
DEEPER = {**DEEP, "depth": 2}
ALL = drawn_names(SPACE)


def variables(*shape: int, count: int = 1) -> list[dict[str, Any]]:
    """As many variables of a shape."""
    return [{"path": "kernel", "shape": list(shape), "dtype": "float32"}] * count


def build_model(config: Mapping[str, Any]) -> Any:
    """A layer before the last, as wide as the config says."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(config["width"]),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(config["lr"], config["momentum"]), loss="categorical_crossentropy")
    return model


def job(**fields: Any) -> TuneJob:
    """A population on the digits; keyword arguments are the job's fields."""
    defaults: dict[str, Any] = {
        "name": "s",
        "model": build_model,
        "data": "digits",
        "space": {"lr": Uniform(0.01, 0.1), "width": Choice((4, 8)), "momentum": 0.5},
        "objectives": [Objective("val_loss", "min")],
        "budget": Budget(trials=4, epochs=2),
        "scheduler": "pbt",
    }
    return TuneJob(**{**defaults, **fields})


@pytest.fixture
def first_report(tmp_path: Any) -> Callable[..., Any]:
    """Makes the first report of a new worker on a trial."""

    def make(tuned: TuneJob, config: Config, **fields: int) -> Any:
        worker = Worker(tuned, datasets.load("digits"), Store(tmp_path), session=1, capture=False)
        worker.begin(Assignment("0000", config, 0, **fields))
        report = worker.step()
        worker.close()
        return report

    return make


@pytest.mark.parametrize(
    ("variables_of", "first", "others", "incompatible"),
    [
        (lambda _: variables(3), PLAIN, [WIDE, DEEP], []),
        (lambda c: variables(c["width"]), PLAIN, [WIDE, DEEP], ["width"]),
        (lambda c: variables(3, count=c.get("depth", 0)), PLAIN, [DEEP], ["kind"]),
        (lambda c: variables(3, count=c.get("depth", 1)), DEEP, [PLAIN, DEEPER], ["kind.deep.depth"]),
        (lambda c: variables(c["width"], c.get("depth", 1)), PLAIN, [{**DEEPER, "width": 1}], ["width", "kind"]),
        (lambda c: variables(3 + (c["width"] > 4 and c["lr"] > 0.5)), PLAIN, [WIDE], ["width"]),
    ],
    ids=["none", "a number", "a switch", "a branch's own", "two", "two together"],
)
def test_the_parameters_that_change_variables_are_found(
    variables_of: Any, first: Any, others: Any, incompatible: Any
) -> None:
    """Exactly the parameters that change a model's variables are found, and at least one of two that act together."""
    assert [each.path for each in compare(SPACE, [first, *others], variables_of, ALL)] == incompatible


def test_from_within_a_branch_to_another() -> None:
    """A parameter that only the first config's branch has is ignored in the comparison with another branch."""
    found = list(compare(SPACE, [DEEP, PLAIN], lambda config: variables(len(config)), ALL))
    assert [each.path for each in found] == ["kind"]


def test_a_config_without_a_model_is_skipped() -> None:
    """A config without a model, whether first or later, causes no mismatch."""
    assert list(compare(SPACE, [PLAIN, DEEP], lambda _: None, ALL)) == []
    only_plain = compare(SPACE, [PLAIN, DEEP], lambda c: variables(c["width"]) if c["kind"] == "plain" else None, ALL)
    assert list(only_plain) == []


def test_a_layer_is_named_without_a_sign_for_its_number() -> None:
    """A mismatch names a layer by its kind, without a sign for the number that Keras gave it."""
    models = {4: [{"path": "conv2d_#/kernel", "shape": [3], "dtype": "float32"}]}
    models[9] = [{**models[4][0], "shape": [5]}]
    (shape,) = compare(SPACE, [PLAIN, {**PLAIN, "width": 9}], lambda config: models[config["width"]], ALL)
    assert shape.difference == "width (conv2d/kernel of shape 3 with width=4, conv2d/kernel of shape 5 with width=9)"


def test_a_mismatch_is_reported_with_both_values() -> None:
    """A mismatch names the first differing variable with path and both shapes, or both counts."""
    (shape,) = compare(SPACE, [PLAIN, {**PLAIN, "width": 9}], lambda config: variables(2, config["width"]), ALL)
    assert shape.difference == "width (kernel of shape 2×4 with width=4, kernel of shape 2×9 with width=9)"
    (count,) = compare(SPACE, [PLAIN, {**PLAIN, "width": 2}], lambda config: variables(2, count=config["width"]), ALL)
    assert count.difference == "width (4 variables with width=4, 2 variables with width=2)"


def test_the_remedy_is_named_for_numbers_and_for_switches() -> None:
    """The remedy for a number is to fix it on the command line, and for a switch to leave one branch in the space."""
    tuned = job(space=SPACE)
    assert mismatch_advice(tuned, [WeightMismatch("width", "")]).startswith(
        'Let the population change the others alone with --set \'scheduler.explore=["lr", "kind", "depth", "rate"]\', '
        "fix what changes them with --set space.width=VALUE, or use a scheduler"
    )
    assert "leave one branch of kind in the job's space, or use a scheduler" in mismatch_advice(
        tuned, [WeightMismatch("kind", "")]
    )
    assert "this hyperparameter changes" in mismatch_text(tuned, [WeightMismatch("width", "width (so)")])
    assert mismatch_text(tuned, [WeightMismatch("a", "a (so)"), WeightMismatch("b", "b (so)")]).endswith(
        "would not fit: a (so); b (so)"
    )


def test_the_remedy_keeps_domains_and_names_no_empty_list() -> None:
    """What else may change keeps its domain in the advice, and is left out where nothing else may change."""
    explore = {"lr": Uniform(0, 0.5), "rate": None, "width": IntUniform(2, 4)}
    tuned, mismatched = job(space=SPACE, scheduler=PBT(explore=explore)), [WeightMismatch("width", "")]
    advice = mismatch_advice(tuned, mismatched)
    option = advice.partition("--set ")[2].partition(", fix what")[0]
    (pair,) = shlex.split(option)
    changed = tuned.replaced(assignments([pair])).scheduler
    assert changed.explore == {"lr": Uniform(0, 0.5), "rate": None}
    only_width = job(space=SPACE, scheduler=PBT(explore=["width"]))
    assert mismatch_advice(only_width, mismatched).startswith("Fix what changes them with --set space.width=VALUE, or")


@pytest.mark.parametrize(
    ("changed", "incompatible"),
    [(["lr", "rate"], []), (["lr", "depth"], ["kind.deep.depth"]), (["kind", "lr"], ["kind"]), (["width"], ["width"])],
)
def test_parameters_that_do_not_change_may_change_variables(changed: list[str], incompatible: list[str]) -> None:
    """Only parameters that a population changes must leave the variables alone, including those of a branch."""

    def variables_of(config: Config) -> Any:
        return variables(config["width"], config.get("depth", 0))

    found = compare(SPACE, [PLAIN, WIDE, DEEP, DEEPER], variables_of, changed)
    assert [each.path for each in found] == incompatible


def test_a_mismatch_names_what_the_population_changes() -> None:
    """Where a population changes some hyperparameters, the message names these."""
    tuned = job(space=SPACE, scheduler=PBT(explore=["lr", "width"]))
    assert "in which lr and width may change, but this hyperparameter" in mismatch_text(
        tuned, [WeightMismatch("width", "width (so)")]
    )


def test_a_width_that_the_population_leaves_alone_trains(first_report: Any) -> None:
    """A study of several widths trains under a population that changes the learning rate alone."""
    reported = first_report(job(scheduler=PBT(explore=["lr"])), {"lr": 0.05, "width": 4, "momentum": 0.5})
    assert reported.unusable is None
    assert [row.epoch for row in reported.rows] == [1]


def test_only_trials_that_exploit_exchange_weights() -> None:
    """Weights are exchanged only under a scheduler that exploits a positive quantile of its population."""
    assert copies_weights(job())
    assert copies_weights(job(scheduler="pb2"))
    assert not copies_weights(job(scheduler="asha"))
    assert not copies_weights(job(scheduler=PBT(quantile=0)))


def test_a_study_whose_weights_would_not_fit_ends_before_it_trains(first_report: Any) -> None:
    """If weights do not fit, the first worker ends the study before training and names the parameter."""
    reported = first_report(job(), {"lr": 0.05, "width": 4, "momentum": 0.5})
    assert reported.rows == ()
    assert "width (" in reported.unusable
    assert "64×8 with width=8" in reported.unusable
    assert "--set space.width=VALUE" in reported.unusable


@pytest.mark.parametrize(
    ("space", "scheduler"),
    [
        ({"lr": Uniform(0.01, 0.1), "width": 4, "momentum": Uniform(0.0, 0.9)}, "pbt"),
        ({"lr": Uniform(0.01, 0.1), "width": Choice((4, 8)), "momentum": 0.5}, "asha"),
    ],
    ids=["a fixed width", "no exchange"],
)
def test_a_study_whose_weights_fit_trains(first_report: Any, space: dict[str, Any], scheduler: str) -> None:
    """A study trains if only optimiser settings vary, or if its scheduler exchanges no weights."""
    reported = first_report(job(space=space, scheduler=scheduler), {"lr": 0.05, "width": 4, "momentum": 0.5})
    assert reported.unusable is None
    assert [row.epoch for row in reported.rows] == [1]


def test_a_momentum_that_may_be_zero_changes_the_optimisers_variables(first_report: Any) -> None:
    """A momentum that may be zero changes the variables of Keras' SGD, and is found in the optimiser."""
    space = {"lr": Uniform(0.01, 0.1), "width": 4, "momentum": Choice((0.0, 0.9))}
    reported = first_report(job(space=space), {"lr": 0.05, "width": 4, "momentum": 0.9})
    assert "momentum (" in reported.unusable


def test_a_trial_that_continues_is_not_checked(first_report: Any) -> None:
    """A trial that has already reported epochs continues without the check of compatible weights."""
    reported = first_report(job(), {"lr": 0.05, "width": 4, "momentum": 0.5}, reported_epoch=1)
    assert reported.unusable is None


def test_a_trial_that_copies_another_has_its_architecture(tmp_path: Any) -> None:
    """Where trials differ in widths that the population does not change, a copy has the width of the copied trial."""
    fields = {"scheduler": PBT(explore=["lr"], quantile=0.5), "budget": Budget(trials=4, epochs=4), "seed": 3}
    tuned = job(**fields, start_with=[{"width": width} for width in (4, 8, 4, 8)], trial_seeds=True)
    run(tuned.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "s")
    assert results.trials["state"].tolist() == ["completed"] * 4
    copies = results.decisions[results.decisions["kind"] == "explore"]
    configs = [[json.loads(each) for each in copies[column]] for column in ("config_before", "config_after")]
    assert copies["reason"].str.contains("width stays").all()
    assert [before["width"] for before in configs[0]] == [after["width"] for after in configs[1]]
    firsts = {"0000": 4, "0001": 8, "0002": 4, "0003": 8}
    assert any(firsts[trial] != after["width"] for trial, after in zip(copies["trial_id"], configs[1], strict=True))
