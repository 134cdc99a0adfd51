"""The configs of an earlier study that a study starts with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.results.tables.load import Results, configs_of
from pipeline.results.tables.trials import board
from pipeline.space import Config, Value, key_of, walk
from pipeline.text import listed


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
