"""Which files and frames of a traceback are the user's code, and not that of tunepipe, Python or a library."""

import functools
import re
import traceback
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.text import counted

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


@dataclass(frozen=True, slots=True)
class Frame:
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
    if any(part in INSTALLED for part in PurePosixPath(file).parts) or _PYTHON.search(file):
        return False
    return not is_tunepipe_file(file)


def is_tunepipe_file(file: str) -> bool:
    """Whether a file is one of tunepipe, by its path alone."""
    _, within, rest = file.rpartition(f"/{_PACKAGE.name}/")
    return bool(within) and (_PACKAGE / rest).is_file()


def user_frame(text: str, own: Collection[str] = ()) -> Frame | None:
    """The innermost frame of the user's code in a traceback; `own` are further files, by the ends of their paths."""
    for frame in reversed(list(_FRAME.finditer(text))):
        file = frame["file"]
        if any(file == end or file.endswith(f"/{end}") for end in own) or is_user_file(file):
            return Frame(file, int(frame["line"]), frame["function"], (frame["code"] or "").strip())
    return None


def without_libraries(text: str) -> str:
    """A text whose tracebacks have the frames of the user's code, and of those in libraries the last of each run."""
    kept: list[str] = []
    libraries: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        frame = _FRAME.match(line)
        if frame is None and libraries and line.startswith("    "):
            libraries[-1].append(line)
        elif frame is not None and not is_user_file(frame["file"]):
            libraries.append([line])
        else:
            if len(libraries) > 1:
                kept.append(f"  … {counted(len(libraries) - 1, 'frame')} in libraries …")
            kept += [part for last in libraries[-1:] for part in last]
            libraries = []
            kept.append(line)
    return "\n".join(kept[:-1])


def error_text(error: BaseException) -> str:
    """The traceback of an error, as Python prints it, from the first frame of the user's code on."""
    trace = error.__traceback__
    while trace is not None and not is_user_file(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))


def user_frames_text(error: BaseException) -> str:
    """The frames of the user's code at which an error began, as Python prints them."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_user_file(frame.filename)]
    return "".join(traceback.format_list(frames)).rstrip("\n")
