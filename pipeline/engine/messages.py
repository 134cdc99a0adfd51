"""Messages between driver and workers: assignments to a worker, its reports, and the rows of epochs."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias, TypedDict

from pipeline.schedulers import ObjectiveValues
from pipeline.space import LARGEST, Config
from pipeline.storage.schema import MEASURES
from pipeline.study import Objective
from pipeline.study.specification import total_violation

EXPORT: Final = "export"


class EpochRow(TypedDict):
    """An epoch from the worker to the table: the columns of `epochs` that a worker knows, and metrics by name."""

    attempt: int
    segment: int
    epoch: int
    model_epoch: int
    metrics: Mapping[str, float]
    learning_rate: float | None
    updates: int | None
    parameters: int | None
    seconds_build: float
    seconds_train: float
    seconds_evaluate: float
    seconds_checkpoint: float
    bytes_checkpoint: int
    time: float
    node: str
    trained_with: str | None
    phase: int | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker does next: train a trial, or export and evaluate the study's best one."""

    trial_id: str
    config: Config
    seed: int
    task: Literal["train", "export"] = "train"
    attempt: int = 1
    segment: int = 1
    segment_session: int = 0
    epoch: int = 0
    """The epoch at which its segment begins; of the final evaluation, the best one."""
    parent_trial: str | None = None
    parent_epoch: int | None = None
    reported_epoch: int = 0
    value: float | None = None
    new: bool = False
    """Whether no worker has had the trial before: then the storage has no checkpoint of it."""

    @property
    def key(self) -> str:
        """The assignment's key among those that are active: its trial, or EXPORT."""
        return self.trial_id if self.task == "train" else EXPORT

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Assignment":
        return cls(**json.loads(text))


Cause: TypeAlias = Literal["trial", "job", "storage"]
"""What a failure is about: the trial, the job as a whole (its model or data cannot be used), or the storage."""


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's report after a milestone, after some seconds, or at the end of a trial."""

    rows: Sequence[EpochRow] = ()
    last: bool = False
    failure: str | None = None
    cause: Cause = "trial"
    checkpoints: Sequence[tuple[str, int, int]] = ()
    """Checkpoints that are in the storage since the last report: trial, epoch and bytes of each."""
    repeated: int = 0
    """How many of the rows were reported before: a worker that resumes a trial reports its segment from the start."""
    exported: Mapping[str, float] | None = None
    """The metrics on the test split, once the best model is exported."""
    over_memory_limit: str = ""
    node: Mapping[str, object] | None = None

    @property
    def epoch(self) -> int:
        """The last epoch in the report; 0 without one."""
        return self.rows[-1]["epoch"] if self.rows else 0

    def to_bytes(self) -> bytes:
        """The report as bytes: Ray Tune stores and prints every value of a result, except bytes."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Report":
        return cls(**json.loads(content))


Values: TypeAlias = tuple[float | None, ...]
"""An epoch's value in each objective; None for one that is not finite or not reported."""


def values_in(row: EpochRow, objectives: Sequence[Objective]) -> Values:
    """An epoch's values: of a metric, or of the measured cost of that name."""
    values = []
    for objective in objectives:
        value = row["metrics"].get(objective.metric)
        if value is None and objective.metric in MEASURES:
            value = row[objective.metric]  # type: ignore[literal-required]
        values.append(float(value) if value is not None and math.isfinite(value) else None)
    return tuple(values)


def violation_in(row: EpochRow, objectives: Sequence[Objective]) -> float:
    """How far an epoch is beyond the bounds of the objectives, in total."""
    if not any(objective.bounded for objective in objectives):
        return 0.0
    return total_violation(zip(objectives, values_in(row, objectives), strict=True))


def objective_values_of(values: Values, objectives: Sequence[Objective]) -> ObjectiveValues:
    """How an epoch is compared: its values as losses, and its violation of the bounds."""
    pairs = list(zip(objectives, values, strict=True))
    losses = [LARGEST if value is None else min(max(one.loss(value), -LARGEST), LARGEST) for one, value in pairs]
    return ObjectiveValues(tuple(losses), min(total_violation(pairs), LARGEST))
