"""Modules that a trial's code has imported and that the study has no copy of."""

import contextlib
import sys
from collections.abc import Mapping

from pipeline.storage import Store
from pipeline.study import TuneJob
from pipeline.study.copied_modules import imported_since
from pipeline.study.files import recorded_sources
from pipeline.study.recorded_copies import RecordedCopies


class ImportedSources:
    """Looks for new modules once a trial."""

    def __init__(self, job: TuneJob, store: Store) -> None:
        self._job, self._store = job, store
        self._imports = frozenset(sys.modules)
        self._recorded: RecordedCopies | None = None
        self._trial_id: str | None = None

    def of(self, trial_id: str) -> Mapping[str, tuple[str, str]]:
        """The modules that a trial has imported."""
        if self._trial_id == trial_id or not self._job.resumable:
            return {}
        self._trial_id = trial_id
        if self._recorded is None:
            with contextlib.suppress(FileNotFoundError):
                self._recorded = recorded_sources(self._store)
        if self._recorded is None:
            return {}
        sources = imported_since(self._imports, self._recorded)
        self._recorded.modules |= {module: (path, "") for module, (path, _) in sources.items()}
        return sources
