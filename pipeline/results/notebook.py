"""Results as a notebook shows them: a leaderboard, and pictures that follow a study."""

import asyncio
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from pipeline.errors import JobNotFound, UsageError, UserError
from pipeline.results.tables import load
from pipeline.results.tables.load import Results, stamp
from pipeline.results.views.study import MAX_PARAMETERS, leaderboard, summary, summary_line
from pipeline.storage import Store
from pipeline.storage.sessions import read_sessions, state_of
from pipeline.study import layout

if TYPE_CHECKING:
    from pipeline.results.report.picture import Section


_ROWS = 10
_POLL_SECONDS = 2.0
_SHARE = 0.1
"""At most this share of a kernel's time is spent on pictures."""

_FOLLOWED: dict[str, "asyncio.Task[None]"] = {}
"""The display of each study that follows it, by the study's folder."""

_KEYS = count(1)


class NotebookResults(Results):
    """A study's results, which a notebook shows as their leaderboard."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        board = leaderboard({self.name: self}, top=_ROWS, most=MAX_PARAMETERS)
        more = self.table("trials").num_rows - len(board.rows)
        rest = f"<p>… and {more} more in <code>.trials</code>.</p>" if more > 0 else ""
        return f"<p>{escape(summary_line(self))}</p>{board.as_html() if board.rows else ''}{rest}"


def load_results(path_or_uri: str | Path, *, now: datetime | None = None) -> NotebookResults:
    """Read a study, even while it runs.

    Args:
        path_or_uri: The study's folder: a local path or a URI.
        now: The time at which to judge whether a driver is silent; the current time unless given.

    Returns:
        The study's tables as pandas DataFrames, its state and its best trial.

    Raises:
        JobNotFound: There is no study there; names the studies there are.
        StorageError: The storage cannot be read, or the study was written by a newer tunepipe.
    """
    results = load.load_results(path_or_uri, now=now)
    return NotebookResults(**{each.name: getattr(results, each.name) for each in fields(results)})


def show(path_or_uri: str | Path) -> None:
    """Display a study's pictures below the cell of a notebook, and draw them again whenever new rows are written.

    They are drawn while no cell runs, and no longer once the study is finished. Where a study is shown again, only the
    newest display follows it.

    Args:
        path_or_uri: The study's folder: a local path or a URI.

    Raises:
        UsageError: This process is not the kernel of a notebook.
        JobNotFound: There is no study there; names the studies there are.
        StorageError: The storage cannot be read, or the study was written by a newer tunepipe.
    """
    loop = _kernel_loop()
    if loop is None:
        raise UsageError(
            "show() displays pictures in a Jupyter notebook, but this process is not the kernel of one. `tunepipe "
            "serve` "
            "shows studies in a browser, and `tunepipe report` writes a study's pictures into a file."
        )
    from IPython.display import HTML, display

    results, key = load.load_results(path_or_uri), f"show-{next(_KEYS)}"
    store = Store(results.location)
    mark = _mark(store)
    from pipeline.results.report.sections import live_sections

    handle = display(HTML(_page(results, list(live_sections(results)), key)), display_id=True)
    if (before := _FOLLOWED.pop(store.uri, None)) is not None:
        before.cancel()
    if not mark.endswith("finished"):
        _FOLLOWED[store.uri] = loop.create_task(_follow(store, mark, lambda text: handle.update(HTML(text)), key))


def _kernel_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop in which a notebook's kernel runs cells; None in any other process."""
    ipython = sys.modules.get("IPython")
    if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _follow(store: Store, mark: str, update: Callable[[str], None], key: str) -> None:
    """Draw a study again whenever it has changed, until it is finished or deleted."""
    from pipeline.results.report.sections import live_sections

    pause = _POLL_SECONDS
    while not mark.endswith("finished"):
        await asyncio.sleep(pause)
        began = asyncio.get_running_loop().time()
        try:
            # Reading leaves the kernel free. Drawing does not, because matplotlib's settings belong to the process;
            # between two pictures the kernel takes its turn.
            now = await asyncio.to_thread(_mark, store)
            if now == mark:
                continue
            results, sections = await asyncio.to_thread(load.load_results, store.uri), []
            for section in live_sections(results):
                for picture in section.pictures:
                    # It keeps what it has drawn.
                    _ = picture.wide if section.columns == 1 else picture.narrow
                    await asyncio.sleep(0)
                sections.append(section)
            update(_page(results, sections, key))
            mark = now
        except JobNotFound:
            return
        except UserError:
            # A storage that cannot be reached now may be reached later.
            continue
        finally:
            pause = max(_POLL_SECONDS, (asyncio.get_running_loop().time() - began) / _SHARE)


def _mark(store: Store) -> str:
    """A text that changes with the study's files or its state, at its end."""
    if not store.exists(layout.STUDY):
        raise JobNotFound(f"The study in {store.uri} no longer exists.")
    return f"{stamp(store)} {state_of(read_sessions(store, only_last=True), datetime.now(UTC))}"


def _page(results: Results, sections: "Sequence[Section]", key: str) -> str:
    from pipeline.results.report.page import template

    return template("notebook.html.jinja").render(
        key=key,
        summary_line=summary_line(results),
        summary=summary(results),
        sections=sections,
        svg=lambda text: Markup(_own_ids(text, key)),
    )


def _own_ids(svg: str, key: str) -> str:
    """A picture whose parts refer to each other by names that no other output of the notebook has."""
    return re.sub(r"<[^>]+>", lambda tag: re.sub(r'( id="| href="#|url\(#)', rf"\1{key}-", tag[0]), svg)
