"""Tracebacks of a job's code, with the user's own files in place of a study's copies of them."""

import sys
import traceback

from pipeline.study.copies import Copies
from pipeline.study.user_frames import is_user_file

__all__ = ["error_text", "user_frames_text", "with_own_files"]


def error_text(error: BaseException) -> str:
    """The traceback of an error, as Python prints it, from the first frame of the user's code on.

    Args:
        error: The error. One without a frame of the user's code keeps all frames.
    """
    trace = error.__traceback__
    while trace is not None and not is_user_file(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return with_own_files("".join(traceback.format_exception(type(error), error, trace or error.__traceback__)))


def user_frames_text(error: BaseException) -> str:
    """The frames of the user's code at which an error began, as Python prints them, with the user's own files.

    Args:
        error: An error that tunepipe raises, whose message the reader gets anyway.

    Returns:
        The frames, the outermost first, without a line break at the end; empty if none is the user's.
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_user_file(frame.filename)]
    return with_own_files("".join(traceback.format_list(frames))).rstrip("\n")


def with_own_files(text: str) -> str:
    """A text that names files in quotes, as a traceback does, with the user's own files.

    A copy keeps its name if the user's file has changed since, or is not on this machine: its lines are not those of
    the copy.

    Args:
        text: The text.
    """
    for finder in sys.meta_path:
        if isinstance(finder, Copies):
            for copy, original in finder.unchanged_originals().items():
                text = text.replace(f'"{copy}"', f'"{original}"')
    return text
