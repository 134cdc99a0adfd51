"""Trials whose code reads files by relative paths from the folder in which the study was started.

A trial works in a separate folder, so that its output never collides with that of another. Code that was written for
one process often reads a relative path while it trains, as a pipeline of images does, and would find no file there.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.execution.worker.active_trial import ActiveTrial

_MISSING = re.compile(
    r"no such file|not found|does not exist|cannot find|unable to .*open|failed to open|no files match", re.IGNORECASE
)
_NO_MATCH = "no files match"
_QUOTED = re.compile(r"""(['"`])(.+?)\1""")
_WORD = re.compile(r"""[^\s'"`;,(){}\[\]=]*[./][^\s'"`;,(){}\[\]=]*""")
_MAX_CHARACTERS = 20_000


class StartFolder:
    """Where a worker's trials work: each in its own folder, until one needs a file of the folder of the start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.directory: Path | None = None
        """The current directory of all trials; None while each has its own folder."""
        self._cause: tuple[str, str] | None = None
        """The trial and the path for which that was changed."""

    def needed(self, trial: ActiveTrial, error: BaseException) -> str | None:
        """Let all trials of this worker work in the folder of the start, if a trial needs it and loses no epoch by
        it.
        """
        trial_id = trial.assignment.trial_id
        if self.directory is not None and self._cause is not None:
            if self._cause[0] == trial_id and self._cause[1] in _names(error):
                # The file is there now, so the error means something else that has its name, such as a column.
                self.directory = self._cause = None
            return None
        loses = trial.assignment.task == "train" and trial.epoch not in (trial.assignment.epoch, trial.saved_epoch)
        if loses or trial.folder is None or not (name := self.use(error, trial.folder.folder)):
            return None
        self._cause = trial_id, name
        return (
            f"while it trains, a trial reads {name} by a relative path, so trials work in {self.path}, where the study "
            "was started, and not in their own folders: trials that write the same relative path overwrite each "
            "other's files. Keras' own callbacks still write into a trial's folder; use pipeline.trial().folder for "
            "other files."
        )

    def use(self, error: BaseException, folder: Path) -> str | None:
        """Use the folder of the start from now on, if a file that was not found in another folder is there."""
        if self.directory is not None:
            return None
        for name in dict.fromkeys(_names(error)):
            try:
                if not Path(name).is_absolute() and not _has(folder, name) and _has(self.path, name):
                    self.directory = self.path
                    return name
            except (OSError, ValueError):  # it is not a path
                continue
        return None


def _has(folder: Path, name: str) -> bool:
    """Whether a folder has a file of that name, or one that matches it as a pattern."""
    return (folder / name).exists() or ("*" in name and any(folder.glob(name)))


def _names(error: BaseException) -> Iterator[str]:
    """What may be a path in an error, in its causes, and in the errors while which it was raised."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        if isinstance(each, FileNotFoundError | NotADirectoryError) and isinstance(each.filename, str | bytes):
            yield os.fsdecode(each.filename)
        text = str(each)[:_MAX_CHARACTERS]
        if isinstance(each, FileNotFoundError) or _MISSING.search(text):
            yield from (found[1] for found in _QUOTED.findall(text) if "*" not in found[1])
            words = (found.rstrip(".:") for found in _WORD.findall(text))
            # A full stop does not make the last word of a sentence a path, and names of kinds of files are no patterns.
            patterns = _NO_MATCH in text.lower()
            yield from (word for word in words if ("." in word or "/" in word) and (patterns or "*" not in word))
        each = each.__cause__ or each.__context__
