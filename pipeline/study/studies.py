"""Which studies a storage holds, and what is said where one is looked for in vain."""

import difflib

from pipeline.errors import JobNotFound
from pipeline.storage import Store
from pipeline.study import layout

__all__ = ["no_study", "study_names"]

_SHOWN = 12
"""More names than these do not help: `tunepipe studies` lists them all."""


def study_names(store: Store) -> list[str]:
    """Names of the studies in a storage, sorted."""
    # Each by its own folder, which may be a link to another disk.
    return [name for name in store.folders() if store.folder(name).exists(layout.STUDY)]


def no_study(store: Store) -> JobNotFound:
    """What to raise where there is no study.

    Args:
        store: The folder that is not a study's.

    Returns:
        The error: names the studies there are, the one that may be meant, and the command that lists them.
    """
    inside = study_names(store)
    if inside:
        return JobNotFound(
            f"{store.uri} is not a study but holds some: {_some(inside)}. Name one of them; "
            f"`tunepipe studies --storage {store.uri}` says more."
        )
    head, mark, query = store.uri.partition("?")
    parent, _, name = head.rpartition("/")
    beside = study_names(Store(parent + mark + query)) if parent and not parent.endswith(":/") else []
    wrong = f"There is no study {name!r} in {parent or '/'}"
    if not beside:
        return JobNotFound(
            f"{wrong}, nor any other. `tunepipe run JOB` makes one; `tunepipe studies --storage URI` lists those of "
            "another place."
        )
    near = difflib.get_close_matches(name, beside, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    there = f"There is {beside[0]}" if len(beside) == 1 else f"There are {_some(beside)}"
    return JobNotFound(f"{wrong}.{meant} {there}; `tunepipe studies --storage {parent + mark + query}` says more.")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
