"""The winner of a study: its model, its export, and its evaluation on the test split."""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.engine.limits import report_seconds
from pipeline.engine.messages import Assignment
from pipeline.errors import NotEvaluated
from pipeline.execution.worker.checkpoints import Checkpoints, learner_part
from pipeline.storage import Checkpoint, Store
from pipeline.storage.scratch import scratch
from pipeline.storage.sessions import read_sessions, sessions_objects
from pipeline.study import Objective, TuneJob, layout
from pipeline.training.base import Learner
from pipeline.training.ensemble import first_of
from pipeline.training.trainer_factory import TrainerFactory


def write_documents(
    store: Store, folder: Path, name: str, assignment: Assignment, objective: Objective, metrics: Mapping[str, float]
) -> list[Path]:
    """Write what an exported model is, and where it is from; docs/results-json.md has the keys."""
    content = {
        "trial_id": assignment.trial_id,
        "epoch": assignment.epoch,
        "config": assignment.config,
        "objective": {"metric": objective.metric, "mode": objective.mode, "value": assignment.value},
        # JSON has no NaN: a metric that is not finite is null.
        "metrics": {name: value if math.isfinite(value) else None for name, value in metrics.items()},
    }
    sessions, study = sessions_objects(read_sessions(store)), store.uri.partition("?")[0]
    provenance = {"seed": assignment.seed, **content, "study": study, "sessions": sessions}
    written = [folder / Path(layout.PROVENANCE).name, folder / name]
    for path, document in zip(written, (provenance, content), strict=True):
        path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
    return written


class Winner:
    """Rebuilds and exports the model of a study's winner."""

    def __init__(self, job: TuneJob, store: Store, trainer_factory: TrainerFactory, checkpoints: Checkpoints) -> None:
        self._job, self._store = job, store
        self._trainer_factory, self._checkpoints = trainer_factory, checkpoints
        self._assignment: Assignment | None = None
        self.learner: Learner | None = None
        """With folds, the model that is trained on the whole training part."""

    def export(self, assignment: Assignment, stop_requested: Callable[[], bool]) -> Mapping[str, float] | None:
        """Export the winner, load it back, and evaluate it on the test split, which nothing has used before.

        Returns the metrics of the test split, or None if a part of the training is done, and another call continues.
        Raises NotEvaluated if it is exported, and cannot be evaluated.
        """
        from pipeline.training.export import export_winner

        if (state := self._state(assignment, stop_requested)) is None:
            return None
        metrics: Mapping[str, float] = {}
        not_evaluated: NotEvaluated | None = None
        with scratch("winner") as folder:
            try:
                metrics = export_winner(
                    self._trainer_factory, assignment.config, state, seed=assignment.seed, folder=folder
                )
            except NotEvaluated as error:
                not_evaluated = error
            write_documents(self._store, folder, Path(layout.WINNER).name, assignment, self._job.objectives[0], metrics)
            self._replace_export(folder)
        if not_evaluated is not None:
            raise not_evaluated
        return metrics

    def _state(self, assignment: Assignment, stop_requested: Callable[[], bool]) -> Checkpoint | None:
        """The state to export: of the best epoch, or, with folds, after as many epochs on the whole training part."""
        if assignment is not self._assignment:
            self._assignment, self.learner = assignment, None
        state = learner_part(self._checkpoints.read(layout.checkpoint(assignment.trial_id, assignment.epoch)))
        if self._job.folds == 1:
            return state if self._job.repeats == 1 else first_of(state)
        if self.learner is None:
            print("tunepipe: The best config is trained again on the whole training split.")
            self.learner = self._trainer_factory.whole(assignment.config, seed=assignment.seed)
        started = time.monotonic()
        while self.learner.model_epoch < int(state.header["model_epoch"]) and not self.learner.run_epoch().last:
            if time.monotonic() - started >= report_seconds(1) or stop_requested():
                return None
        return self.learner.save()

    def _replace_export(self, folder: Path) -> None:
        """Replace a study's export by the files in a folder; winner.json, which makes it one, is written last."""
        new = {f"{layout.EXPORT}/{file.name}": file for file in folder.iterdir()}
        last = new.pop(layout.WINNER)
        # Without it a reader takes no file here for the winner's, even if this process is killed in between.
        stale = set(self._store.files(layout.EXPORT)) & set(layout.EXPORTED) - {layout.WINNER, *new}
        for path in (layout.WINNER, *stale):
            self._checkpoints.check()
            self._store.delete(path)
        for path, file in (*sorted(new.items()), (layout.WINNER, last)):
            self._checkpoints.check()
            self._store.write(path, file.read_bytes())
