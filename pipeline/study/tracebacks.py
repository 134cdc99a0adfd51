"""Tracebacks of a job's code, with the user's own files in place of a study's copies of them."""

import sys
import traceback

from pipeline.study.copies import Copies
from pipeline.study.user_frames import is_user_file


def error_text(error: BaseException) -> str:
    """The traceback of an error, as Python prints it, from the first frame of the user's code on."""
    trace = error.__traceback__
    while trace is not None and not is_user_file(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return with_own_files("".join(traceback.format_exception(type(error), error, trace or error.__traceback__)))


def user_frames_text(error: BaseException) -> str:
    """The frames of the user's code at which an error began, as Python prints them, with the user's own files."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_user_file(frame.filename)]
    return with_own_files("".join(traceback.format_list(frames))).rstrip("\n")


def with_own_files(text: str) -> str:
    """A text that names files in quotes, as a traceback does, with the user's own files.

    A copy keeps its name if the user's file has changed since, or is not on this machine: its lines are not those of
    the copy.
    """
    for finder in sys.meta_path:
        if isinstance(finder, Copies):
            for copy, original in finder.unchanged_originals().items():
                text = text.replace(f'"{copy}"', f'"{original}"')
    return text
