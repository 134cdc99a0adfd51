"""The labels of several studies in one table."""

from collections.abc import Sequence

from pipeline.results.tables.load import Results
from pipeline.text import sanitize


def labels(named: Sequence[tuple[str, Results]]) -> dict[str, Results]:
    """The studies by a unique label: the name, or the caller's name for the study where two have the same name."""
    apart = {sanitize(given.rstrip("/")): results for given, results in named}
    names = [results.name for results in apart.values()]
    called = {given: study.name if names.count(study.name) == 1 else given for given, study in apart.items()}
    if len(set(called.values())) < len(called):
        # The caller names a study as another one is called.
        called = {given: given for given in apart}
    return {called[given]: results for given, results in apart.items()}
