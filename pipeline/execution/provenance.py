"""The origin of a session's numbers: versions, the code's commit, the command line, the machine, the seed."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.code.functions import origin
from pipeline.machine import this_machine
from pipeline.study import TuneJob

_PACKAGES = (
    "tunepipe", "ray", "tensorflow", "tensorflow-cpu", "keras", "numpy", "pyarrow", "pandas", "scikit-learn", "optuna",
)  # fmt: skip
"""The packages whose versions a study records. The image for CPUs has TensorFlow without CUDA's kernels."""

_GIT_SECONDS = 5.0

_HIDDEN = "***"
_SECRET = (
    r"(?<![a-z])(?:token|secret|password|passwd|pwd|credentials?|signature|sig|sas|(?:api|access|account)[-_]?key)"
)
_NAME = re.compile(rf"{_SECRET}$", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_QUERY = re.compile(rf"([?&][^=&]*{_SECRET}(?![a-z])[^=&]*=)[^&\s]*", re.IGNORECASE)


def provenance(job: TuneJob, files: Sequence[Path] = ()) -> dict[str, Any]:
    """The origin of a session's numbers as JSON values; `files` are those of the job's code."""
    program, file = Path(sys.argv[0]).name if sys.argv else "", _file_of(job)
    return {
        "versions": installed(),
        "command": command_line([program, *sys.argv[1:]] if program == "tunepipe" else sys.orig_argv),
        "machine": this_machine().record(),
        "seed": job.seed,
        "git": None if file is None else commit_of(file, files),
    }


def _file_of(job: TuneJob) -> Path | None:
    """The file of the job's first function; None in a notebook."""
    for function in job.functions.values():
        if file := origin(function).home.get("__file__"):
            return Path(file).resolve()
    return None


def installed() -> dict[str, str]:
    """The versions of Python and of packages."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def node_facts() -> dict[str, Any]:
    """What a study records of the node that a worker runs on: the machine, and the versions there."""
    return {**this_machine().record(), "versions": installed()}


def command_line(words: Sequence[str]) -> list[str]:
    """A command line without its secrets."""
    shown: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        name, equals, _ = word.partition("=")
        if before.startswith("-") and "=" not in before and _NAME.search(before):
            shown.append(_HIDDEN)
        elif equals and "?" not in name and _NAME.search(name):
            shown.append(f"{name}={_HIDDEN}")
        else:
            shown.append(_QUERY.sub(rf"\1{_HIDDEN}", _USER.sub(_HIDDEN, word)))
    return shown


def commit_of(file: Path, files: Sequence[Path] = ()) -> dict[str, Any] | None:
    """The commit that a file belongs to, and whether files of its repository have changed since."""
    if (commit := _git(file, "rev-parse", "HEAD")) is None:
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
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
