"""Every error tunepipe raises on purpose; `pipeline/cli/app.py` prints those that reach the command line.

TunepipeError
├── UserError            exit 2: a mistake that a user can fix; printed as one paragraph, never with a traceback
│   ├── UsageError       the command line cannot be read
│   ├── InvalidJob       a TuneJob, a setting or a command-line value is not allowed
│   │   └── StudyChanged the study to resume has another job; shows the difference
│   ├── JobNotFound      no job, study or trial of that name
│   ├── StudyExists      the study's name is taken
│   ├── NotResumable     the study cannot be resumed: its scheduler's or searcher's state cannot be saved
│   ├── Superseded       another driver has taken the study over
│   ├── StorageError     the storage cannot be read or written
│   │   └── StorageUnreachable it does not answer now
│   ├── ClusterError     a cluster cannot be reached, refuses, or has lost a submission
│   ├── DataError        a data set cannot be loaded
│   ├── ModelError       the job's model, callbacks or metrics cannot be used
│   │   └── NotEvaluated an exported model fails on the test split
│   ├── ResourcesUnmet   a trial requests more resources than there are
│   └── OutputLost       standard output cannot be written; exit 141 where its reader is gone
├── Interrupted          exit 130: Ctrl-C or SIGTERM; the tables are complete
├── NoTrialSucceeded     exit 3: the study ended without a value
└── DamagedFile          a file's content does not match its checksum or its format
"""

import errno
import os
import re
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

from pipeline.text import sanitize

_PACKAGE = f"{Path(__file__).parent}{os.sep}"
_SIGPIPE = 13
_MAX_LENGTH = 120
_MAX_FAULTS = 50
"""A message lists at most this many mistakes: more of them usually have one cause, a file of another kind."""


class TunepipeError(Exception):
    """The root of the tree.

    `exit_code` is what the command returns. `final` says whether the same command would end in the same way again, so
    that no cluster need start it again; an error may have another value than its class.
    """

    exit_code = 1
    final = False

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of the error: the message and the lines of the user's own code, not tunepipe's."""
        from IPython import get_ipython

        error: BaseException | None = self
        while error is not None:
            error.__traceback__ = without_own_frames(error.__traceback__)
            error = error.__cause__
        lines: list[str] = get_ipython().InteractiveTB.structured_traceback(type(self), self, self.__traceback__)
        return lines


class UserError(TunepipeError):
    """A mistake that a user can fix."""

    exit_code = 2
    final = True


class UsageError(UserError):
    """The command line cannot be read: an unknown option or command, or an invalid value."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in a value that a user wrote."""

    field: str
    found: object
    allowed: str

    def __str__(self) -> str:
        found = "nothing" if self.found is None else _cut(_shown(self.found))
        return f"{_cut(sanitize(self.field))}: {self.allowed}; found {found}"


class InvalidJob(UserError):
    """A TuneJob, a setting or a command-line value is not allowed."""

    def __init__(self, subject: str, faults: Iterable[Fault]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        count = "one error" if len(self.faults) == 1 else f"{len(self.faults)} errors"
        lines = "\n".join(f"  - {fault}" for fault in self.faults[:_MAX_FAULTS])
        if len(self.faults) > _MAX_FAULTS:
            lines += f"\n  … and {len(self.faults) - _MAX_FAULTS} more"
        super().__init__(f"{subject} has {count}:\n{lines}")

    def __reduce__(self) -> tuple[type["InvalidJob"], tuple[str, tuple[Fault, ...]]]:
        return InvalidJob, (self.subject, self.faults)


_RESUME = (
    "`tunepipe resume NAME` continues with the study's own job, --accept-changes (in Python: accept_changes=True) with "
    "changed code, data and domains; --name (name=…) starts a separate study."
)
_RESUME_TYPED = (
    "run(JOB, resume=True, accept_changes=True) continues with changed code, data and domains; run(JOB, name=…) starts "
    "a separate study."
)


class StudyChanged(InvalidJob):
    """The study to resume has another job."""

    def __init__(self, subject: str, faults: Iterable[Fault], difference: str = "", *, typed: bool = False) -> None:
        super().__init__(subject, faults)
        self.difference, self.typed = difference, typed

    def __str__(self) -> str:
        parts = [super().__str__(), self.difference] if self.difference else [super().__str__()]
        return "\n".join([*parts, _RESUME_TYPED if self.typed else _RESUME])

    def __reduce__(self) -> tuple[Callable[..., "StudyChanged"], tuple[str, tuple[Fault, ...], str]]:  # type: ignore[override]
        return partial(StudyChanged, typed=self.typed), (self.subject, self.faults, self.difference)


class JobNotFound(UserError):
    """No job, study or trial of that name."""


class StudyExists(UserError):
    """The study's name is taken."""


class NotResumable(UserError):
    """The study cannot be resumed: the state of its scheduler or searcher cannot be saved."""


class Superseded(UserError):
    """Another driver has taken the study over: this one must stop writing."""


class StorageError(UserError):
    """The storage cannot be read or written."""


class StorageUnreachable(StorageError):
    """The storage does not answer now, and the same request may succeed later."""


class ClusterError(UserError):
    """A cluster cannot be reached, refuses a request, or has lost a submission."""

    final = False


class DataError(UserError):
    """A data set cannot be loaded, or does not fit the job."""


class ModelError(UserError):
    """The job's model, callbacks or metrics cannot be used."""


class NotEvaluated(ModelError):
    """An exported model fails on the test split."""


class ResourcesUnmet(UserError):
    """A trial requests more resources than there are."""


class OutputLost(UserError):
    """Standard output cannot be written: the disk is full, or the reader of the pipe is gone."""

    final = False

    def __init__(self, number: int | None, reason: str) -> None:
        if number == errno.EPIPE:
            # As after `| head -1`: a process that SIGPIPE ends prints nothing, and a shell reports this code for it.
            self.exit_code = 128 + _SIGPIPE
            super().__init__("")
        else:
            super().__init__(f"Standard output cannot be written: {reason}. Redirect it to another file.")


class Interrupted(TunepipeError):
    """The study was interrupted by Ctrl-C or SIGTERM; its tables are complete, and it can be resumed."""

    exit_code = 130


class NoTrialSucceeded(TunepipeError):
    """The study ended without a value."""

    exit_code = 3
    final = True


class DamagedFile(TunepipeError):
    """A file's content does not match its checksum or its format."""


def without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without tunepipe's frames, nor those of libraries between and behind the user's."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    # A dataclass writes code named <string>; a cell has another name.
    libraries = (*(f"{folder}{os.sep}" for folder in folders), "<frozen ", "<string>")
    frames: list[TracebackType] = []
    outermost = True
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        library, own = file.startswith(libraries), file.startswith(_PACKAGE)
        outermost = outermost and library and not own
        if outermost or not (library or own):
            frames.append(trace)
        trace = trace.tb_next
    copy: TracebackType | None = None
    for frame in reversed(frames):
        copy = TracebackType(copy, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return copy


def _shown(value: object) -> str:
    try:
        return sanitize(re.sub(r"\s*\n\s*", " ", repr(value)))
    except Exception:  # it is the user's object, or nested too deeply
        return f"a {type(value).__name__} that cannot be shown"


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 3] + "…"
