"""The files that a trial's callbacks and functions have written, and those that were deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from pipeline.errors import StorageError
from pipeline.space import STRICT_CONFIG
from pipeline.storage import Store
from pipeline.study import layout


@dataclass(frozen=True, slots=True)
class TrialFile:
    """A file in a trial's working folder."""

    __pydantic_config__ = STRICT_CONFIG

    path: str
    bytes: Annotated[int, Field(strict=True, ge=0)]


@dataclass(frozen=True, slots=True)
class TrialFiles:
    """A trial's files."""

    folder: str
    kept: Sequence[TrialFile] = field(default_factory=list)
    dropped: Sequence[TrialFile] = field(default_factory=list)

    def as_object(self) -> Mapping[str, Any]:
        """The files as JSON values."""
        return {
            name: [{"path": each.path, "bytes": each.bytes} for each in files]
            for name, files in (("files", self.kept), ("files_dropped", self.dropped))
        }


_DROPPED = TypeAdapter(list[TrialFile])


def files_of(store: Store, trial_id: str) -> TrialFiles:
    """The files of a trial."""
    folder = layout.files(trial_id)
    kept = [
        TrialFile(owner[1], size)
        for path, size in store.sizes(folder)
        if (owner := layout.file_of(path)) is not None and owner[0] == trial_id
    ]
    record = layout.dropped_files_list(trial_id)
    try:
        dropped = _DROPPED.validate_python(store.read_json(record))
    except FileNotFoundError:
        dropped = []
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise StorageError(
            f"{record} in {store.uri} is not a list of files: {first['msg']}. Delete it, or restore it from a copy."
        ) from None
    return TrialFiles(folder, kept, dropped)
