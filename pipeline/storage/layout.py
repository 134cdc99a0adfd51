"""A study is its directory: the paths of all its files.

study.json      what is tuned                       sessions/    one file for each driver session
source/         copies of the job's sources         logs/        each trial's output
epochs/         parts, or one file once compacted   checkpoints/ <trial>/<epoch>.ckpt
decisions/      as epochs/                          export/      the winner: model.keras, JSON and weights
trials.parquet  derived, replaced as a whole        commands/    <id>.json: commands of users
report.html     a page with pictures                files/       <trial>/: files of the trial's code,
earlier.json    trials of the studies of                         <trial>.dropped.json: those that were deleted
                `learn_from`, copied at the start

`names` says whether a path can be a study's own. Nothing else in a study's folder is ever deleted or replaced, so a
new file of the layout must be added there.
"""

import re

EARLIER = "earlier.json"
EXPORT = "export"
WINNER = "export/winner.json"
PROVENANCE = "export/provenance.json"
EXPORTED = ("export/model.keras", "export/model.weights.h5", PROVENANCE, WINNER)
SOURCE = "source"
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
            *map(re.escape, (STUDY, TRIALS, REPORT, EARLIER, *EXPORTED)),
            rf"sessions/{_FOUR}\.(?:json|stop|damaged)",
            rf"{SOURCE}/(?:{_MODULE}/)*{_MODULE}\.py",
            rf"(?:epochs|decisions)/(?:part-{_FOUR}-{_SIX}|all-{_FOUR})\.parquet",
            rf"checkpoints/{_FOUR}/{_SIX}\.ckpt",
            rf"logs/(?:{_FOUR}|driver)\.log",
            rf"files/{_FOUR}(?:/.+|\.dropped\.json)",
            rf"commands/{_COMMAND}\.json",
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
    """The id of a trial."""
    return f"{index:04d}"


def part(table: str, session: int, number: int) -> str:
    """The path of a part of a table."""
    return f"{table}/part-{session:04d}-{number:06d}.parquet"


def compacted(table: str, session: int) -> str:
    """The path of a table's single file after compaction."""
    return f"{table}/all-{session:04d}.parquet"


def checkpoint(trial: str, epoch: int) -> str:
    """The path of a trial's checkpoint."""
    return f"checkpoints/{trial}/{epoch:06d}.ckpt"


def is_beginning(path: str) -> bool:
    """Whether a file may exist in the folder of a study that has no study.json yet."""
    return path in (TRIALS, EARLIER) or (names(path) and path.partition("/")[0] in ("sessions", SOURCE))


def checkpoint_of(path: str) -> tuple[str, int] | None:
    """The trial and the epoch of a checkpoint's path; None for any other path."""
    if not (names(path) and path.startswith("checkpoints/")):
        return None
    _, trial, file = path.split("/")
    return trial, int(file.removesuffix(".ckpt"))


def files(trial: str) -> str:
    """The path of a trial's working folder; everything below it belongs to the study."""
    return f"files/{trial}"


def file_of(path: str) -> tuple[str, str] | None:
    """The trial of a file in a working folder, and the file's path within that folder; None for any other path."""
    if not names(path) or path.count("/") < 2 or not path.startswith("files/"):
        return None
    _, trial, file = path.split("/", 2)
    return trial, file


def dropped_files_list(trial: str) -> str:
    """The path of the list of a trial's files that were deleted because they exceeded the size limit."""
    return f"files/{trial}.dropped.json"


def log(trial: str) -> str:
    """The path of a trial's output."""
    return f"logs/{trial}.log"


def session(number: int) -> str:
    """The path of a driver session's file."""
    return f"sessions/{number:04d}.json"


def session_number(path: str) -> int:
    """The number in the path of a driver session's file, or of a part that it has written."""
    found = re.search(r"\d+", path.rpartition("/")[2])
    return int(found[0]) if found else 0


def stop_request(number: int) -> str:
    """The path of the file that asks a driver session to end."""
    return f"sessions/{number:04d}.stop"


def command(name: str) -> str:
    """The path of a command that a user gives to the running study."""
    return f"commands/{name}.json"


def command_of(path: str) -> str | None:
    """The id of the command in a file; None for any other path."""
    if not (names(path) and path.startswith("commands/")):
        return None
    return path.removeprefix("commands/").removesuffix(".json")


def damaged_session(number: int) -> str:
    """The path of the content of a session's file that could not be read when the study was taken over."""
    return f"sessions/{number:04d}.damaged"


def source(path: str) -> str:
    """The path of the copy of a source."""
    return f"{SOURCE}/{path}"
