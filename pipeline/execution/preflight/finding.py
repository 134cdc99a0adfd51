"""The findings of a check, and the facts that its processes publish."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from pipeline.execution.worker.weight_compatibility import WeightMismatch
from pipeline.space import Config

__all__ = [
    "BuildFailure",
    "ClusterFacts",
    "DataFacts",
    "Fact",
    "Failure",
    "Finding",
    "Level",
    "ModelFacts",
    "NodeFacts",
    "TrainingFacts",
    "WeightFacts",
    "WorkerStart",
    "as_event",
    "as_fact",
    "skipped",
]

Level: TypeAlias = Literal["ok", "warning", "error", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Args:
        name: What was checked, in a word.
        level: `ok`; `warning`: the study runs, and the user may want to know; `error`: the study would fail; `skipped`:
            it could not be checked, because of what an earlier check found.
        found: What was found, a sentence or two; why it was skipped.
        advice: What to do; empty if there is nothing.
    """

    name: str
    level: Level
    found: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f" {self.advice}" if self.advice else ""
        end = "" if self.found.endswith((".", "?", "!")) or not advice else "."
        return f"{self.level:<7}  {self.name:<9}  {self.found}{end}{advice}"

    def as_object(self) -> dict[str, str]:
        """The finding in the JSON of `tunepipe check`."""
        return asdict(self)


def skipped(name: str, why: str) -> Finding:
    """A check that could not be made.

    Args:
        name: What was to be checked.
        why: What an earlier check found, as a clause.
    """
    return Finding(name, "skipped", why)


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of a process or of a part of its work.

    Args:
        message: What happened, in a sentence.
        trace: The traceback; empty for an error that tunepipe raises on purpose.
        late: Whether it was ended because its time was up.
    """

    message: str
    trace: str = ""
    late: bool = False


@dataclass(frozen=True, slots=True)
class DataFacts:
    """A data set as it was loaded.

    Args:
        name: The data set's name.
        rows: Rows of each split.
        inputs: Shapes of one row's inputs.
        targets: Shapes of one row's targets.
        classes: How many classes it names.
        bytes: Size of all arrays.
        non_finite: Where numbers are not finite → how many.
        unseen: Columns of one-hot targets that validation has and training does not.
        fingerprint: Shapes, dtypes and hashes of the arrays.
        changed: How they differ from the data that the study to be resumed began with, in words.
        pipelines: Splits that are pipelines, in words.
        unsteady: How the data function's second call differs from its first, in words.
        shared: What the trials of a node share, and where, as a clause; None if they share nothing.
        no_room: Why it cannot be shared on this machine, as a sentence; None if it can.
    """

    name: str
    rows: Mapping[str, int]
    inputs: str
    targets: str
    classes: int
    bytes: int
    non_finite: Mapping[str, int] = field(default_factory=dict)
    unseen: Sequence[int] = ()
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    changed: Sequence[str] = ()
    unsteady: Sequence[str] = ()
    pipelines: Mapping[str, str] = field(default_factory=dict)
    shared: str | None = None
    no_room: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """How long a worker took to be ready.

    Args:
        seconds: From the start of its process: imports, and the data in place.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """The first epochs of a trial.

    Args:
        trial_id: The trial.
        config: Its config.
        metrics: Of the last epoch.
        seconds_build: To build and trace the model.
        seconds_epoch: Of the last epoch, evaluation included.
        bytes_checkpoint: Size of a checkpoint.
        bytes_memory: What the process held then.
        message: Why it cannot continue, in a sentence; None if it can.
        trace: The traceback of that; empty for an error that tunepipe raises on purpose.
        mismatch: How targets and outputs do not fit; None if they do, as far as is known.
        remedy: What to do about that; empty if nothing is known.
        inexact: Why a resumed trial may differ; None if it does not.
        replays: Whether a resumed trial is trained again from its first epoch: a function that has yielded no state.
        notes: Other notes on the job's training.
        without_validation: What the user should know of a job without a validation split; None if it has one.
    """

    trial_id: str
    config: Config
    metrics: Mapping[str, float]
    seconds_build: float = 0.0
    seconds_epoch: float = 0.0
    bytes_checkpoint: int = 0
    bytes_memory: int = 0
    message: str | None = None
    trace: str = ""
    mismatch: str | None = None
    remedy: str = ""
    inexact: str | None = None
    replays: bool = False
    notes: Sequence[str] = ()
    without_validation: str | None = None


@dataclass(frozen=True, slots=True)
class BuildFailure:
    """A config that gives no model.

    Args:
        trial_id: The trial that would have it.
        config: The config.
        message: Why, in a sentence.
        trace: The traceback.
    """

    trial_id: str
    config: Config
    message: str
    trace: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Which configs gave a model; the models were not trained.

    Args:
        configs: Those that were built.
        failures: Those that were not.
    """

    configs: Sequence[Config]
    failures: Sequence[BuildFailure] = ()


@dataclass(frozen=True, slots=True)
class WeightFacts:
    """Whether trials can take over each other's weights.

    Args:
        mismatches: The parameters that change a model's variables; none if they can.
    """

    mismatches: Sequence[WeightMismatch]


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A machine that trials may run on.

    Args:
        name: Its name.
        cpus: CPU cores.
        gpus: GPUs.
        memory: Bytes of memory that trials may fill.
        versions: Of Python and the packages that matter; empty for this machine itself.
        trouble: Why it cannot train trials: tunepipe is missing, or it does not see the storage; None if it can.
    """

    name: str
    cpus: float
    gpus: float
    memory: float
    versions: Mapping[str, str] = field(default_factory=dict)
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The machines of a Ray cluster."""

    nodes: Sequence[NodeFacts]


Fact: TypeAlias = Failure | DataFacts | WorkerStart | TrainingFacts | ModelFacts | WeightFacts | ClusterFacts

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Failure, DataFacts, WorkerStart, TrainingFacts, ModelFacts, WeightFacts, ClusterFacts)
}
_PARTS: dict[str, type[Any]] = {"failures": BuildFailure, "mismatches": WeightMismatch, "nodes": NodeFacts}


def as_event(fact: Fact) -> dict[str, Any]:
    """A fact as JSON values.

    Args:
        fact: The fact.
    """
    return {"kind": type(fact).__name__, **asdict(fact)}


def as_fact(event: Mapping[str, Any]) -> Fact:
    """Read a fact from the result of `as_event`.

    Args:
        event: Its JSON values.

    Returns:
        The fact, equal to the one that `as_event` converted.
    """
    fields = {
        name: [_PARTS[name](**part) for part in value] if name in _PARTS else value
        for name, value in event.items()
        if name != "kind"
    }
    fact: Fact = _KINDS[event["kind"]](**fields)
    return fact
