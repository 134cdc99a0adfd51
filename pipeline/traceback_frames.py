"""The frames of a traceback that are a user's own code."""

import os
import sysconfig
from pathlib import Path
from types import TracebackType

_PACKAGE = f"{Path(__file__).parent}{os.sep}"


def without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without tunepipe's frames, nor those of libraries between and behind the user's."""
    frames: list[TracebackType] = []
    outermost, libraries = True, _libraries()
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        library = file.startswith(libraries)
        own = file.startswith(_PACKAGE)
        outermost = outermost and library and not own
        if outermost or not (library or own):
            frames.append(trace)
        trace = trace.tb_next
    copy: TracebackType | None = None
    for frame in reversed(frames):
        copy = TracebackType(copy, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return copy


def _libraries() -> tuple[str, ...]:
    """How the files of libraries and of Python begin. Python reads a file to find them: no import needs that."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    # A dataclass writes code named <string>; a cell has another name.
    return (*(f"{folder}{os.sep}" for folder in folders), "<frozen ", "<string>")
