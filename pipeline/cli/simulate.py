"""`tunepipe simulate`: predicts a study without training."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import command_console, note, print_object
from pipeline.cli.job_options import JobOptions, with_job_options
from pipeline.cli.options import STORAGE, JobName, Json, Storage, option, study_store
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.simulation.curves import CurveSource
    from pipeline.study import TuneJob


_SYNTHETIC = "synthetic"
_MAX_AMOUNT = 1e9
_DIGITS = 9
"""The maximum number of digits of a number of workers."""


def _amount(text: str, metavar: str) -> Any:
    """An option for a number from zero, with this help."""
    return option(text, metavar, min=0.0, max=_MAX_AMOUNT)


def _names(text: str) -> Any:
    return option(f"{text} Default: the job's own.", "NAMES")


@with_job_options("trials", "epochs", "total_epochs", "seconds", "seed", "set_")
def simulate(
    job: JobName,
    *,
    scheduler: Annotated[str | None, _names("One or more, for example asha,median,fifo.")] = None,
    search: Annotated[str | None, _names("One or more, for example random,tpe.")] = None,
    workers: Annotated[
        str, typer.Option(help="Number of parallel trials: one or more numbers.", metavar="NUMBERS")
    ] = "1,2,4,8",
    curves: Annotated[
        str,
        typer.Option(metavar="synthetic|STUDY", help="Learning curves: synthetic ones, or those of a recorded study."),
    ] = _SYNTHETIC,
    options: JobOptions,
    seconds_per_epoch: Annotated[
        float | None, _amount("Seconds of an epoch. Default: 1, or as recorded.", "SECONDS")
    ] = None,
    seconds_per_start: Annotated[
        float | None, _amount("Seconds to start or continue a trial. Default: 0, or as recorded.", "SECONDS")
    ] = None,
    price: Annotated[float | None, _amount("Cost of a worker per hour.", "COST")] = None,
    repeats: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Number of simulations, each with the next seed.")
    ] = 1,
    storage: Storage = STORAGE,
    as_json: Json = False,
) -> None:
    """Predict a study without training. Prints time, epochs, cost and best value, from learning curves."""
    from rich.progress import track

    from pipeline.execution.earlier_studies import warm_started
    from pipeline.simulation.forecast import forecast, forecast_table
    from pipeline.study.trial_configs import fewer_trials

    counts = _numbers(workers)
    tuned = options.job(job, storage, resume=False)
    tuned = warm_started(tuned, storage, always=True)
    kinds = [
        {"scheduler": named, "searcher": other}
        for named in _words("--scheduler", scheduler)
        for other in _words("--search", search)
    ]
    jobs = [tuned.replaced({field: name for field, name in each.items() if name is not None}) for each in kinds]
    source = _source(curves, storage, seconds_per_epoch, seconds_per_start)
    about = source(jobs[0]).description()
    if (fewer := fewer_trials(tuned)) is not None:
        note(fewer)
    # The bar is on stderr: stdout holds the forecasts alone.
    forecasts = list(
        track(
            forecast(jobs, counts, source, repeats=repeats), "Simulating",
            total=len(jobs) * len(counts), console=command_console(err=True), transient=True,
            disable=not sys.stderr.isatty(),
        )
    )  # fmt: skip
    table = forecast_table(forecasts, about, price=price)
    if as_json:
        print_object(table.as_object())
    else:
        command_console().print(table)


def _source(
    curves: str, storage: str, seconds_per_epoch: float | None, seconds_per_start: float | None
) -> "Callable[[TuneJob], CurveSource]":
    """The source of a job's learning curves."""
    if curves == _SYNTHETIC:
        from pipeline.simulation.curves import SyntheticCurves

        epoch = 1.0 if seconds_per_epoch is None else seconds_per_epoch
        start = seconds_per_start or 0.0
        return lambda job: SyntheticCurves(job, seconds_per_epoch=epoch, seconds_per_start=start)
    from pipeline.results.tables.load import load_results
    from pipeline.simulation.recorded_curves import RecordedCurves

    results = load_results(study_store(curves, storage).uri)
    return lambda job: RecordedCurves(
        results, job, seconds_per_epoch=seconds_per_epoch, seconds_per_start=seconds_per_start
    )


def _words(option: str, text: str | None) -> list[Any]:
    """The values of an option, in order; the job's own by default."""
    if text is None:
        return [None]
    words = [word.strip() for word in text.split(",")]
    if not all(words) or len(set(words)) < len(words):
        raise UsageError(f"{option} takes names separated by commas, each once; found {text!r:.100}.")
    return words


def _numbers(text: str) -> list[int]:
    words = _words("--workers", text)
    if not all(word.isascii() and word.isdigit() and len(word) <= _DIGITS and int(word) for word in words):
        raise UsageError(f"--workers takes whole numbers of at least 1, for example 1,2,8; found {text!r:.100}.")
    return [int(word) for word in words]
