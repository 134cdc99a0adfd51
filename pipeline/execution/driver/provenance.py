"""The origin of a session's numbers: versions, the code's commit, the command line, the machine, the seed."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from pipeline.code import from_study, home_of
from pipeline.execution.node_facts import PACKAGES, installed
from pipeline.machine import this_machine
from pipeline.study import TuneJob

_GIT_SECONDS = 5.0
_GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
"""Set by a hook or `git rebase --exec` for its own repository, which need not be the job's."""
_PROGRAM = "tunepipe"
_HIDDEN = "***"
_SECRET = (
    r"(?<![a-z])(?:token|secret|password|passwd|pwd|credentials?|signature|sig|sas|(?:api|access|account)[-_]?key)"
)
_NAME = re.compile(rf"{_SECRET}$", re.IGNORECASE)
_SMALL = re.compile(r"[-+]?\d{1,3}")
"""A number that is not a secret, as in `--pad-token 0`."""
_USER = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_QUERY = re.compile(rf"([?&][^=&]*{_SECRET}(?![a-z])[^=&]*=)[^&\s]*", re.IGNORECASE)


class Provenance:
    """The origin of a session's numbers, as its file records it.

    Git runs in its own thread: a study does not wait for it.
    """

    def __init__(self, job: TuneJob, files: Sequence[Path] = ()) -> None:
        self._content = {
            "versions": installed(PACKAGES),
            "command": command_line(started_as(sys.argv, sys.orig_argv)),
            "machine": this_machine().record(),
            "seed": job.seed,
        }
        self._commit: dict[str, Any] | None = None
        file = _file_of(job)

        def ask() -> None:
            # A study does not fail because of git.
            with suppress(Exception):
                self._commit = None if file is None else commit_of(file, files)

        self._asking = Thread(target=ask, name="git", daemon=True)
        self._asking.start()

    def content(self, *, wait: bool = False) -> dict[str, Any]:
        """The record as JSON values; `git` is None until git has answered."""
        if wait:
            self._asking.join(_GIT_SECONDS)
        return {**self._content, "git": self._commit}


def started_as(words: Sequence[str], whole: Sequence[str]) -> list[str]:
    """The command line that starts this process again."""
    program = Path(words[0]).name if words else ""
    return [program, *words[1:]] if program == _PROGRAM else list(whole)


def tunepipe_command(*arguments: str) -> str:
    """A command of tunepipe that works in a shell as it is printed, even if no environment is activated."""
    program = [_PROGRAM] if shutil.which(_PROGRAM) else [sys.executable, "-m", "pipeline"]
    return shlex.join([*program, *arguments])


def command_line(words: Sequence[str]) -> list[str]:
    """A command line without its secrets."""
    shown: list[str] = []
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        before = words[index - 1] if index else ""
        if _SMALL.fullmatch(value if equals else word):
            shown.append(word)
        elif before.startswith("-") and "=" not in before and _NAME.search(before):
            shown.append(_HIDDEN)
        elif equals and "?" not in name and _NAME.search(name):
            shown.append(f"{name}={_HIDDEN}")
        else:
            shown.append(_QUERY.sub(rf"\1{_HIDDEN}", _USER.sub(_HIDDEN, word)))
    return shown


def commit_of(file: Path, files: Sequence[Path] = ()) -> dict[str, Any] | None:
    """The commit that a file belongs to, and whether files of its repository have changed since."""
    if _git(file, "check-ignore", "-q", str(file)) is not None or (commit := _git(file, "rev-parse", "HEAD")) is None:
        return None
    known = _git(file, "ls-files", "--error-unmatch", "--", *map(str, (file, *files))) is not None
    changed = _git(file, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": not known or changed is None or bool(changed)}


def _git(file: Path, *words: str) -> str | None:
    """What git prints; None if it fails, is late or is not installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(file.parent), *words],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={
                **{name: value for name, value in os.environ.items() if name not in _GIT_VARIABLES},
                "GIT_OPTIONAL_LOCKS": "0",
            },
        )
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _file_of(job: TuneJob) -> Path | None:
    """The file of the job's first function; None in a notebook, and for a study's copy, which is in no commit."""
    for function in job.functions.values():
        if file := home_of(function).get("__file__"):
            return None if from_study(function) else Path(file).resolve()
    return None
