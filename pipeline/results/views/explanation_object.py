"""An explanation of a study as one JSON object; docs/results-json.md says what is in it."""

import math
from collections.abc import Mapping
from typing import Any

from pipeline.results.analysis.effort import PHASES
from pipeline.results.analysis.explanation import Explanation
from pipeline.results.analysis.predictions import Prediction
from pipeline.results.analysis.shares import Effect, Importance
from pipeline.results.views.results_object import accepted_changes_objects


def explanation_object(explanation: Explanation) -> dict[str, Any]:
    """The object that `tunepipe explain --json` prints: JSON values only, null for what is not known."""
    results, effort = explanation.results, explanation.effort
    stopping = explanation.stopping
    return {
        "study": results.name,
        "location": results.location,
        "importance": [_importance(one) for one in explanation.importances],
        "predictions": [_prediction(one) for one in explanation.predictions],
        "early": [
            {
                "epoch": one.epoch, "trials": one.trials, "rank_correlation": one.correlation,
                "interval": [one.low, one.high], "place_of_best": one.place, "among": one.among,
            }
            for one in explanation.agreements
        ],
        "stopping": {
            "stopped": stopping.stopped,
            "saved_epochs": stopping.saved_epochs,
            "whole_epochs": stopping.whole_epochs,
            "saved_seconds": stopping.saved_seconds if math.isfinite(stopping.saved_seconds) else None,
            "compared_with": stopping.trained,
            "doubts": [
                {
                    "trial_id": one.trial_id, "epoch": one.epoch, "value": one.value, "missing": one.missing,
                    "gained_as_much": one.gained,
                }
                for one in stopping.doubts
            ],
            "chance_at_most": stopping.bound,
            "note": stopping.note or None,
        },
        "seconds": {
            **{phase: float(effort.trials[phase].sum()) for phase in PHASES},
            "idle": effort.idle,
            "workers": effort.workers,
        },
        "failures": [
            {"error": cause.what, "where": cause.where or None, "trials": list(cause.trials)}
            for cause in explanation.causes
        ],
        "exploits": explanation.exploits,
        "earlier": [
            {"study": one.study, "trials": one.trials, "factor": one.factor}
            for one in explanation.earlier.studies
        ],
        "earlier_note": explanation.earlier.note or None,
        "data_changes": accepted_changes_objects(results, "data"),
        "code_changes": accepted_changes_objects(results, "code"),
    }  # fmt: skip


def _importance(importance: Importance) -> Mapping[str, Any]:
    known = math.isfinite(importance.r_squared)
    interval = [importance.r_squared_low, importance.r_squared_high] if known else None
    return {
        "when": dict(importance.when),
        "trials": importance.trials,
        "used": importance.used,
        "r_squared": importance.r_squared if known else None,
        "r_squared_interval": interval,
        "foretold": importance.r_squared if known else None,  # deprecated name of r_squared
        "foretold_interval": interval,  # deprecated name of r_squared_interval
        "clipped": importance.clipped,
        "note": importance.note or None,
        "left_out": importance.left_out,
        "parameters": [
            {
                "name": effect.parameter.name, "share": effect.share, "interval": [effect.low, effect.high],
                "share_of_forest": effect.of_forest, "best": effect.best,
                "curve": [
                    {"value": at, "mean": mean, "interval": [low, high]}
                    for at, mean, low, high in zip(
                        _values(effect), effect.means.tolist(), effect.means_low.tolist(), effect.means_high.tolist(),
                        strict=True,
                    )
                ],
            }
            for effect in importance.effects
        ],
        "pairs": [
            {
                "names": list(pair.names), "share": pair.share, "interval": [pair.low, pair.high],
                "share_of_forest": pair.of_forest,
            }
            for pair in importance.pairs
        ],
    }  # fmt: skip


def _prediction(prediction: Prediction) -> Mapping[str, Any]:
    return {
        "name": prediction.parameter.name,
        "when": dict(prediction.parameter.when),
        "epoch": prediction.epoch,
        "best": prediction.values[prediction.best],
        "curve": [
            {"value": value, "median": median, "interval": [low, high]}
            for value, median, low, high in zip(
                prediction.values, prediction.medians.tolist(), prediction.lows.tolist(), prediction.highs.tolist(),
                strict=True,
            )
        ],
    }  # fmt: skip


def _values(effect: Effect) -> list[Any]:
    return [effect.parameter.domain.from_unit(float(unit)) for unit in effect.units]
