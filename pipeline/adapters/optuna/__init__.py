"""Optuna: an `objective(trial)`, as it is, as the function of a job.

`trial.report` is an epoch, and `trial.should_prune` is true when the scheduler has stopped the trial. The space is
found by running the objective up to its first report, or until every call of `trial.suggest_…` was seen.
"""

from pipeline.adapters.library import Library
from pipeline.adapters.optuna.entry_points import patches
from pipeline.adapters.optuna.objective import ObjectiveAdapter
from pipeline.adapters.optuna.study import METRIC

__all__ = ["LIBRARY", "METRIC", "Adapted", "running"]

TEXT = '''"""{title}, an objective of Optuna, as the function of a job: written by tunepipe."""

from pipeline.adapters import optuna

with optuna.running({module!r}) as program:
    import {module}  # noqa: F401

OBJECTIVE = optuna.Adapted(lambda: program(), {name!r})


def objective(config):
    """The reports of the objective, or its value."""
    return OBJECTIVE.steps(config)
'''

LIBRARY = Library("optuna", "study.optimize(…)", patches, ObjectiveAdapter, TEXT)

Adapted = ObjectiveAdapter
"""The class by the name that modules of stored studies import."""

running = LIBRARY.running
"""The context in which a module is imported as a program of Optuna."""
