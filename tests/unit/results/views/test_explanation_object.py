"""An explanation as JSON."""

import json
import math
from dataclasses import replace

import pytest

from pipeline.results import Results
from pipeline.results.analysis import Explanation, explained
from pipeline.results.views.explanation_object import explanation_object


def test_the_object_has_all_analyses(asha_results: Results) -> None:
    """The object of an explanation has all analyses as JSON values and is the same on each call."""
    explanation = explained(asha_results)
    reported = json.loads(json.dumps(explanation_object(explanation), allow_nan=False))
    assert reported == explanation_object(explained(asha_results))
    assert (reported["study"], reported["exploits"]) == ("mnist-asha", 0)
    assert reported["earlier"] == []
    assert reported["stopping"]["stopped"] == 18
    assert [len(cause["trials"]) for cause in reported["failures"]] == [1, 1]
    assert reported["seconds"]["workers"] == 2
    assert reported["seconds"]["train"] == pytest.approx(asha_results.epochs["seconds_train"].sum())


def test_a_hyperparameter_has_its_share_and_its_curve(known: Explanation) -> None:
    """An importance has intervals for shares and curves, and no best value for a parameter that may have no effect."""
    (found,) = explanation_object(known)["importance"]
    parameters = {one["name"]: one for one in found["parameters"]}
    assert parameters["a"]["interval"][0] <= parameters["a"]["share"] <= parameters["a"]["interval"][1]
    assert [point["value"] for point in parameters["c"]["curve"]] == ["x", "y", "z"]
    assert all(point["interval"][0] <= point["mean"] <= point["interval"][1] for point in parameters["a"]["curve"])
    assert {name: one["best"] for name, one in parameters.items()} == {
        effect.parameter.name: effect.best for effect in known.importances[0].effects
    }
    assert parameters["idle"]["best"] is None
    assert found["note"] is None


def test_deprecated_keys_have_the_values_of_the_present_ones(known: Explanation) -> None:
    """The former keys `foretold` and `foretold_interval` still have R² and its interval."""
    (importance,) = explanation_object(known)["importance"]
    assert importance["foretold"] == importance["r_squared"] > 0
    assert importance["foretold_interval"] == importance["r_squared_interval"]


def test_an_unknown_number_is_null(known: Explanation) -> None:
    """A number that is NaN is null in the object of an explanation."""
    unknown = dict.fromkeys(("r_squared", "r_squared_low", "r_squared_high"), math.nan)
    nothing = replace(known.importances[0], **unknown, note="why", effects=())
    stopping = replace(known.stopping, saved_seconds=math.nan)
    reported = explanation_object(replace(known, importances=[nothing], stopping=stopping))
    json.dumps(reported, allow_nan=False)
    importance = reported["importance"][0]
    assert [importance[name] for name in ("r_squared", "r_squared_interval", "note")] == [None, None, "why"]
    assert reported["stopping"]["saved_seconds"] is None


def test_predictions_have_their_grids(predicted: Explanation) -> None:
    """Each hyperparameter has the predicted median and interval at each of its values, the same on each call."""
    found = json.loads(json.dumps(explanation_object(predicted), allow_nan=False))["predictions"]
    assert found == explanation_object(explained(predicted.results))["predictions"]
    assert [(one["name"], one["when"], one["epoch"], len(one["curve"])) for one in found] == [
        ("lr", {}, 9, 20),
        ("kind", {}, 9, 3),
        ("layers", {}, 9, 4),
    ]
    assert found[1]["best"] == "b"
    assert [point["value"] for point in found[1]["curve"]] == ["a", "b", "c"]
    assert all(point["interval"][0] <= point["median"] <= point["interval"][1] for point in found[0]["curve"])
