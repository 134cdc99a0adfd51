"""How the workers spent their time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.results.analysis.best_so_far import alive_seconds
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import trials_of_epochs
from pipeline.storage.schema import SECONDS

PHASES = ("build", "train", "evaluate", "checkpoint")
"""The phases of an epoch whose seconds are measured."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Seconds of a study, over all its workers."""

    trials: pd.DataFrame
    workers: int
    idle: float

    @property
    def busy(self) -> float:
        """Seconds in which workers built, trained, evaluated or wrote checkpoints."""
        return float(self.trials.to_numpy().sum())


def effort(results: Results) -> Effort:
    """Add up the seconds of a study."""
    columns = [SECONDS[phase] for phase in PHASES]
    epochs = results.columns("epochs", ["time", "session", *columns])
    # By the place of the trial: pandas would compare the id of each epoch.
    seconds = epochs[columns].fillna(0.0).groupby(trials_of_epochs(results)).sum()
    seconds = seconds.reindex(range(len(results.trials)), fill_value=0.0).set_axis(list(PHASES), axis=1)
    seconds.index = pd.Index(results.trials["trial_id"])
    ends = alive_seconds(results, epochs)
    starts = ends - epochs[["seconds_build", "seconds_train", "seconds_evaluate"]].fillna(0.0).sum(axis=1).to_numpy()
    # At equal times ends come before starts: successive epochs of one worker do not overlap. The
    # worker's and the driver's clocks, and rounding, may disagree by a little.
    moments = np.concatenate([starts + 0.01, ends])
    steps = np.concatenate([np.ones(len(starts), int), -np.ones(len(ends), int)])
    running = np.cumsum(steps[np.lexsort((steps, moments))])
    workers = max(1, int(running.max())) if len(running) else 1
    if recorded := [int(each["workers"]) for each in results.sessions if each.get("workers")]:
        workers = max(recorded)
    busy = float(seconds.to_numpy().sum())
    return Effort(seconds, workers, max(0.0, _worker_seconds(results.sessions, workers) - busy))


def _worker_seconds(sessions: Sequence[Mapping[str, Any]], otherwise: int) -> float:
    """The seconds of all workers together; sessions that did not record their number had `otherwise`."""
    together = before = 0.0
    for session in sessions:
        # Those of the sessions before are included.
        until = float(session.get("seconds") or 0)
        together += max(until - before, 0.0) * int(session.get("workers") or otherwise)
        before = max(before, until)
    return together
