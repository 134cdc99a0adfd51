"""Sections of a large study's report that a second process draws: those that need analyses of seconds."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.results import second_process
from pipeline.storage import Store

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.results.report.sections import AnalysedSections

__all__ = ["analysing", "main"]


@contextmanager
def analysing(store: Store) -> "Iterator[Callable[[Results], AnalysedSections]]":
    """A context in which the sections that need analyses are drawn, by a second process where that pays.

    It reads the study itself. Where it has read more than this process did, as of a study that runs, or has failed,
    the sections are drawn here.

    Args:
        store: The study's folder.

    Yields:
        What draws the sections, as `analysed_sections` does.

    Raises:
        StorageError: The storage cannot be listed.
    """
    if not second_process.pays(store):
        yield _drawn_here
        return
    with second_process.started(__name__) as process:
        second_process.ask(process, store.uri)

        def drawn_there(results: "Results") -> "AnalysedSections":
            answer = second_process.answer(process)
            if answer is None or (found := json.loads(answer))["read"] != _read(results):
                return _drawn_here(results)
            return _from_json(found["sections"])

        try:
            yield drawn_there
        finally:
            process.kill()


def main(uri: str) -> None:
    """The other side of `analysing`: print the sections of a study, and what was read of it, as JSON.

    Args:
        uri: The study's folder.
    """
    from pipeline.results.tables.load import load_results

    results = load_results(uri)
    json.dump({"read": _read(results), "sections": asdict(_drawn_here(results))}, sys.stdout)


def _drawn_here(results: "Results") -> "AnalysedSections":
    # The process starts before this one loads the libraries that draw.
    from pipeline.results.report.sections import analysed_sections

    return analysed_sections(results)


def _read(results: "Results") -> list[int]:
    """How many rows of each table were read: they only become more."""
    return [len(results.trials), len(results.epochs), len(results.decisions)]


def _from_json(parts: dict[str, list[dict[str, Any]]]) -> "AnalysedSections":
    from pipeline.results.report.picture import Picture, Section
    from pipeline.results.report.sections import AnalysedSections

    def section(fields: dict[str, Any]) -> Section:
        return Section(**{**fields, "pictures": [Picture(**one) for one in fields["pictures"]]})

    return AnalysedSections(**{name: [section(fields) for fields in drawn] for name, drawn in parts.items()})
