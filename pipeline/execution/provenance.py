"""The origin of a session's numbers: versions, the code's commit, the command line, the machine, the seed."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.code.functions import origin
from pipeline.code.snapshot import Snapshot
from pipeline.machine import this_machine
from pipeline.study import TuneJob

_PACKAGES = (
    "tunepipe", "ray", "tensorflow", "tensorflow-cpu", "keras", "numpy", "pyarrow", "pandas", "scikit-learn", "optuna",
)  # fmt: skip
"""The packages whose versions a study records. The image for CPUs has TensorFlow without CUDA's kernels."""

_GIT_SECONDS = 5.0

_KEY = r"(?:api|access|account|secret)[-_]?key"
_SECRET = rf"(?:token|secret|passw(?:or)?d|credentials?|signature|{_KEY}|(?<![a-z])(?:pwd|sig|sas))"
_NAME, _VALUE = re.compile(rf"{_SECRET}$", re.IGNORECASE), re.compile(rf"({_SECRET}=)[^&\s]*", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def provenance(job: TuneJob, snapshot: Snapshot) -> dict[str, Any]:
    """The origin of a session's numbers as JSON values."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    # In a notebook a function has no file.
    homes = [origin(function).home.get("__file__") for function in job.functions.values()]
    home = next((Path(file).resolve() for file in homes if file), None)
    files = [root / path for root in snapshot.roots for path in snapshot.files if path.endswith(".py")]
    return {
        "versions": installed(),
        "command": command_line([program, *sys.argv[1:]] if program == "tunepipe" else sys.orig_argv),
        "machine": this_machine().record(),
        "seed": job.seed,
        "git": None if home is None else commit_of(home, [file for file in files if file.is_file()]),
    }


@cache
def installed() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def command_line(words: Sequence[str]) -> list[str]:
    """A command line without its secrets."""
    return [
        "***" if before.startswith("-") and _NAME.search(before) else _VALUE.sub(r"\1***", _USER.sub("***", word))
        for before, word in zip(["", *words], words, strict=False)
    ]


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
