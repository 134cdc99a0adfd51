"""What a study takes from earlier ones: trials to learn from, and configs to start with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import Fault, InvalidJob
from pipeline.results.analysis.queries import ended_by_itself
from pipeline.results.tables.load import Results, configs_of
from pipeline.results.tables.trials import board, quoted
from pipeline.searchers import History, Observation, thinned
from pipeline.space import Config, Value, drawn_names, key_of, walk
from pipeline.storage.schema import metric_column
from pipeline.study import Objective, TuneJob
from pipeline.study.earlier_trials import MAX_TRIALS, EarlierTrial, EarlierTrials
from pipeline.text import listed


def trials_to_learn_from(results: Results, job: TuneJob, study: str) -> EarlierTrials:
    """The trials of a study from which another one learns.

    Of many trials, the best ones are chosen, and the others evenly. A trial counts with its curve under its first
    config, up to the other study's last epoch; by the job's objective if the study has recorded it, else by its own.
    """
    column = metric_column(job.objective.metric)
    epochs = results.table("epochs")
    recorded = column in epochs.column_names and epochs[column].null_count < epochs.num_rows
    objective = job.objective if recorded else results.objective
    tried = list(_observations(results, objective, job.budget.epochs))
    drawn, inside, seen, outside = drawn_names(job.space), list[Observation](), dict[str, set[str]](), 0
    for one in tried:
        config, beyond, _ = _split(job.space, one.config)
        if beyond:
            outside += 1
            continue
        for name, value in config.items():
            seen.setdefault(name, set()).add(key_of({name: value}))
        inside.append(Observation(config, one.state, one.loss, one.curve, one.trial_id, one.ended))
    theirs = {name for one in tried for name in one.config}
    allowed = ""
    if not any(one.curve for one in inside):
        allowed = f"in which a trial in this space has a value; {outside} of its {len(tried)} lie outside"
    elif all(len(values) < 2 for values in seen.values()):
        allowed = f"whose trials differ in a hyperparameter of this space: {', '.join(drawn)}"
    if allowed:
        raise InvalidJob(f"job {job.name!r}", [Fault("learn_from", study, f"must be a study {allowed}")])
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


def _observations(results: Results, objective: Objective, epochs: int) -> Iterator[Observation]:
    """A study's trials with points of their curves in the first segment; those without a value only if they failed."""
    table, sign = results.table("epochs"), -1.0 if objective.mode == "max" else 1.0
    names = [name for name in table.column_names if name.startswith("config_")]
    column = metric_column(objective.metric)
    value = quoted(column) if column in table.column_names else "null::double"
    configs = "".join(f", first({quoted(name)} order by epoch) as {quoted(name)}" for name in names)
    rows = results.query(f"""
        select trial_id, list(epoch order by epoch) as at, list({value} order by epoch) as values{configs}
        from epochs where segment = 1 group by trial_id
    """)
    first = zip(rows["at"].to_pylist(), rows["values"].to_pylist(), configs_of(rows, results.space), strict=True)
    curves = dict(zip(rows["trial_id"].to_pylist(), first, strict=True))
    trials = results.query("select * from trials order by length(trial_id), trial_id")
    for trial, drawn in zip(trials.to_pylist(), configs_of(trials, results.space), strict=True):
        at, values, config = curves.get(trial["trial_id"], ([], [], drawn))
        points = []
        for epoch, each in zip(at, values, strict=True):
            if each is None or not np.isfinite(each) or epoch > epochs:
                break
            points.append((epoch, sign * each))
        if trial["state"] == "failed":
            yield Observation(config, "failed", trial_id=trial["trial_id"])
        elif points:
            ended = ended_by_itself(trial, results) and len(points) == trial["epochs"]
            best = min(loss for _, loss in points)
            yield Observation(config, "known", best, thinned(points)[::-1], trial["trial_id"], ended)


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The configs of another study that a study starts with."""

    trials: Sequence[str]
    configs: Sequence[Config]
    notes: Sequence[str]


def warm_start_configs(
    results: Results, space: Mapping[str, Any], top: int, known: Sequence[Mapping[str, Value]]
) -> WarmStart:
    """The best configs of a study, in another one's space: at most `top`, none twice, and none that is known.

    A value outside its domain, or in a branch that is not there, is left out, and drawn instead.
    """
    trials, configs = list[str](), list[Config]()
    unused, left_out = dict[str, None](), dict[str, None]()
    keys, names = {key_of(dict(config)) for config in known}, {parameter.name for parameter in walk(space)}
    rows = board(results)
    for row, theirs in zip(rows.to_pylist(), configs_of(rows, results.space), strict=True):
        if len(trials) == top or row["state"] == "failed" or row["objective"] is None:
            break
        config: Config = {}
        drawn = []
        for parameter in walk(space):
            if parameter.drawn and parameter.is_present(config):
                name, domain = parameter.name, parameter.domain
                if name in theirs and domain.contains(value := domain.as_drawn(theirs[name])):
                    config[name] = value
                else:
                    drawn.append(name)
        if config and key_of(config) not in keys:
            trials.append(row["trial_id"])
            configs.append(config)
            keys.add(key_of(config))
            unused |= dict.fromkeys(drawn)
            left_out |= dict.fromkeys(name for name in theirs if name not in names)
    notes = [f"Drawn, because these configs have no usable value: {listed(unused)}."] if unused else []
    notes += [f"Not in this space, and left out: {listed(left_out)}."] if left_out else []
    return WarmStart(trials, configs, notes)


def _split(space: Mapping[str, Any], config: Config) -> tuple[Config, Config, list[str]]:
    """The values of a config that are in a space, those outside their domain, and the parameters that it lacks."""
    inside: Config = {}
    beyond: Config = {}
    absent: list[str] = []
    for parameter in walk(space):
        if not parameter.drawn or not parameter.is_present(inside):
            continue
        if parameter.name not in config:
            absent.append(parameter.name)
            continue
        value = parameter.domain.as_drawn(config[parameter.name])
        (inside if parameter.domain.contains(value) else beyond)[parameter.name] = value
    return inside, beyond, absent
