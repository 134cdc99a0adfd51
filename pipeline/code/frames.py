"""Which files and frames of a traceback are the user's code, and not that of tunepipe, Python or a library."""

import functools
import re
import traceback
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import NamedTuple

INSTALLED = ("site-packages", "dist-packages")
"""Folders of installed packages, on any machine."""

OWN_PACKAGES = ("pipeline", "tune_jobs")
"""Packages of tunepipe itself, which are not the user's: a study records its version."""

_FRAME = re.compile(
    r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+?)\s*\*?$(?:\n {4,}(?P<code>\S.*))?',
    re.MULTILINE,
)
_PACKAGE = Path(__file__).parents[1]
_PYTHON = re.compile(r"/lib(64)?/python\d[\d.]*/|^<")


class Frame(NamedTuple):
    """A frame of a traceback."""

    file: str
    line: int
    function: str
    code: str

    @property
    def place(self) -> str:
        """The frame as `file.py:12 in function`."""
        return f"{PurePosixPath(self.file).name}:{self.line} in {self.function}"


@functools.cache
def is_user_file(file: str) -> bool:
    """Whether a file is the user's, by its path alone: the study may come from another machine."""
    installed = any(part in INSTALLED for part in PurePosixPath(file).parts)
    return not installed and not _PYTHON.search(file) and not is_tunepipe_file(file)


def is_tunepipe_file(file: str) -> bool:
    """Whether a file is one of tunepipe, by its path alone."""
    _, within, rest = file.rpartition(f"/{_PACKAGE.name}/")
    return bool(within) and (_PACKAGE / rest).is_file()


def user_frame(text: str, own: Collection[str] = ()) -> Frame | None:
    """The innermost frame of the user's code in a traceback; `own` are further files, by the ends of their paths."""
    for frame in reversed(list(_FRAME.finditer(text))):
        file = frame["file"]
        if is_user_file(file) or any(f"/{file}".endswith(f"/{end}") for end in own):
            return Frame(file, int(frame["line"]), frame["function"], (frame["code"] or "").strip())
    return None


def error_text(error: BaseException) -> str:
    """The traceback of an error, as Python prints it, from the first frame of the user's code on."""
    trace = error.__traceback__
    while trace is not None and not is_user_file(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))
