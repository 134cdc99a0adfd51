"""The training of a session: the study's data are loaded and recorded, then trials train on Ray or in this process."""

from collections.abc import Callable
from functools import cache, partial

from pipeline.datasets import Dataset, differences
from pipeline.execution.capacity import default_workers, local_capacity, unused_gpus
from pipeline.execution.data import Loaded
from pipeline.execution.driver.session import Session
from pipeline.execution.driver.start_notes import data_notes
from pipeline.execution.in_process import run_in_process
from pipeline.execution.interrupts import Interrupts
from pipeline.execution.ray.on_ray import run_on_ray
from pipeline.storage import Store
from pipeline.storage.scratch import close_shared_folders
from pipeline.study.files import read_document, recorded_data, set_data


def train(
    session: Session,
    store: Store,
    load: Callable[[], Loaded],
    interrupts: Interrupts,
    *,
    address: str | None,
    note: Callable[[str], None],
) -> None:
    """Train the trials of a session until the study has ended or is interrupted."""
    job = session.job
    load_data = cache(partial(_recorded, session, store, load, note))
    try:
        if job.resources.workers != 0:
            if callable(job.data):
                # What is wrong with the data is then known before Ray starts.
                load_data()
            run_on_ray(session, store, load_data, interrupts, address=address, note=note)
            return
        cpus, gpus = local_capacity()
        default_workers(job, cpus, gpus)
        if (unused := unused_gpus(job, gpus)) is not None:
            note(unused)
        from pipeline.execution.worker.worker import Worker

        session.recorder.facts["workers"] = 1
        worker = Worker(
            job,
            load_data(),
            store,
            session=session.file.number,
            capture=False,
            stop_requested=lambda: interrupts.requested,
        )
        run_in_process(session, worker, interrupts)
    finally:
        # Those of workers that Ray has ended here, too.
        close_shared_folders()


def _recorded(
    session: Session,
    store: Store,
    load: Callable[[], Loaded],
    note: Callable[[str], None],
) -> Dataset | None:
    """Load the data, and record them."""
    job = session.job
    data, fingerprint = load()
    recorded = recorded_data(read_document(store))
    if fingerprint is not None and fingerprint != recorded:
        session.file.check()
        if recorded is not None:
            # Written before study.json, so that no end of this process loses it.
            session.recorder.facts["data_changes"] = differences(recorded, fingerprint)
            session.flush()
        set_data(store, fingerprint)
    for text in data_notes(job, data, fingerprint or {}):
        note(text)
    return data
