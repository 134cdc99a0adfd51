"""The frames of a traceback that are a user's own code."""

import sysconfig
from pathlib import Path
from types import TracebackType

__all__ = ["without_own_frames"]

_PACKAGE = str(Path(__file__).parent)
_LIBRARIES = (
    *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")},
    "<frozen ",
    # What a dataclass writes; a cell has another name.
    "<string>",
)


def without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without tunepipe's frames, nor those of libraries between and behind the user's.

    Args:
        trace: The traceback of an error, the outermost frame first.

    Returns:
        A copy with the frames of the user's code, and of the libraries that call it first, such as a notebook's.
    """
    frames: list[TracebackType] = []
    outermost = True
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        library = file.startswith(_LIBRARIES)
        own = file.startswith(_PACKAGE)
        outermost = outermost and library and not own
        if outermost or not (library or own):
            frames.append(trace)
        trace = trace.tb_next
    copy: TracebackType | None = None
    for frame in reversed(frames):
        copy = TracebackType(copy, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return copy
