"""Advice for an error about data next to a job's file that a study's copy of the file does not find."""

import os
import sys

from pipeline.study.copies import Copies


def uncopied_data(error: BaseException) -> str | None:
    """What to do about data that the code looks for next to its copy."""
    text = str(error)
    for finder in sys.meta_path:
        if isinstance(finder, Copies) and f"{finder.folder}{os.sep}" in text:
            return (
                f"{finder.folder} has the study's copies of the code, without folders of data and larger files. Copies "
                "read these next to the job's own file, which does not exist on this machine, or whose copied data "
                "files have changed. Give an absolute path that each machine can read."
            )
    return None
