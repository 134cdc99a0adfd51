"""Shell completion: jobs, studies and their paths; never an error."""

from pathlib import Path

import typer

from pipeline.errors import TunepipeError
from pipeline.study.studies import default_storage, study_names


def job_names(incomplete: str) -> list[str]:
    """The jobs whose names start with the typed text, and Python files."""
    import tune_jobs

    try:
        known = [name for name in tune_jobs.names() if name.startswith(incomplete)]
    except TunepipeError:
        known = []
    return known + _paths(incomplete, "*.py")


def studies_and_paths(ctx: typer.Context, incomplete: str) -> list[str]:
    """The studies in the storage whose names start with the typed text, and folders."""
    from pipeline.storage import Store

    try:
        known = study_names(Store(ctx.params.get("storage") or default_storage()))
    except (TunepipeError, OSError):
        known = []
    taken = ctx.params.get("studies") or ()
    return [name for name in known if name.startswith(incomplete) and name not in taken] + _paths(incomplete, None)


def scheduler_names(incomplete: str) -> list[str]:
    """The schedulers whose names start with the typed text."""
    from pipeline.schedulers import SCHEDULERS

    return [name for name in SCHEDULERS if name.startswith(incomplete)]


def searcher_names(incomplete: str) -> list[str]:
    """The searchers whose names start with the typed text."""
    from pipeline.searchers import SEARCHERS

    return [name for name in SEARCHERS if name.startswith(incomplete)]


def format_names(incomplete: str) -> list[str]:
    """The formats of tables whose names start with the typed text."""
    from pipeline.results.views.table_formats import FORMATS

    return [name for name in ("table", *FORMATS) if name.startswith(incomplete)]


def _paths(incomplete: str, files: str | None) -> list[str]:
    """Folders with a trailing slash, and matching files, once the text has a slash or starts with a dot."""
    head, slash, begun = incomplete.rpartition("/")
    if files is None and not slash and not incomplete.startswith("."):
        return []
    try:
        inside = sorted(Path(head + slash or ".").expanduser().iterdir())
        return [
            f"{head}{slash}{path.name}{'/' if path.is_dir() else ''}"
            for path in inside
            if path.name.startswith(begun)
            and (begun or not path.name.startswith("."))
            and (path.is_dir() or (files is not None and path.match(files)))
        ]
    except (OSError, ValueError, RuntimeError):
        return []
