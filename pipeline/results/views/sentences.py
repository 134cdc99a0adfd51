"""What an analysis found, in sentences: the same on a terminal and on the page."""

import math
from collections.abc import Sequence

from pipeline.results.analysis.domains import format_value
from pipeline.results.analysis.earlier_studies import EarlierCounts
from pipeline.results.analysis.early_stopping import MIN_TRIALS, Agreement, Stopping
from pipeline.results.analysis.effort import PHASES, Effort
from pipeline.results.analysis.lineage import ancestry, exploits
from pipeline.results.analysis.predictions import Prediction, most_different
from pipeline.results.analysis.shares import Effect, Importance
from pipeline.results.tables.load import Results
from pipeline.space import ListedDomain, When
from pipeline.wording import (
    capitalized,
    counted,
    duration,
    format_number,
    listed,
    percent,
    percent_interval,
    percentages,
)

_NAMED = 5

MAX_PREDICTIONS = 16
"""The number of hyperparameters whose predictions are shown."""


def where_clause(importance: Importance) -> str:
    """Which trials are meant, as the end of a title: " where optimizer is adam"; empty for all."""
    conditions = conditions_in_words(importance.when)
    return f" where {conditions}" if conditions else ""


def conditions_in_words(when: When) -> str:
    """The branches on which a hyperparameter depends: "optimizer is adam"; empty if it is always present."""
    return " and ".join(f"{switch} is {branch}" for switch, branch in when)


def of_importance(importance: Importance) -> str:
    """What mattered, in a sentence."""
    if importance.note:
        return f"{capitalized(importance.note)}."
    first = importance.effects[0] if importance.effects else None
    clipped = counted(importance.clipped, "extreme value was", "extreme values were")
    parts = [
        f"From {counted(importance.trials, 'trial')}"
        + (f", {importance.used} of them used" if importance.used < importance.trials else "")
        + (f"; {clipped} clipped" if importance.clipped else "")
        + f". A random forest predicts {percent(importance.r_squared)} of the objective's variance for trials it has "
        f"not seen (90% interval {percent_interval(importance.r_squared_low, importance.r_squared_high)})."
    ]
    if first is not None:
        parts.append(
            f"{first.parameter.name} alone accounts for {percent(first.share)} of the objective's variance "
            f"(90% interval {percent_interval(first.low, first.high)})."
        )
    if importance.left_out:
        parts.append(
            f"Of {len(importance.effects) + importance.left_out} hyperparameters, the {len(importance.effects)} with "
            "the most influence on a trial's rank, each by itself, were analysed."
        )
    return " ".join(parts)


def of_effect(effect: Effect) -> str:
    """What a hyperparameter does, in a sentence."""
    interval = percent_interval(effect.low, effect.high)
    share = f"{percent(effect.share)} of the objective's variance (90% interval {interval})"
    return f"Best at {effect.best}; {share}." if effect.best else f"No best value can be given; {share}."


def of_agreements(agreements: Sequence[Agreement], grace: int | None, *, epochs: int) -> str:
    """Whether early values predict final ones, in a sentence."""
    if epochs == 1:
        return "A trial has one epoch, so there are no early values."
    if not agreements:
        why = "Too few trials are fully trained to measure how well early values predict final ones"
        return f"{why}: {MIN_TRIALS} are needed."
    reliable = [one for one in agreements if one.low >= 0.5]
    unreliable = [place for place, one in enumerate(agreements) if one.low < 0.5]
    sure = next(iter(agreements[max(unreliable, default=-1) + 1 :]), None)
    text = "Before the last epoch, the rank correlation is never reliably 0.5 or more"
    if sure is not None:
        there = f"({_sign(sure.correlation)} at that epoch)"
        text = f"From epoch {sure.epoch} on, the rank correlation is reliably 0.5 or more {there}"
    elif reliable:
        epochs_in_words = f"epoch{'s' * (len(reliable) > 1)} {listed(str(one.epoch) for one in reliable)}"
        text = f"The rank correlation is reliably 0.5 or more at {epochs_in_words}, but not at each later one"
    text += f", among {counted(agreements[0].trials, 'fully trained trial')}."
    if grace is not None and sure is not None and sure.epoch < grace:
        text += f" A grace period of {sure.epoch} instead of {grace} might have been enough."
    elif grace is not None and grace > 1 and (sure is None or sure.epoch > grace):
        text += f" This does not justify a grace period shorter than {grace}."
    return text


def of_stopping(stopping: Stopping) -> str:
    """What early stopping saved and risked, in sentences."""
    if not stopping.stopped:
        return "No trial was stopped by comparison with others."
    saved = (
        f"{counted(stopping.stopped, 'trial was', 'trials were')} stopped; that saved "
        f"{counted(stopping.saved_epochs, 'epoch')} of "
        f"{stopping.whole_epochs:,}"
    )
    if math.isfinite(stopping.saved_seconds):
        saved += f", about {duration(stopping.saved_seconds)} of training on one worker."
    else:
        saved += ". The time that this saved was not measured."
    if stopping.note:
        return f"{saved} It is unknown whether any was stopped wrongly: {stopping.note}."
    trained = f"the {stopping.trained} fully trained trials"
    if not stopping.doubts:
        return (
            f"{saved} None would have become the best by improving as much as any of {trained} did. With 95% "
            "confidence, the probability that a stopped trial would have improved more is at most "
            f"{percent(stopping.bound)} for each."
        )
    named = ", ".join(
        f"{doubt.trial_id} after epoch {doubt.epoch} ({doubt.gained} of {doubt.trained} improved as much)"
        for doubt in stopping.doubts[:_NAMED]
    )
    more = f" and {len(stopping.doubts) - _NAMED} more" if len(stopping.doubts) > _NAMED else ""
    return (
        f"{saved} Some stopped trials would have become the best by improving as much as one of {trained} did: "
        f"{named}{more}."
    )


def _sign(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−")


def of_earlier(earlier: EarlierCounts) -> str:
    """How much the studies counted from which one learned, in sentences."""
    if not earlier.studies:
        return earlier.note
    parts = [
        f"{one.study} {f'counted {one.factor:.2f}' if one.factor else 'did not count'} ({counted(one.trials, 'trial')})"
        for one in earlier.studies
    ]
    scale = "0 means not at all, 1 as much as the study's own trials; the factors are fitted to all trials."
    return f"Of the studies from which this one learned, {listed(parts)}. {scale}"


def of_predictions(predictions: Sequence[Prediction], metric: str) -> str:
    """What the searcher's model predicts at the last epoch, and which hyperparameters are shown, in sentences."""
    if not predictions:
        return ""
    shown = len(most_different(predictions, MAX_PREDICTIONS))
    differing = f" Of {len(predictions)} hyperparameters, the {shown} along which they differ most are shown."
    return (
        f"Predictions of {metric} by the Gaussian process with which the searcher curves draws configs, averaged over "
        "the trials' values of the other hyperparameters. Very bad values are clipped, at twice the median trial's "
        f"distance from the best value.{differing if shown < len(predictions) else ''}"
    )


def of_prediction(prediction: Prediction) -> str:
    """What the searcher's model predicts along a hyperparameter, in a sentence."""
    best, worst = prediction.best, prediction.worst
    near = "at" if isinstance(prediction.parameter.domain, ListedDomain) else "near"
    interval = f"{format_number(prediction.lows[best])} to {format_number(prediction.highs[best])}"
    where = conditions_in_words(prediction.parameter.when)
    first = f"Where {where}, best" if where else "Best"
    text = (
        f"{first} {near} {format_value(prediction.values[best])}: {format_number(prediction.medians[best])} "
        f"(90% interval {interval}); worst {near} {format_value(prediction.values[worst])}: "
        f"{format_number(prediction.medians[worst])}"
    )
    return f"{text}." if prediction.clear else f"{text}. The intervals of both overlap."


def of_lineage(results: Results) -> str:
    """How often weights were taken over, and whose became the best."""
    count = f"Trials copied weights {counted(len(exploits(results)), 'time')}"
    stretches = ancestry(results)
    if len(stretches) < 2:
        alone = (
            f"; the best model trained in trial {stretches[0].trial_id} from its first epoch on" if stretches else ""
        )
        return f"{count}{alone}."
    steps = [f"trial {new.trial_id} at epoch {new.after}" for new in stretches[1:]]
    return f"{count}; the best model began in trial {stretches[0].trial_id} and was copied to {listed(steps)}."


def of_time(spent: Effort) -> str:
    """A sentence about the shares of the workers' time."""
    whole = spent.busy + spent.idle
    if not whole:
        return "No time was recorded."
    names = {"build": "building", "train": "training", "evaluate": "evaluating", "checkpoint": "writing checkpoints"}
    shares = [*(spent.trials[phase].sum() / whole for phase in PHASES), spent.idle / whole]
    *phases, idle = percentages(shares)
    parts = [f"{share}% {names[phase]}" for phase, share in zip(PHASES, phases, strict=True) if share]
    workers = f"{counted(spent.workers, 'worker')} ran for {duration(whole)}" + (
        " in total" if spent.workers > 1 else ""
    )
    return f"{workers}: {listed([*parts, f'{idle}% idle, start-up included'])}."
