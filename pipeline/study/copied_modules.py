"""The modules of a job's code that a study has copied, or could copy since it runs, as they are on this machine."""

import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from pipeline.study.module_origin import OWN_PACKAGES, loaded_from
from pipeline.study.recorded_copies import RecordedCopies
from pipeline.study.sources import SourceFile


def imported_since(before: Collection[str], recorded: RecordedCopies) -> dict[str, tuple[str, str]]:
    """Sources that this process has imported from the folders of a job's code, and that its study has no copy of."""
    sources = {}
    for folder in map(Path, recorded.folders):
        for name in list(sys.modules):
            if name in before or name in recorded.modules or name.partition(".")[0] in OWN_PACKAGES:
                continue
            if (file := loaded_from(name, folder)) is None:
                continue
            with suppress(OSError, UnicodeDecodeError):
                sources[name] = (file.relative_to(folder).as_posix(), file.read_text("utf-8"))
    return sources


def originals_of(recorded: RecordedCopies, folders: Collection[Path]) -> list[SourceFile]:
    """The present files of the modules that a study has copied; those that no longer exist are left out.

    Unlike `sources_of`, this has the modules that were copied because they were imported while the study ran.
    """
    originals = []
    for module, (path, _) in recorded.modules.items():
        file = next((file for folder in folders if (file := folder / path).is_file()), None)
        if file is not None:
            with suppress(OSError):
                originals.append(SourceFile(module, path, file.read_bytes(), file))
    return originals
