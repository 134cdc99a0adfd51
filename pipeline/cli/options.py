"""What several commands share: options, and how a word on the command line becomes a value."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import Fault, InvalidJob

if TYPE_CHECKING:
    from pipeline.study import TuneJob

__all__ = [
    "STORAGE",
    "AcceptChanges",
    "Address",
    "Epochs",
    "Fields",
    "JobName",
    "Json",
    "Resume",
    "Scheduler",
    "Search",
    "Seconds",
    "Seed",
    "Storage",
    "StudyName",
    "TotalEpochs",
    "Trials",
    "Workers",
    "assignments",
    "changes_of",
    "job_of",
    "limits",
    "note",
]

STORAGE = "studies"
"""Where studies lie unless told otherwise."""

Storage = Annotated[str, typer.Option(help="Where studies lie: a folder, or a URI (s3://…, gs://…, abfs://…).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object; everything else goes to stderr.")]
JobName = Annotated[
    str,
    typer.Argument(
        metavar="JOB", help="A name from `tunepipe list`, or a Python file that exports JOB.", show_default=False
    ),
]
Trials = Annotated[int | None, typer.Option(help="How many configs are tried.", show_default=False)]
Epochs = Annotated[int | None, typer.Option(help="A trial's maximum, in epochs.", show_default=False)]
TotalEpochs = Annotated[
    int | None, typer.Option(help="The study's maximum over all trials, in epochs.", show_default=False)
]
Seconds = Annotated[float | None, typer.Option(help="The study's maximum, in seconds.", show_default=False)]
Workers = Annotated[
    int | None, typer.Option(help="Trials at once; 0 trains in this process, for a debugger.", show_default=False)
]
Address = Annotated[
    str | None, typer.Option(help="A running Ray cluster; this machine unless given.", show_default=False)
]
Fields = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Any field of the job, as in space.lr=0.1."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Who stops trials early: asha, promoting-asha, pasha, hyperband, median, pbt, pb2 or fifo (nobody).",
        show_default=False,
    ),
]
Search = Annotated[
    str | None,
    typer.Option(help="Who draws configs: random, grid, sobol, tpe, cma or gp.", show_default=False),
]
Seed = Annotated[int | None, typer.Option(help="Where every draw comes from.", show_default=False)]
StudyName = Annotated[str | None, typer.Option("--name", help="The study's name; the job's own unless given.")]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the study if there is one; its budget and resources are kept."),
]
AcceptChanges = Annotated[
    bool, typer.Option("--accept-changes", help="Resume although the job's code, data or domains have changed.")
]


def assignments(pairs: list[str]) -> dict[str, Any]:
    """`--set` arguments as fields of a job.

    Args:
        pairs: `field=value`; the value is JSON where it reads as JSON, else text.

    Raises:
        InvalidJob: An argument has no `=`.
    """
    changes: dict[str, Any] = {}
    for pair in pairs:
        field, equals, text = pair.partition("=")
        if not equals or not field:
            raise InvalidJob("the command line", [Fault("--set", pair, "must be field=value, as in space.lr=0.1")])
        try:
            changes[field.strip()] = json.loads(text)
        except (ValueError, RecursionError):
            changes[field.strip()] = text
    return changes


def limits(
    trials: int | None, epochs: int | None, total_epochs: int | None, seconds: float | None, workers: int | None
) -> dict[str, Any]:
    """The options that may differ from one session of a study to the next, as fields of a job."""
    return {
        "budget.trials": trials,
        "budget.epochs": epochs,
        "budget.total_epochs": total_epochs,
        "budget.seconds": seconds,
        "resources.workers": workers,
    }


def changes_of(given: dict[str, Any], fields: list[str] | None) -> dict[str, Any]:
    """Options that were given, and `--set`, as changes of a job."""
    return {**{field: value for field, value in given.items() if value is not None}, **assignments(fields or [])}


def job_of(name: str, changes: dict[str, Any], storage: str, *, resume: bool) -> "TuneJob":
    """The job that a command line asks for.

    Args:
        name: A job's name, or the path of a Python file.
        changes: Fields that are set on the command line.
        storage: Where studies lie.
        resume: Keep the budget and the resources of the study, if there is one.
    """
    import tune_jobs

    found = tune_jobs.find(name)
    if resume:
        from pipeline.execution.resuming import kept
        from pipeline.storage import Store

        study = found.replaced({"name": changes.get("name", found.name)})
        found = kept(found, Store(storage).folder(study.name), note)
    return found.replaced(changes)


def note(what: str) -> None:
    """Tell what a person may wonder about, beside the command's own output."""
    typer.echo(what, err=True)
