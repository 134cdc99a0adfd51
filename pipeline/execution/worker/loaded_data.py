"""The data that a worker loads for configs: compared with those that the study has recorded, or kept to be reported."""

from collections.abc import Mapping
from typing import Any

from pipeline.datasets import ConfigReads, Dataset, fingerprint, recorded_for
from pipeline.execution.data import refuse_other_data
from pipeline.storage import Store
from pipeline.study.files import read_document, recorded_data


class LoadedData:
    """What the data function of a config has returned in this process."""

    def __init__(self, name: str, store: Store) -> None:
        self._name, self._store = name, store
        self._new: list[Mapping[str, Any]] = []

    def check(self, reads: ConfigReads, data: Dataset) -> None:
        """Compare the data for some configs with those that the study has recorded for them, or keep them to report.

        Args:
            reads: The hyperparameters that the data function has read.
            data: What it returned.

        Raises:
            DataError: They are other data.
        """
        current = fingerprint(data)
        before = recorded_for(recorded_data(read_document(self._store)), reads.values)
        refuse_other_data(self._name, before, current, "start another study with --name")
        if before is None:
            self._new.append({"config": dict(reads.values), "absent": list(reads.absent), "arrays": current})

    def new(self) -> tuple[Mapping[str, Any], ...]:
        """The data that the study has not recorded, since the last call: `config`, `absent` and `arrays` of each."""
        new, self._new = tuple(self._new), []
        return new
