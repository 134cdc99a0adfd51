"""`tunepipe simulate`: predicts a study without training."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import command_console, print_object
from pipeline.cli.job_options import JobOptions, with_job_options
from pipeline.cli.options import STORAGE, JobName, Json, Storage, option, study_store
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.simulation.curves import CurveSource
    from pipeline.study import TuneJob


def _amount(text: str) -> Any:
    return option(text, "NUMBER", min=0.0, max=1e9)


@with_job_options("trials", "epochs", "total_epochs", "seconds", "seed", "set_")
def simulate(
    job: JobName,
    *,
    scheduler: Annotated[str | None, option("Names, for example asha,median. Default: the job's.", "NAMES")] = None,
    search: Annotated[str | None, option("Names, for example random,tpe. Default: the job's.", "NAMES")] = None,
    workers: Annotated[str, typer.Option(help="Numbers of parallel trials.", metavar="NUMBERS")] = "1,2,4,8",
    curves: Annotated[str, option("Study with learning curves. Default: synthetic ones.", "STUDY")] = "",
    options: JobOptions,
    seconds_per_epoch: Annotated[float | None, _amount("Seconds of an epoch. Default: 1, or as recorded.")] = None,
    seconds_per_start: Annotated[float | None, _amount("Seconds to start a trial. Default: 0, or as recorded.")] = None,
    price: Annotated[float | None, _amount("Cost of a worker per hour.")] = None,
    repeats: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Number of seeds; results are medians over them.")
    ] = 1,
    storage: Storage = STORAGE,
    as_json: Json = False,
) -> None:
    """Predict a study without training. Prints time, epochs, cost and best value, from learning curves."""
    from pipeline.results.tables.trials import warm_started
    from pipeline.simulation.simulator import forecast, forecast_table

    counts = _numbers(workers)
    tuned = warm_started(options.job(job, storage, resume=False), storage, always=True)
    jobs = [
        tuned.replaced({**named, **other})
        for named in _changes("scheduler", scheduler)
        for other in _changes("searcher", search)
    ]
    source = _source(curves, storage, seconds_per_epoch, seconds_per_start)
    note = source(jobs[0]).note
    with command_console(err=True).status("simulating …"):
        forecasts = list(forecast(jobs, counts, source, repeats=repeats))
    table = forecast_table(forecasts, note, price=price)
    if as_json:
        print_object(table.as_object())
    else:
        command_console().print(table)


def _source(curves: str, storage: str, epoch: float | None, start: float | None) -> "Callable[[TuneJob], CurveSource]":
    """The source of a job's learning curves, with the seconds of an epoch and of a start."""
    if not curves:
        from pipeline.simulation.curves import SyntheticCurves

        seconds = 1.0 if epoch is None else epoch
        return lambda job: SyntheticCurves(job, seconds_per_epoch=seconds, seconds_per_start=start or 0.0)
    from pipeline.results.tables.load import load_results
    from pipeline.simulation.curves import RecordedCurves

    results = load_results(study_store(curves, storage).uri)
    return lambda job: RecordedCurves(results, job, seconds_per_epoch=epoch, seconds_per_start=start)


def _changes(field: str, names: str | None) -> list[dict[str, str]]:
    """A change of the job for each name, in order; none by default."""
    return [{}] if names is None else [{field: name.strip()} for name in names.split(",")]


def _numbers(text: str) -> list[int]:
    try:
        if min(numbers := [int(word) for word in text.split(",")]) >= 1 and max(numbers) <= 10_000:
            return numbers
    except ValueError:
        pass
    raise UsageError(f"--workers takes whole numbers from 1 to 10000, for example 1,2,8; found {text!r:.100}.")
