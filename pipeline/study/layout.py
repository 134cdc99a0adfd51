"""A study is its directory: where everything lies within it.

study.json      what is tuned                       sessions/    one file for each driver session
source/         copies of the job's sources         logs/        each trial's output
epochs/         parts, or one file once compacted   checkpoints/ <trial>/<epoch>.ckpt
decisions/      likewise                            export/      the winner: model.keras, JSON and weights
trials.parquet  derived, replaced whole             report.html
"""

import re

__all__ = [
    "ENTRIES",
    "EXPORT",
    "EXPORTED",
    "REPORT",
    "SOURCE",
    "STUDY",
    "TRIALS",
    "WINNER",
    "checkpoint",
    "checkpoint_of",
    "compacted",
    "is_beginning",
    "log",
    "part",
    "session",
    "source",
    "trial_id",
]

EXPORT = "export"
WINNER = "export/winner.json"
EXPORTED = ("export/architecture.json", "export/model.keras", "export/model.weights.h5", WINNER)
SOURCE = "source"
STUDY = "study.json"
TRIALS = "trials.parquet"
REPORT = "report.html"

ENTRIES = frozenset(
    {STUDY, SOURCE, TRIALS, REPORT, EXPORT, "epochs", "decisions", "sessions", "logs", "checkpoints"},
)
"""All that may lie right within a study's folder."""


def trial_id(index: int) -> str:
    """The id of the trial with that index, from 0."""
    return f"{index:04d}"


def part(table: str, session: int, number: int) -> str:
    """Part `number` of a table, written by a session."""
    return f"{table}/part-{session:04d}-{number:06d}.parquet"


def compacted(table: str, session: int) -> str:
    """A table's one file, once a session has compacted it."""
    return f"{table}/all-{session:04d}.parquet"


def checkpoint(trial: str, epoch: int) -> str:
    """A trial's checkpoint after an epoch of its own."""
    return f"checkpoints/{trial}/{epoch:06d}.ckpt"


def is_beginning(path: str) -> bool:
    """Whether a study that is only just beginning may hold such a file, before there is a study.json."""
    return re.fullmatch(r"sessions/\d+\.json|source/.*|trials\.parquet", path) is not None


def checkpoint_of(path: str) -> tuple[str, int] | None:
    """The trial and the epoch of a checkpoint's path; None for any other path."""
    found = re.fullmatch(r"checkpoints/([^/]+)/(\d+)\.ckpt", path)
    return (found[1], int(found[2])) if found else None


def log(trial: str) -> str:
    """What a trial printed."""
    return f"logs/{trial}.log"


def session(number: int) -> str:
    """A driver session's own file."""
    return f"sessions/{number:04d}.json"


def source(module: str) -> str:
    """The copy of a module's source."""
    return f"{SOURCE}/{module}.py"
