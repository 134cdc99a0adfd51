"""A population of trials, and their reports, for tests of schedulers whose trials take over weights."""

from typing import Any

from pipeline.schedulers import PBT, Decision, Scheduler, SchedulerContext
from pipeline.space import LogUniform

SPACE = {"lr": LogUniform(1e-4, 1), "layers": 2}


def population(
    settings: PBT, trials: int, *, added: int | None = None, mode: Any = "max", epochs: int = 8
) -> Scheduler:
    """The state machine for a study of some trials, all or some of which have been added."""
    scheduler = settings.build(SchedulerContext(SPACE, mode, epochs, trials, 0))
    for i in range(trials if added is None else added):
        scheduler.add(f"{i:04d}", {"lr": 0.01 * (i + 1), "layers": 2})
    return scheduler


def report(scheduler: Scheduler, trial: str, epoch: int, value: float) -> Decision:
    """Start a trial and report a value of it."""
    scheduler.start(trial)
    return scheduler.on_result(trial, epoch, value)
