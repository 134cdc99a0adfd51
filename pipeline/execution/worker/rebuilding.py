"""A trial's model from its checkpoint, without a worker: nothing is trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.engine.messages import Assignment
from pipeline.execution.worker.checkpoint_writer import CheckpointWriter, learner_part
from pipeline.execution.worker.start_folder import StartFolder
from pipeline.execution.worker.trial_folder import TrialFolder
from pipeline.storage import Store
from pipeline.study import TuneJob, layout
from pipeline.study.context import TrialContext, in_trial
from pipeline.training.ensemble import first_of
from pipeline.training.process import import_keras


def rebuilt_model(
    job: TuneJob, store: Store, assignment: Assignment, example: Callable[[], Any], batch: Callable[[], Any]
) -> Any:
    """The model of a trial at an epoch, compiled, with its weights."""
    import_keras()
    from pipeline.training.build import ModelBuilder
    from pipeline.training.export import rebuilt

    trial = assignment.trial_id
    saved = CheckpointWriter(store, None).read(layout.checkpoint(trial, assignment.epoch))
    state = learner_part(saved) if job.repeats == 1 else first_of(learner_part(saved))
    start = StartFolder(Path.cwd())
    folder = TrialFolder(store, trial, most=job.resources.files_gigabytes * 1e9, kept=False)

    def attempt() -> Any:
        with in_trial(TrialContext(trial, assignment.seed, job.budget.epochs, folder.folder), start.directory):
            return rebuilt(ModelBuilder(job, example, batch), assignment.config, state, seed=assignment.seed)

    try:
        return attempt()
    except Exception as error:
        if not start.use(error, folder.folder):
            raise
        return attempt()
    finally:
        folder.close()
