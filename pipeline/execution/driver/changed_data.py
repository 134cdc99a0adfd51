"""Data files next to a job that differ from their copies in its study, as where the job itself changes them."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.storage import Store
from pipeline.study.files import recorded_sources
from pipeline.study.recorded_copies import RecordedCopies, digest_of
from pipeline.wording import listed


@contextmanager
def noting_changed_data(store: Store, note: Callable[[str], None]) -> Iterator[None]:
    """Print which copied data files of the user differ when the context opens, and which others when it closes."""
    recorded = recorded_sources(store)
    before = _changed(recorded)
    _say(before, note)
    try:
        yield
    finally:
        _say([file for file in _changed(recorded) if file not in before], note)


def _changed(recorded: RecordedCopies) -> list[Path]:
    changed = []
    for path, digest in recorded.files.items():
        with suppress(OSError):
            files = [file for folder in recorded.folders if (file := Path(folder, path)).is_file()]
            if files and all(digest_of(file.read_bytes()) != digest for file in files):
                changed.append(files[0])
    return changed


def _say(changed: Collection[Path], note: Callable[[str], None]) -> None:
    if changed:
        names, one = listed(map(str, changed)), len(changed) == 1
        note(
            f"{names} {'differs' if one else 'differ'} from the {'copy' if one else 'copies'} with which the study "
            "began. A worker or a resume that starts now reads and writes the study's copy instead: __file__ is a path "
            "in its folder source/. If the job itself writes the file, write it into pipeline.trial().folder, or give "
            "it an absolute path."
        )
