"""Messages between driver and workers: assignments to a worker, progress reports to the driver."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from pipeline.space import Config

__all__ = ["FINISH", "Assignment", "EpochRow", "ProgressReport"]

FINISH = "finish"
"""The key of a study's final evaluation."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker does next.

    Args:
        trial_id: The trial.
        config: Its config from now on.
        seed: The seed of its initial weights and its shuffling.
        task: `train` a trial, or `finish` the study: export the best trial's model and test it.
        attempt: How often the trial was started, this time included.
        segment: Number of the contiguous epochs under one config, from 1.
        segment_session: The driver session in which this segment began; 0 for the first segment.
        epoch: The trial's own epoch at the start of this segment; 0 for the first. For `finish`, its best epoch.
        parent_trial: The trial whose weights start this segment; None for the trial's own.
        parent_epoch: That trial's epoch.
        reported_epoch: The last epoch that the driver has a report of.
        value: For `finish`: the best trial's objective.
        new: Whether the storage has nothing of the trial: then nothing is looked for there.
        finished: Whether its function has run to its end before, under a smaller budget.
    """

    trial_id: str
    config: Config
    seed: int
    task: Literal["train", "finish"] = "train"
    attempt: int = 1
    segment: int = 1
    segment_session: int = 0
    epoch: int = 0
    parent_trial: str | None = None
    parent_epoch: int | None = None
    reported_epoch: int = 0
    value: float | None = None
    new: bool = False
    finished: bool = False

    @property
    def key(self) -> str:
        """The assignment's key among those that are active: its trial, or FINISH."""
        return self.trial_id if self.task == "train" else FINISH

    def to_json(self) -> str:
        """The assignment as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Assignment":
        """Read an assignment from the result of `to_json`.

        Args:
            text: The JSON text.

        Returns:
            The assignment, equal to the one that was converted.
        """
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class EpochRow:
    """A worker's record of one epoch; the columns of the table `epochs` define its fields.

    Checkpoints contain rows: a new field needs a default, so that older checkpoints stay readable.
    """

    attempt: int
    segment: int
    epoch: int
    model_epoch: int
    metrics: Mapping[str, float]
    learning_rate: float | None
    seconds_build: float
    seconds_train: float
    seconds_evaluate: float
    seconds_checkpoint: float
    bytes_checkpoint: int
    time: float
    node: str
    updates: int | None = None
    parameters: int | None = None
    trained_with: str | None = None
    phase: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return {column.name: getattr(self, column.name) for column in fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EpochRow":
        """Read a row from a checkpoint; fields that a newer tunepipe has added are ignored.

        Args:
            values: The row's JSON values.

        Returns:
            The row; a field that an older tunepipe did not write has its default.
        """
        return cls(**{name: values[name] for name in (column.name for column in fields(cls)) if name in values})


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """A worker's report after a milestone, after some seconds, or at the end of a trial.

    Args:
        rows: Every epoch since the last report; after a restart, also epochs that may have been reported before.
        epoch: The trial's own epoch now.
        last: Whether the trial is over: its maximum, a callback, the target.
        failure: Why the trial cannot continue, with the traceback; None if it can.
        unusable: Why no trial of this job can be trained; the study ends.
        stuck: Why the worker cannot write to the storage; the study ends, and can be resumed once that is fixed.
        checkpoints: Epochs whose checkpoints were written, or found at the start, since the last report → their bytes.
        left: Checkpoints of earlier trials that the worker left when they were taken from it: trial, epoch and bytes.
        over_memory_limit: How the worker's process exceeds its memory limit, so that it must be replaced; else empty.
        winner: For the task `finish`: the test metrics of the best trial's model.
        sources: Imported modules of the job's code without a copy in the study: module → path and text.
        node: The worker's machine, in its first report; None in all others.
        data: The data that a function of the config has loaded since the last report: for each, the parameters that
            it read, `config` and `absent`, and the fingerprint, `arrays`.
        inexact: Why the trial may differ once it is resumed, as a part of a sentence; None if that is not known.
        finishing: Whether the code of a function after its last step runs next: the next report has its last epochs.
        finished: Whether the function has run to its end.
    """

    rows: tuple[EpochRow, ...] = ()
    epoch: int = 0
    last: bool = False
    failure: str | None = None
    unusable: str | None = None
    stuck: str | None = None
    checkpoints: Mapping[int, int] = field(default_factory=dict)
    left: tuple[tuple[str, int, int], ...] = ()
    over_memory_limit: str = ""
    winner: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    node: Mapping[str, Any] | None = None
    data: tuple[Mapping[str, Any], ...] = ()
    inexact: str | None = None
    finishing: bool = False
    finished: bool = False

    def to_bytes(self) -> bytes:
        """The report as bytes: Ray Tune stores and prints every value of a result, except bytes."""
        values = {column.name: getattr(self, column.name) for column in fields(self)}
        return json.dumps({**values, "rows": [row.to_json() for row in self.rows]}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "ProgressReport":
        """Read a report from the result of `to_bytes`.

        Args:
            content: The bytes.

        Returns:
            The report, equal to the one that was converted.
        """
        values: dict[str, Any] = json.loads(content)
        rows = tuple(EpochRow(**row) for row in values.pop("rows"))
        sources = {module: (path, text) for module, (path, text) in values.pop("sources", {}).items()}
        left = tuple((trial_id, epoch, size) for trial_id, epoch, size in values.pop("left", ()))
        checkpoints = {int(epoch): size for epoch, size in values.pop("checkpoints").items()}
        data = tuple(values.pop("data", ()))
        return cls(rows=rows, sources=sources, checkpoints=checkpoints, left=left, data=data, **values)
