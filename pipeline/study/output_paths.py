"""Where a user's output may go: never among the files of a study, which only tunepipe writes."""

import os
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.study import layout

_OPEN_FILES = ("/dev/", "/proc/")
"""Links below these folders are names of open files and devices, such as /dev/stdout."""


def check_output_file(path: Path) -> None:
    """Make sure that a file which a user names may be written."""
    if path.is_symlink() and not os.path.abspath(path).startswith(_OPEN_FILES):  # noqa: PTH100 (links stay)
        raise StorageError(
            f"{path} is a link to {path.readlink()}, and no link is written through. Nothing was written. Name the "
            "link's target, or another file."
        )
    _refuse_within_study(path, "file")


def check_output_folder(path: Path, *, winner_of: Path | None = None) -> None:
    """Make sure that a folder which a user names may be written to."""
    if winner_of is not None and os.path.realpath(path) == os.path.realpath(winner_of / layout.EXPORT):
        return
    _refuse_within_study(path, "folder")


def _refuse_within_study(path: Path, what: str) -> None:
    # By its name and by where links lead: neither may be within a study.
    for place in (Path(os.path.abspath(path)), Path(os.path.realpath(path))):  # noqa: PTH100 (links stay)
        for study in (place, *place.parents):
            if os.path.lexists(study / layout.STUDY) and not _is_free(study, place.relative_to(study).as_posix()):
                raise StorageError(
                    f"{path} is within the study {study}, whose files only tunepipe writes. Nothing was written. Name "
                    f"a {what} outside of it; in a study, only report.html and new files in export/ may be written."
                )


def _is_free(study: Path, path: str) -> bool:
    """Whether a path within a study is free for a user's output."""
    if path == layout.REPORT:
        return True
    if path.startswith(f"{layout.EXPORT}/"):
        return not layout.names(path)
    # The working folder of a trial is free for the trial's own code, whose current folder it is.
    trial = "/".join(path.split("/")[:2])
    return (
        path.startswith("files/")
        and layout.names_folder(trial)
        and Path.cwd().is_relative_to(os.path.realpath(study / trial))
    )
