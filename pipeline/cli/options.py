"""What several commands share: options, and how a word on the command line becomes a value."""

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import Fault, InvalidJob, UsageError

if TYPE_CHECKING:
    from pipeline.study import TuneJob

__all__ = [
    "STORAGE",
    "AcceptChanges",
    "Address",
    "Epochs",
    "Fields",
    "JobName",
    "JobOptions",
    "Json",
    "Resume",
    "Seconds",
    "Seed",
    "Storage",
    "TotalEpochs",
    "Trials",
    "Workers",
    "assignments",
    "changes_of",
    "job_of",
    "limits",
    "note",
    "with_job_options",
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
        help="Who stops trials early: asha, promoting-asha, pasha, hyperband, median, pbt, pb2, fifo (nobody), "
        "or the path of a class of Ray's.",
        show_default=False,
    ),
]
Search = Annotated[
    str | None,
    typer.Option(
        help="Who draws configs: random, grid, sobol, tpe, cma, gp, or the path of a class of Ray's.",
        show_default=False,
    ),
]
Seed = Annotated[int | None, typer.Option(help="Where every draw comes from.", show_default=False)]
StudyName = Annotated[str | None, typer.Option("--name", help="The study's name; the job's own unless given.")]
StartFrom = Annotated[
    str | None,
    typer.Option(
        "--start-from",
        metavar="STUDY",
        help="Try the best configs of another study first: its name within --storage, or its folder.",
        show_default=False,
    ),
]
Top = Annotated[
    int | None, typer.Option(min=1, help="With --start-from: how many of them; 3 unless given.", show_default=False)
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the study if there is one; its budget and resources are kept."),
]
AcceptChanges = Annotated[
    bool, typer.Option("--accept-changes", help="Resume although the job's code, data or domains have changed.")
]


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What a command line may change in a job that a study is made of: each field is an option."""

    trials: Trials = None
    epochs: Epochs = None
    total_epochs: TotalEpochs = None
    seconds: Seconds = None
    scheduler: Scheduler = None
    search: Search = None
    workers: Workers = None
    seed: Seed = None
    name: StudyName = None
    start_from: StartFrom = None
    top: Top = None
    set_: Fields = None

    def changes(self, storage: str) -> dict[str, Any]:
        """The options that were given, as changes of a job.

        Args:
            storage: Where studies lie: --start-from may name one of them.

        Raises:
            UsageError: --top stands alone.
            InvalidJob: --set has no `=`.
        """
        given = {
            **limits(self.trials, self.epochs, self.total_epochs, self.seconds, self.workers),
            "scheduler": self.scheduler,
            "searcher": self.search,
            "seed": self.seed,
            "name": self.name,
            "start_from": self._start_from(storage),
        }
        return changes_of(given, self.set_)

    def words(self, storage: str) -> list[str]:
        """The same as words of another command line, which may be called from elsewhere."""
        start_from = self._start_from(storage)
        options: dict[str, Any] = {
            "--trials": self.trials,
            "--epochs": self.epochs,
            "--total-epochs": self.total_epochs,
            "--seconds": self.seconds,
            "--scheduler": self.scheduler,
            "--search": self.search,
            "--workers": self.workers,
            "--seed": self.seed,
            "--name": self.name,
            "--start-from": start_from and start_from["study"],
            "--top": self.top,
        }
        words = [word for option, value in options.items() if value is not None for word in (option, str(value))]
        return words + [word for pair in self.set_ or [] for word in ("--set", pair)]

    def _start_from(self, storage: str) -> dict[str, Any] | None:
        if self.start_from is None:
            if self.top is not None:
                raise UsageError("--top says how many configs of --start-from STUDY are tried first; name the study.")
            return None
        from pipeline.cli.location import located
        from pipeline.storage import Store

        where, name = located(self.start_from, storage)
        study = name if where == storage else Store(where).folder(name).uri
        return {"study": study, **({} if self.top is None else {"top": self.top})}


def with_job_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `options`, JobOptions, becomes one option of the command line for each field."""
    ours = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields(JobOptions)
    ]
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        named = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        parameters += ours if parameter.name == "options" else [named]

    @functools.wraps(command)
    def called(**given: Any) -> None:
        options = JobOptions(**{parameter.name: given.pop(parameter.name) for parameter in ours})
        command(options=options, **given)

    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


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
        found = kept(found, Store(storage).folder(study.name), note, changed=changes)
    return found.replaced(changes)


def note(what: str) -> None:
    """Tell what a person may wonder about, beside the command's own output."""
    typer.echo(what, err=True)
