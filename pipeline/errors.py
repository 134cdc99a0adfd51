"""Every error tunepipe raises on purpose; `pipeline/cli/app.py` prints those that reach the command line.

Exit codes: 2 for a `UserError`, which is printed as one paragraph, never with a traceback; 3 where no trial succeeded;
130 after Ctrl-C or SIGTERM; 1 for a bug. 128 + a signal is what a shell reports for a process that the signal ended.
"""

import errno
import re
import signal
import traceback
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.text import sanitize

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
        """What a notebook shows of the error: its message, below the traceback of its cause."""
        cause = traceback.format_exception(self.__cause__) if self.__cause__ is not None else []
        return [*cause, f"{type(self).__name__}: {self}"]


class UserError(TunepipeError):
    """A mistake that a user can fix."""

    exit_code = 2
    final = True


class UsageError(UserError):
    """A command or a function is called wrongly: an unknown option, or a value that is not allowed."""


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
        self.subject, self.faults = subject, tuple(faults)
        # What a copy in another process is made from.
        super().__init__(subject, self.faults)

    def __str__(self) -> str:
        count = "one error" if len(self.faults) == 1 else f"{len(self.faults)} errors"
        lines = [f"{self.subject} has {count}:", *(f"  - {fault}" for fault in self.faults[:_MAX_FAULTS])]
        if len(self.faults) > _MAX_FAULTS:
            lines.append(f"  … and {len(self.faults) - _MAX_FAULTS} more")
        return "\n".join(lines)


class StudyChanged(InvalidJob):
    """The study to resume has another job."""

    def __str__(self) -> str:
        return (
            f"{super().__str__()}\n`tunepipe resume NAME` continues with the study's own job, --accept-changes (in "
            "Python: accept_changes=True) with changed code, data and domains; --name (name=…) starts a separate study."
        )


class JobNotFound(UserError):
    """No job, study or trial of that name."""


class StudyExists(UserError):
    """The study's name is taken."""


class Superseded(UserError):
    """Another driver has taken the study over: this one must stop writing."""


class StorageError(UserError):
    """The storage cannot be read or written."""


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
            # As after `| head -1`: a process that SIGPIPE ends prints nothing.
            self.exit_code = 128 + _SIGPIPE
            super().__init__("")
        else:
            super().__init__(f"Standard output cannot be written: {reason}. Redirect it to another file.")


class Interrupted(TunepipeError):
    """The study was interrupted by Ctrl-C or SIGTERM; its tables are complete, and it can be resumed."""

    exit_code = 128 + signal.SIGINT


class NoTrialSucceeded(TunepipeError):
    """The study ended without a value."""

    exit_code = 3
    final = True


class DamagedFile(TunepipeError):
    """A file's content does not match its checksum or its format."""


def _shown(value: object) -> str:
    try:
        return sanitize(re.sub(r"\s*\n\s*", " ", repr(value)))
    except Exception:  # it is the user's object, or nested too deeply
        return f"a {type(value).__name__} that cannot be shown"


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 3] + "…"
