"""All that can be said of why a study went as it did: gathered once, as JSON, as sentences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.results.analysis.early import Agreement, Stopping, agreements, stopping
from pipeline.results.analysis.importance import Effect, Importance, importances
from pipeline.results.failures import Cause, causes
from pipeline.results.load import Results
from pipeline.results.numbers import format_value
from pipeline.results.plots.effort import PHASES, Effort, effort
from pipeline.results.plots.scheduling import exploits
from pipeline.results.summary import counted, duration

__all__ = [
    "Explanation",
    "best_range",
    "branch",
    "explained",
    "explanation_object",
    "grace_period",
    "of_agreements",
    "of_importance",
    "of_stopping",
]

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a study went as it did.

    Args:
        results: The study's results.
        importances: What mattered, among all trials and among those of each branch.
        agreements: What early values said of final ones.
        stopping: What early stopping did.
        effort: Seconds by trial and phase.
        causes: Failures by cause.
    """

    results: Results
    importances: Sequence[Importance]
    agreements: Sequence[Agreement]
    stopping: Stopping
    effort: Effort
    causes: Sequence[Cause]

    @property
    def exploits(self) -> int:
        """How often weights were taken over."""
        return len(exploits(self.results))


def explained(results: Results) -> Explanation:
    """Look into a study. Takes seconds: forests are fitted, and fitted again to resampled trials.

    Args:
        results: The study's results.
    """
    return Explanation(
        results, importances(results), agreements(results), stopping(results), effort(results), causes(results)
    )


def grace_period(results: Results) -> int | None:
    """The scheduler's grace period; None where it has none."""
    grace = results.job["scheduler"].get("grace_period")
    return grace if isinstance(grace, int) else None


def branch(importance: Importance) -> str:
    """Which trials are meant, in words; empty for all."""
    return " and ".join(f"{switch} is {value}" for switch, value in importance.when)


def of_importance(importance: Importance) -> str:
    """What mattered, in a sentence."""
    if importance.note:
        return f"{importance.note[0].upper()}{importance.note[1:]}."
    first = importance.effects[0] if importance.effects else None
    clipped = counted(importance.clipped, "far worse value was", "far worse values were")
    parts = [
        f"From {counted(importance.trials, 'trial')}"
        + (f", {importance.used} of them used" if importance.used < importance.trials else "")
        + (f"; {clipped} drawn in" if importance.clipped else "")
        + f". For trials it has not seen the forest foretells {importance.foretold:.0%} of the variance."
    ]
    if first is not None:
        parts.append(
            f"{first.place.name} alone accounts for {first.share:.0%} of what the forest says "
            f"(90% interval {first.low:.0%} to {first.high:.0%})."
        )
    return " ".join(parts)


def of_agreements(agreements: Sequence[Agreement], grace: int | None) -> str:
    """Whether early values foretold final ones, in a sentence.

    Args:
        agreements: As `explained` has them.
        grace: The scheduler's grace period; None where it has none.
    """
    if not agreements:
        return "Too few trials trained to their end to say what early values are worth: 5 are needed."
    sure = next((one for one in agreements if one.low >= 0.5), None)
    told = (
        "At no epoch before the last is the rank correlation surely 0.5 or more"
        if sure is None
        else f"From epoch {sure.epoch} on the rank correlation is {_sign(sure.correlation)}, and surely 0.5 or more"
    )
    told += f", among {counted(agreements[0].trials, 'trial')} that trained to their end."
    if grace is not None and sure is not None and sure.epoch < grace:
        told += f" A grace period of {sure.epoch} rather than {grace} might have served."
    elif grace is not None and grace > 1 and (sure is None or sure.epoch > grace):
        told += f" That does not speak for a grace period shorter than {grace}."
    return told


def of_stopping(stopping: Stopping) -> str:
    """What early stopping saved and risked, in sentences."""
    if not stopping.stopped:
        return "No trial was stopped by comparison with others."
    saved = (
        f"{counted(stopping.stopped, 'trial was', 'trials were')} stopped; that saved "
        f"{counted(stopping.saved_epochs, 'epoch')} of "
        f"{stopping.whole_epochs:,}, about {duration(stopping.saved_seconds)} of a worker's time."
    )
    if stopping.note:
        return f"{saved} Whether any was stopped wrongly cannot be said: {stopping.note}."
    trained = f"the {stopping.trained} that trained to their end"
    if not stopping.doubts:
        return (
            f"{saved} None would have become the best by gaining as much as any of {trained}; with so many, the chance "
            f"that one gains more is at most {stopping.bound:.0%} each (95%)."
        )
    named = ", ".join(
        f"{doubt.trial_id} at epoch {doubt.epoch} ({doubt.gained} of {doubt.trained} gained as much)"
        for doubt in stopping.doubts[:_NAMED]
    )
    more = f" and {len(stopping.doubts) - _NAMED} more" if len(stopping.doubts) > _NAMED else ""
    return f"{saved} By the gains of {trained}, some stopped trials might have become the best: {named}{more}."


def explanation_object(explanation: Explanation) -> dict[str, Any]:
    """The object that `tunepipe explain --json` prints: JSON values only, null for what is not known."""
    results, effort = explanation.results, explanation.effort
    stopping = explanation.stopping
    return {
        "study": results.name,
        "location": results.location,
        "importance": [_importance(one) for one in explanation.importances],
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
            "saved_seconds": stopping.saved_seconds,
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
    }  # fmt: skip


def _importance(importance: Importance) -> Mapping[str, Any]:
    return {
        "when": dict(importance.when),
        "trials": importance.trials,
        "used": importance.used,
        "foretold": importance.foretold if math.isfinite(importance.foretold) else None,
        "clipped": importance.clipped,
        "note": importance.note or None,
        "parameters": [
            {
                "name": effect.place.name, "share": effect.share, "interval": [effect.low, effect.high],
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
            {"names": list(pair.names), "share": pair.share, "interval": [pair.low, pair.high]}
            for pair in importance.pairs
        ],
    }  # fmt: skip


def _values(effect: Effect) -> list[Any]:
    return [effect.place.domain.at(float(unit)) for unit in effect.units]


def best_range(effect: Effect, mode: str) -> str:
    """Where the objective is best along a hyperparameter, in words: the value, or the span of the best quarter."""
    order = effect.means if mode == "max" else -effect.means
    values = _values(effect)
    if len(values) <= 8 and not hasattr(effect.place.domain, "low"):
        return format_value(values[int(order.argmax())])
    edge = order.min() + 0.75 * (order.max() - order.min())
    good = [value for value, height in zip(values, order, strict=True) if height >= edge]
    return " to ".join(dict.fromkeys((format_value(good[0]), format_value(good[-1]))))


def _sign(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−")
