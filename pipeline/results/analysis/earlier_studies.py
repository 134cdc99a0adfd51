"""The trials of a study that a later one learns from, and how much earlier studies counted in a study."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import Fault, InvalidJob, StorageError
from pipeline.results.analysis.trial_ends import ended_by_itself
from pipeline.results.analysis.warm_start import split_by_space
from pipeline.results.tables.configs import configs_of
from pipeline.results.tables.load import Results
from pipeline.results.tables.results_cache import cache_per_results
from pipeline.searchers import CurveSearch, EarlierStudy, History, Observation, thinned
from pipeline.space import Config, drawn_names, key_of
from pipeline.storage import Store
from pipeline.storage.schema import metric_column
from pipeline.study import Objective, TuneJob
from pipeline.study.earlier_trials import MAX_TRIALS, EarlierTrial, EarlierTrials, earlier_studies, read_earlier


def trials_to_learn_from(results: Results, job: TuneJob, study: str) -> EarlierTrials:
    """The trials of a study from which another one learns.

    Of many trials, the best ones are chosen, and the others evenly. A trial counts with its curve under its first
    config, up to the other study's last epoch.
    """
    objective = _common_objective(results, job)
    tried = list(observations_of(results, objective, job.budget.epochs))
    drawn = drawn_names(job.space)
    inside, seen, outside = [], dict[str, set[str]](), 0
    for one in tried:
        config, beyond, _ = split_by_space(job.space, one.config)
        if beyond:
            outside += 1
            continue
        for name, value in config.items():
            seen.setdefault(name, set()).add(key_of({name: value}))
        inside.append(Observation(config, one.state, one.loss, one.curve, one.trial_id, one.ended))
    theirs = {name for one in tried for name in one.config}
    faults = {
        "must be a study in which a trial has a value already": not any(one.curve for one in tried),
        f"must be a study with a hyperparameter of this space: {', '.join(drawn)}": not theirs & set(drawn),
        f"must be a study with trials in this space; all of its {len(tried)} lie outside": not any(
            one.curve for one in inside
        ),
        f"must be a study whose trials differ in a hyperparameter of this space: {', '.join(drawn)}": not any(
            len(values) > 1 for values in seen.values()
        ),
    }
    for allowed, is_so in faults.items():
        if is_so:
            raise InvalidJob(f"job {job.name!r}", [Fault("learn_from", study, allowed)])
    chosen = History(inside).chosen(best=MAX_TRIALS // 3, most=MAX_TRIALS)
    return EarlierTrials(
        study=study,
        metric=objective.metric,
        mode=objective.mode,
        of=len(tried),
        outside=outside,
        missing=tuple(name for name in drawn if name not in theirs),
        trials=tuple(
            EarlierTrial(one.trial_id, one.config, tuple(one.curve), one.ended, one.state == "failed") for one in chosen
        ),
    )


@dataclass(frozen=True, slots=True)
class EarlierCount:
    """How much an earlier study counted at the end of one that learned from it."""

    study: str
    trials: int
    factor: float


@dataclass(frozen=True, slots=True)
class EarlierCounts:
    """How much the studies counted from which one learned."""

    studies: Sequence[EarlierCount] = ()
    note: str = ""


@cache_per_results
def earlier_counts(results: Results) -> EarlierCounts:
    """How much each earlier study counts, by all trials of a study."""
    if not results.job.get("learn_from"):
        return EarlierCounts()
    job = TuneJob.from_json(results.job, load=False)
    try:
        earlier = copied_studies(results, job)
    except StorageError as error:
        return EarlierCounts(note=f"How much earlier studies counted is not known. {error}")
    if not isinstance(job.searcher, CurveSearch) or not earlier:
        return EarlierCounts()
    epochs = job.budget.epochs
    factors = job.searcher.factors(job.space, list(observations_of(results, job.objective, epochs)), earlier, epochs)
    counts = [
        EarlierCount(study.name, len(study.observations), factor)
        for study, factor in zip(earlier, factors, strict=True)
    ]
    return EarlierCounts(counts)


def copied_studies(results: Results, job: TuneJob) -> list[EarlierStudy]:
    """The earlier studies from which a study learned, as it copied them."""
    copies = {study.study: study for study in read_earlier(Store(results.location))}
    return earlier_studies(job, list(copies.values()))


def _common_objective(results: Results, job: TuneJob) -> Objective:
    """The job's objective if the study has recorded it, else the study's own."""
    column = metric_column(job.objective.metric)
    there = column in results.epochs and bool(results.epochs[column].notna().any())
    return job.objective if there else results.objective


def observations_of(results: Results, objective: Objective, epochs: int) -> Iterator[Observation]:
    """A study's trials with some points of their curves, those without any value only if they failed."""
    column, sign = metric_column(objective.metric), -1.0 if objective.mode == "max" else 1.0
    curves = _curves(results, column)
    trials: Any = results.trials.to_dict("records")
    for trial, drawn in zip(trials, configs_of(results.trials, results.space), strict=True):
        trial_id, failed = str(trial["trial_id"]), trial["state"] == "failed"
        config, at, values = curves.get(trial_id, (drawn, np.array([], int), np.array([])))
        finite = np.isfinite(values)
        usable = (np.arange(len(values)) < (len(values) if finite.all() else int(np.argmin(finite)))) & (at <= epochs)
        losses = (sign * values[usable]).tolist()
        curve = thinned(list(zip(at[usable].tolist(), losses, strict=True)))[::-1]
        if failed:
            yield Observation(config, "failed", trial_id=trial_id)
        elif curve:
            ended = ended_by_itself(trial, results) and len(values) == trial["epochs"] and bool(usable.all())
            yield Observation(config, "known", min(losses), curve, trial_id, ended)


def _curves(results: Results, column: str) -> Mapping[str, tuple[Config, np.ndarray, np.ndarray]]:
    """Config, epochs and values of each trial's first segment."""
    first = results.epochs[results.epochs["segment"] == 1]
    if column not in first or not len(first):
        return {}
    ids = first["trial_id"].to_numpy()
    # Rows are sorted by trial and epoch.
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    configs = configs_of(first.iloc[starts], results.space)
    at = np.split(first["epoch"].to_numpy(np.int64), starts[1:])
    values = np.split(first[column].to_numpy(np.float64), starts[1:])
    return {str(ids[start]): parts for start, *parts in zip(starts, configs, at, values, strict=True)}  # type: ignore[misc]
