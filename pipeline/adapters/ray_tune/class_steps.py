"""The steps of a Trainable class of Ray Tune."""

import inspect
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.adapters.metrics import flat, numeric
from pipeline.adapters.ray_tune.stopping import Rules
from pipeline.execution.ray.internals import set_iteration
from pipeline.study.context import current


def class_steps(trainable: type, config: dict[str, Any], state: Any, rules: Rules) -> Iterator[Any]:
    """The results of a Trainable's steps."""
    from ray import tune

    trial = _create(trainable, config)
    set_iteration(trial, rules.count)
    saves = trainable.save_checkpoint is not tune.Trainable.save_checkpoint  # type: ignore[attr-defined]
    try:
        if state is not None:
            trial.load_checkpoint(str(state) if isinstance(state, Path) else state)
        while True:
            result = trial.step()
            ends, metrics = rules.end_after(result), numeric(flat(result))
            set_iteration(trial, rules.count)
            if saves:
                with tempfile.TemporaryDirectory() as folder:
                    kept = trial.save_checkpoint(folder)
                    yield metrics, kept if isinstance(kept, Mapping) else Path(kept or folder)
            else:
                yield metrics
            if ends:
                return
    finally:
        trial.cleanup()


def _create(trainable: type, config: dict[str, Any]) -> Any:
    """An object of the class, with the id and the folder of the trial where there is one."""
    from ray.tune.result import TRIAL_INFO

    trial = current()
    if trial is None or "storage" not in inspect.signature(trainable).parameters:
        return trainable(config=config)
    info = SimpleNamespace(trial_id=trial.id, trial_name=trial.id, trial_resources=None, experiment_name="tunepipe")
    folder = str(trial.folder)
    return trainable(
        config={**config, TRIAL_INFO: info},
        storage=SimpleNamespace(trial_fs_path=folder, trial_working_directory=folder),
    )
