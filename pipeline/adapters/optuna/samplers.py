"""What a sampler of Optuna means for a job: the searcher, and the values that it fixes or lists."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.adapters.domains import distinct
from pipeline.adapters.optuna.internals import fixed_of, grid_of
from pipeline.adapters.parameters import branch_text, parameter_name
from pipeline.space import Grid, Switch, combinations

_SEARCHERS = {
    "RandomSampler": "random",
    "TPESampler": "tpe",
    "GPSampler": "gp",
    "CmaEsSampler": "cma",
    "QMCSampler": "sobol",
    "NSGAIISampler": "nsga2",
    "GridSampler": "grid",
    "BruteForceSampler": "grid",
}
"""The searcher of each sampler that has one."""


def searcher_of(sampler: Any, objectives: int) -> str | None:
    """The searcher of a sampler; None for no sampler, or one without a searcher: the job takes its default."""
    _, sampler = fixed_of(sampler)
    searcher = _SEARCHERS.get(type(sampler).__name__)
    return "motpe" if searcher == "tpe" and objectives > 1 else searcher


def has_searcher(sampler: Any) -> bool:
    """Whether a job has the searcher of a sampler."""
    _, inner = fixed_of(sampler)
    return inner is None or type(inner).__name__ in _SEARCHERS


def sampled_space(space: Mapping[str, Any], sampler: Any) -> dict[str, Any]:
    """A space with the values that a sampler fixes, or lists as a grid."""
    fixed, inner = fixed_of(sampler)
    values = {**grid_of(inner), **{name: [value] for name, value in fixed.items()}}
    return _with_values(space, {parameter_name(name): distinct(each) for name, each in values.items()})


def combinations_of(space: Mapping[str, Any], sampler: Any) -> int | None:
    """The number of trials after which a sampler ends its study; None if it does not."""
    return combinations(space) if searcher_of(sampler, 1) == "grid" else None


def _with_values(space: Mapping[str, Any], values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for name, domain in space.items():
        listed = values.get(name)
        if isinstance(domain, Switch):
            kept = domain.values if listed is None else [branch_text(value) for value in listed]
            branches = {
                branch: _with_values(domain.branches[branch], values) for branch in kept if branch in domain.values
            }
            if len(branches) == 1 and listed is not None:
                whole |= {name: listed[0], **next(iter(branches.values()))}
            else:
                whole[name] = Switch(branches)
        elif listed is None:
            whole[name] = domain
        else:
            whole[name] = Grid(tuple(listed)) if len(listed) > 1 else listed[0]
    return whole
