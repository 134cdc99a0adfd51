"""Studies that are read again and again while they run."""

from dataclasses import replace
from datetime import UTC, datetime

from pipeline.results.tables.load import Results, load_results
from pipeline.results.tables.stamp import stamp
from pipeline.storage import Store
from pipeline.storage.sessions import read_sessions, state_of


class Rereader:
    """Reads the tables of a study again only if its files have changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Results]] = {}

    def results(self, uri: str) -> Results:
        """The results of a study as they are."""
        # Before the tables: what is written meanwhile is read next time.
        mark = stamp(Store(uri))
        known, results = self._known.get(uri, ("", None))
        if results is None or known != mark:
            results = load_results(uri)
        else:
            # A heartbeat changes no file's size, and a driver may have died without a trace in the files.
            sessions = read_sessions(Store(uri))
            if (state := state_of(sessions, datetime.now(UTC))) != results.state:
                results = replace(results, sessions=sessions, state=state)
        self._known[uri] = mark, results
        return results
