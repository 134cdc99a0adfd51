"""The best configs of one study as configs that another starts with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.results.analysis.domains import format_value
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_at_best, ranked
from pipeline.space import Config, Value, key_of, walk
from pipeline.wording import listed


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The configs of another study that a study starts with."""

    trials: Sequence[str]
    configs: Sequence[Config]
    notes: Sequence[str]


def warm_start_configs(
    results: Results, space: Mapping[str, Any], top: int, known: Sequence[Mapping[str, Value]]
) -> WarmStart:
    """The best configs of a study, in another one's space.

    A trial stands for the config in force at its best epoch. A value outside its domain, or in a branch that is not
    there, is left out; a config without remaining values is skipped, and so is a repeated one.
    """
    trials: list[str] = []
    configs: list[Config] = []
    outside: dict[str, list[str]] = {}
    missing: dict[str, None] = {}
    strange: list[str] = []
    keys = {key_of(dict(config)) for config in known}
    values = results.trials.set_index("trial_id")[["state", "objective"]]
    usable = [trial for trial in ranked(results) if _counts(values.loc[trial])]
    theirs = configs_at_best(results, usable)
    for trial in usable:
        if len(trials) == top:
            break
        config, beyond, absent = split_by_space(space, theirs[trial])
        if not config:
            strange.append(trial)
        if not config or key_of(config) in keys:
            continue
        trials.append(trial)
        configs.append(config)
        keys.add(key_of(config))
        missing |= dict.fromkeys(absent)
        for name, value in beyond.items():
            outside.setdefault(name, []).append(f"{format_value(value)} of trial {trial}")
    notes = [f"Outside this space, and drawn instead: {name} {listed(found)}." for name, found in outside.items()]
    if strange:
        notes.append(f"None of their values is in this space, so they were skipped: trials {listed(strange)}.")
    if missing:
        notes.append(f"Not in these configs, and drawn: {listed(missing)}.")
    names = {parameter.name for parameter in walk(space)}
    if left_out := {name: None for trial in trials for name in theirs[trial] if name not in names}:
        notes.append(f"Not in this space, and left out: {listed(left_out)}.")
    return WarmStart(trials, configs, notes)


def _counts(row: Any) -> bool:
    return bool(row["state"] != "failed" and row["objective"] == row["objective"])


def split_by_space(space: Mapping[str, Any], config: Config) -> tuple[Config, Config, list[str]]:
    """The values of a config that are in a space, those outside their domain, and those of unknown parameters."""
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
