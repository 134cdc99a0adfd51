"""A study is its directory: the paths of all its files.

study.json      what is tuned                       sessions/    one file for each driver session
source/         copies of the job's sources         logs/        each trial's output
epochs/         parts, or one file once compacted   checkpoints/ <trial>/<epoch>.ckpt
decisions/      as epochs/                          export/      the winner: model.keras, JSON and weights
trials.parquet  derived, replaced as a whole        commands/    <id>.json: commands of users
report.html     a page with pictures                files/       <trial>/: files of the trial's code

`names` says whether a path can be a study's own. Nothing else in a study's folder is ever deleted or replaced, so a
new file of the layout must be added there.
"""

import re

EXPORT = "export"
WINNER = "export/winner.json"
PROVENANCE = "export/provenance.json"
EXPORTED = ("export/model.keras", "export/model.weights.h5", PROVENANCE, WINNER)
SOURCE, FILES = "source", "files"
STUDY = "study.json"
TRIALS = "trials.parquet"
REPORT = "report.html"

# The formats of the functions below: a minimum number of digits, without more leading zeros.
_FOUR, _SIX = r"(?:\d{4}|[1-9]\d{4,})", r"(?:\d{6}|[1-9]\d{6,})"

# Commands sort by the time at which they were given.
_COMMAND = r"\d{8}T\d{12}-[0-9a-f]{8}"

# A module or a package of any name that is not hidden.
_MODULE = r"[^./][^/]*"

_FILE = re.compile(
    "|".join(
        [
            *map(re.escape, (STUDY, TRIALS, REPORT, *EXPORTED)),
            rf"sessions/{_FOUR}\.(?:json|stop)",
            rf"{SOURCE}/(?:{_MODULE}/)*{_MODULE}\.py",
            rf"(?:epochs|decisions)/(?:part-{_FOUR}-{_SIX}|all-{_FOUR})\.parquet",
            rf"checkpoints/(?P<trial>{_FOUR})/(?P<epoch>{_SIX})\.ckpt",
            rf"logs/(?:{_FOUR}|driver)\.log",
            rf"files/(?P<owner>{_FOUR})/(?P<file>[^\ud800-\udfff]+)",
            rf"commands/(?P<command>{_COMMAND})\.json",
        ]
    ),
    re.ASCII | re.DOTALL,
)
_FOLDER = re.compile(
    rf"sessions|commands|{SOURCE}(?:/{_MODULE})*|epochs|decisions|logs|{EXPORT}|checkpoints(?:/{_FOUR})?|files(?:/{_FOUR}(?:/.+)?)?",
    re.ASCII | re.DOTALL,
)


def names(path: str) -> bool:
    """Whether a file can be the study's own."""
    return _FILE.fullmatch(path) is not None


def names_folder(path: str) -> bool:
    """Whether a folder can be the study's own."""
    return _FOLDER.fullmatch(path) is not None


def trial_id(index: int) -> str:
    return f"{index:04d}"


def part(table: str, session: int, number: int) -> str:
    return f"{table}/part-{session:04d}-{number:06d}.parquet"


def compacted(table: str, session: int) -> str:
    return f"{table}/all-{session:04d}.parquet"


def checkpoint(trial: str, epoch: int) -> str:
    return f"checkpoints/{trial}/{epoch:06d}.ckpt"


def is_beginning(path: str) -> bool:
    """Whether a file may exist in the folder of a study that has no study.json yet."""
    return path == TRIALS or (names(path) and path.partition("/")[0] in ("sessions", SOURCE))


def checkpoint_of(path: str) -> tuple[str, int] | None:
    """The trial and the epoch of a checkpoint's path; None for any other path."""
    return (found["trial"], int(found["epoch"])) if (found := _FILE.fullmatch(path)) and found["trial"] else None


def files(trial: str) -> str:
    return f"{FILES}/{trial}"


def file_of(path: str) -> tuple[str, str] | None:
    return (found["owner"], found["file"]) if (found := _FILE.fullmatch(path)) and found["owner"] else None


def log(trial: str) -> str:
    return f"logs/{trial}.log"


def session(number: int) -> str:
    return f"sessions/{number:04d}.json"


def session_number(path: str) -> int:
    """The number in the path of a driver session's file, or of a part that it has written."""
    return int(found[0]) if (found := re.search(r"\d+", path.rpartition("/")[2])) else 0


def stop_request(number: int) -> str:
    return f"sessions/{number:04d}.stop"


def command(name: str) -> str:
    return f"commands/{name}.json"


def command_of(path: str) -> str | None:
    return found["command"] if (found := _FILE.fullmatch(path)) else None


def source(path: str) -> str:
    return f"{SOURCE}/{path}"
