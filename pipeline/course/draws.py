"""Where the configs of a study's trials come from."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from pipeline.course.trial import Trial, tried
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.study.drawing import config_of_trial

__all__ = ["Draw", "own_draw"]

Draw: TypeAlias = Callable[[int, Iterable[Trial]], Config | None]
"""The config of a trial by its number and the trials before it; None where there is none now."""


def own_draw(job: TuneJob) -> Draw:
    """What the job itself says: what it starts with, then its searcher's draws."""
    return lambda index, trials: config_of_trial(job, index, (tried(trial, job.objective.mode) for trial in trials))
