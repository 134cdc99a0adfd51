"""What a check before a study finds, and the facts that the processes it starts tell."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from pipeline.execution.exchange import Misfit
from pipeline.space import Config

__all__ = [
    "Built",
    "ClusterFacts",
    "DataFacts",
    "Exchanged",
    "Fact",
    "Failed",
    "Finding",
    "Level",
    "NodeFacts",
    "Ready",
    "Trained",
    "Unbuilt",
    "as_event",
    "as_fact",
    "unlooked",
]

Level: TypeAlias = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: What was looked at, in a word.
        level: `ok`; `warning`: the study runs, and a person may want to know; `fault`: it would not come to its end.
        found: What was found, a sentence or two.
        advice: What to do; empty where there is nothing.
        looked: Whether it could be looked at: not where an earlier check failed, which is a warning.
    """

    name: str
    level: Level
    found: str
    advice: str = ""
    looked: bool = True


def unlooked(name: str, why: str) -> Finding:
    """A check that could not be made.

    Args:
        name: What was to be looked at.
        why: Which earlier one failed, as the end of a sentence.
    """
    return Finding(name, "warning", f"not looked at: {why}", looked=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """A process, or a part of its work, did not come to its end.

    Args:
        told: What happened, in a sentence.
        trace: The traceback; empty for an error that tunepipe raises on purpose.
        late: Whether it was ended because the time was up.
    """

    told: str
    trace: str = ""
    late: bool = False


@dataclass(frozen=True, slots=True)
class DataFacts:
    """A data set as it was loaded.

    Args:
        name: What it is called.
        rows: Rows of each split.
        inputs: Shapes of one row's inputs.
        targets: Shapes of one row's targets.
        classes: How many classes it names.
        bytes: Size of all arrays.
        strange: Where numbers are not finite → how many.
        unseen: Columns of one-hot targets that validation has and training does not.
    """

    name: str
    rows: Mapping[str, int]
    inputs: str
    targets: str
    classes: int
    bytes: int
    strange: Mapping[str, int] = field(default_factory=dict)
    unseen: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker is ready.

    Args:
        seconds: From the start of its process: imports, and the data in place.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Trained:
    """The first epochs of a trial.

    Args:
        trial_id: The trial.
        config: Its config.
        metrics: Of the last epoch.
        seconds_build: To build and trace the model.
        seconds_epoch: Of the last epoch, evaluation included.
        bytes_checkpoint: Size of a checkpoint.
        bytes_memory: What the process held then.
        told: Why it cannot go on, in a sentence; None where it can.
        trace: The traceback of that; empty for an error that tunepipe raises on purpose.
        mismatch: What does not fit between targets and outputs; None where nothing is known to.
        inexact: Why going on after a kill may differ; None where it does not.
        notes: What else a person is told of the job's training.
    """

    trial_id: str
    config: Config
    metrics: Mapping[str, float]
    seconds_build: float = 0.0
    seconds_epoch: float = 0.0
    bytes_checkpoint: int = 0
    bytes_memory: int = 0
    told: str | None = None
    trace: str = ""
    mismatch: str | None = None
    inexact: str | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A config that gives no model.

    Args:
        trial_id: The trial that the study would give it to.
        config: The config.
        told: Why, in a sentence.
        trace: The traceback.
    """

    trial_id: str
    config: Config
    told: str
    trace: str


@dataclass(frozen=True, slots=True)
class Built:
    """Models that were built and not trained.

    Args:
        configs: Those that were built.
        failures: Those that were not.
    """

    configs: Sequence[Config]
    failures: Sequence[Unbuilt] = ()


@dataclass(frozen=True, slots=True)
class Exchanged:
    """Whether trials can take over each other's weights.

    Args:
        misfits: The parameters that change a model's variables; none where they can.
    """

    misfits: Sequence[Misfit]


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A machine that trials may run on.

    Args:
        name: Its name.
        cpus: CPU cores.
        gpus: GPUs.
        memory: Bytes of memory that trials may fill.
        versions: Of Python and the packages that matter; empty for this machine itself.
        trouble: Why it cannot take trials: tunepipe is missing, the storage is not seen; None where it can.
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


Fact: TypeAlias = Failed | DataFacts | Ready | Trained | Built | Exchanged | ClusterFacts

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Failed, DataFacts, Ready, Trained, Built, Exchanged, ClusterFacts)
}
_PARTS: dict[str, type[Any]] = {"failures": Unbuilt, "misfits": Misfit, "nodes": NodeFacts}


def as_event(fact: Fact) -> dict[str, Any]:
    """A fact as JSON values."""
    return {"kind": type(fact).__name__, **asdict(fact)}


def as_fact(event: Mapping[str, Any]) -> Fact:
    """A fact from what `as_event` returned."""
    fields = {
        name: [_PARTS[name](**part) for part in value] if name in _PARTS else value
        for name, value in event.items()
        if name != "kind"
    }
    fact: Fact = _KINDS[event["kind"]](**fields)
    return fact
