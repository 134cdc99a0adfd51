"""Which frames of a traceback are the user's code, and not that of tunepipe, Python or a library."""

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.wording import counted

INSTALLED = ("site-packages", "dist-packages")
"""Folders of installed packages, on any machine."""

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
    """The innermost frame of the user's code; None if there is none."""
    for frame in reversed(list(_FRAME.finditer(text))):
        file = frame["file"]
        if _ends_with_one_of(file, own) or is_user_file(file):
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


def _ends_with_one_of(file: str, ends: Collection[str]) -> bool:
    return any(file == end or file.endswith(f"/{end}") for end in ends)
