"""The winner as files: what a study exported at its end, or, where it was cut off, made now from its checkpoint."""

from pathlib import Path

from pipeline import datasets
from pipeline.course.messages import Assignment
from pipeline.errors import JobNotFound, ModelError, StorageError
from pipeline.results.load import Best, load_results
from pipeline.storage import Store
from pipeline.study import layout, load_study
from pipeline.study.drawing import seed_of_trial

__all__ = ["export"]


def export(store: Store, folder: Path) -> list[Path]:
    """Write the winner's model into a folder.

    Args:
        store: The study's folder.
        folder: Where to; made if it is not there.

    Returns:
        The files: model.keras, architecture.json, model.weights.h5, winner.json.

    Raises:
        JobNotFound: There is no study, or it has no winner yet.
        ModelError: The study tunes a function: there is no model.
    """
    results = load_results(store.uri)
    if results.best is None:
        raise JobNotFound(
            f"The study {results.name!r} has no winner: no epoch with a finite {results.objective.metric}."
        )
    if results.job["model"] is None:
        raise ModelError(f"The study {results.name!r} tunes a function: there is no model to export.")
    if results.test is None:
        _make(store, results.best)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for path in (path for path in layout.EXPORTED if store.exists(path)):
            target = folder / Path(path).name
            target.write_bytes(store.read(path))
            written.append(target)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"Cannot write into {folder}: {reason}. Choose another folder with --to.") from None
    return written


def _make(store: Store, best: Best) -> None:
    from pipeline.execution.worker import Worker

    job, path = load_study(store), layout.checkpoint(best.trial_id, best.epoch)
    if not store.exists(path):
        raise JobNotFound(
            f"The weights of the best epoch, {path}, are not in {store.uri}: "
            f"the study was cut off before they were written. Go on with it: `tunepipe resume {store.uri}`."
        )
    assert job.data is not None
    worker = Worker(job, datasets.load(job.data), store, capture=False)
    seed = seed_of_trial(job, int(best.trial_id))
    worker.begin(Assignment(best.trial_id, best.config, seed, task="finish", epoch=best.epoch, value=best.value))
    report = worker.step()
    while not (report.last or report.failure or report.unusable or report.stuck):
        report = worker.step()
    if (failure := report.failure or report.unusable or report.stuck) is not None:
        raise ModelError(f"The winner cannot be exported: {failure.splitlines()[0]}")
