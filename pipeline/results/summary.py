"""What a study came to, in numbers and in words."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.results.front import front_in_words
from pipeline.results.load import Results
from pipeline.results.numbers import format_number, format_value
from pipeline.results.states import STATES
from pipeline.space import Choice, Domain, Grid, IntUniform, LogUniform, Normal, QUniform, Switch, Uniform

__all__ = [
    "counted",
    "domain_in_words",
    "duration",
    "listed",
    "paragraphs",
    "saved_epochs",
    "span_in_words",
    "stopped_early",
]


_MANY = 8
"""More things than these are not all named in a sentence; the tables have them all."""


def paragraphs(results: Results) -> list[str]:
    """The study in three paragraphs: what was tuned, what is best, what the others came to and how long it took."""
    told = [
        (_what(results),),
        (_best(results), _front(results), _test(results)),
        (_others(results), _saved(results), _time(results)),
    ]
    return [" ".join(filter(None, paragraph)) for paragraph in told]


def stopped_early(results: Results) -> pd.DataFrame:
    """The trials that the scheduler stopped by comparing them with others: not those that a spent budget cut off."""
    stops = results.decisions[results.decisions["kind"] == "stop"].drop_duplicates("trial_id", keep="last")
    compared = stops.loc[stops["cutoff"].notna() | stops["rung"].notna(), "trial_id"]
    # A study that went on with a larger budget may have gone on with a trial it had stopped.
    return results.trials[results.trials["trial_id"].isin(compared) & results.trials["state"].eq("stopped")]


def saved_epochs(results: Results) -> tuple[int, int]:
    """Epochs that early stopping saved, and how many its trials and those that trained to the end would have had."""
    stopped, maximum = stopped_early(results), int(results.job["budget"]["epochs"])
    saved = int((maximum - stopped["epochs"]).clip(lower=0).sum())
    return saved, maximum * (len(stopped) + int((results.trials["state"] == "completed").sum()))


def duration(seconds: float) -> str:
    """A span of time as people say it: 70 ms, 3.2 s, 4 min 5 s, 2 h 3 min."""
    if seconds < 0.95:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 trial, 2 trials."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(items: Iterable[str]) -> str:
    """Things in a row: a, b and c."""
    *first, last = list(items) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def domain_in_words(domain: Domain | Any) -> str:
    """What a parameter may be."""
    match domain:
        case LogUniform(low=low, high=high):
            return f"{low:g} to {high:g}, uniform in the logarithm"
        case IntUniform(low=low, high=high, log=log):
            return f"whole numbers from {low} to {high}" + (", uniform in the logarithm" if log else "")
        case QUniform(low=low, high=high, q=q):
            return f"{low:g} to {high:g} in steps of {q:g}"
        case Uniform(low=low, high=high):
            return f"{low:g} to {high:g}, uniform"
        case Normal(mean=mean, std=std):
            return f"normal with mean {mean:g} and standard deviation {std:g}"
        case Choice(values=values):
            return "one of " + ", ".join(format_value(value) for value in values)
        case Switch():
            return "one of " + ", ".join(domain.values) + ", each with parameters of its own"
        case Grid(values=values):
            return "each of " + ", ".join(format_value(value) for value in values)
    return f"fixed at {format_value(domain)}"


def span_in_words(domain: Domain | Any, values: pd.Series) -> str:
    """Where some trials' values of a parameter lie: from the least to the greatest, or each that there is.

    Args:
        domain: The parameter's domain.
        values: Its values; NaN where a trial has none.
    """
    known = values.dropna()
    if known.empty:
        return "–"
    if isinstance(domain, Choice | Grid | Switch):
        there = {format_value(value) for value in known}
        return ", ".join(value for value in map(format_value, domain.values) if value in there)
    return " to ".join(dict.fromkeys(format_value(float(end)) for end in (known.min(), known.max())))


def _what(results: Results) -> str:
    job, objective = results.job, results.objective
    drawn = [name for name, domain in results.space.items() if hasattr(domain, "draw")]
    goal = "highest" if objective.mode == "max" else "lowest"
    over = f"over {_some(drawn)}" if drawn else "with a fixed config"
    data = f" on {job['data']}" if isinstance(job["data"], str) else ""
    scheduler, searcher = job["scheduler"]["kind"], job["searcher"]["kind"]
    names = {
        "asha": "ASHA",
        "promoting-asha": "ASHA that pauses and promotes",
        "pasha": "PASHA",
        "hyperband": "Hyperband",
        "median": "median stopping",
        "pbt": "population based training",
        "pb2": "population based bandits",
        "fifo": "no early stopping",
    }
    draws = {"tpe": "TPE", "cma": "CMA-ES", "gp": "a Gaussian process", "sobol": "Sobol search"}
    return (
        f"This study looked for the {goal} {objective.metric}{data} {over}, with "
        f"{draws.get(searcher, f'{searcher} search')} and "
        f"{names.get(scheduler, scheduler)}, up to {counted(job['budget']['epochs'], 'epoch')} a trial."
    )


def _best(results: Results) -> str:
    best = results.best
    if best is None:
        return "No trial has a value yet." if results.state in ("waiting", "running") else "No trial reached a value."
    drawn = {name: value for name, value in best.config.items() if hasattr(results.space.get(name), "draw")}
    config = _some([f"{name} {format_value(value)}" for name, value in drawn.items()])
    return (
        f"The best is trial {best.trial_id} with {results.objective.metric} {format_number(best.value)} at epoch "
        f"{best.epoch}" + (f": {config}." if config else ".")
    )


def _front(results: Results) -> str:
    told = front_in_words(results) if results.best is not None else ""
    return told[:1].upper() + told[1:]


def _test(results: Results) -> str:
    if not results.test:
        return ""
    metrics = listed(f"{name} {format_number(value)}" for name, value in results.test.items())
    weights = "its weights reach"
    if results.job.get("folds", 1) > 1:
        weights = "its config, fitted again on the whole training split, reaches"
    return f"On the test split, which nothing else has touched, {weights} {metrics}."


def _others(results: Results) -> str:
    states = results.trials["state"].value_counts()
    cut_off = int(states.get("stopped", 0)) - len(stopped_early(results))
    # What they did, how many did it, and the word before it, of one and of many.
    kinds = [
        (look.told, int(states.get(state, 0)) - (cut_off if state == "stopped" else 0), ("is ", "are ") * look.lasting)
        for state, look in STATES.items()
    ]
    kinds = [kind for kind in [*kinds, ("cut off by the study's end", cut_off, ("was ", "were "))] if kind[1]]
    count = len(results.trials)
    if not kinds:
        return "No trial has started yet."
    if len(kinds) > 1:
        return f"Of {counted(count, 'trial')}, {listed(f'{number} {told}' for told, number, _ in kinds)}."
    ((told, _, verbs),) = kinds
    who = {1: "The one trial", 2: "Both trials"}.get(count, f"All {count:,} trials")
    return f"{who} {verbs[count > 1] if verbs else ''}{told}."


def _saved(results: Results) -> str:
    saved, whole = saved_epochs(results)
    if not saved:
        return ""
    return f"Early stopping saved {counted(saved, 'epoch')} of {whole:,} ({saved / whole:.0%})."


def _time(results: Results) -> str:
    if not results.sessions:
        return ""
    trained = int(np.sum(results.trials["epochs"]))
    sessions = f" in {len(results.sessions)} sessions" if len(results.sessions) > 1 else ""
    return f"{counted(trained, 'epoch')} were trained in {duration(results.seconds)}{sessions}."


def _some(items: Sequence[str]) -> str:
    """The first of many things, and how many more there are."""
    return listed(items) if len(items) <= _MANY else listed([*items[:_MANY], f"{len(items) - _MANY} more"])
