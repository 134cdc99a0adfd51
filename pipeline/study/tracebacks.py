"""Tracebacks of a job's code, with the user's own files in place of a study's copies of them."""

import sys
import traceback

from pipeline.study.copies import Copies

__all__ = ["error_text", "with_own_files"]


def error_text(error: BaseException) -> str:
    """The traceback of an error, as Python prints it, with the user's own files.

    Args:
        error: The error.
    """
    return with_own_files("".join(traceback.format_exception(error)))


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
