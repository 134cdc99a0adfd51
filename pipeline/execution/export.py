"""Models of a study as files: the winner as the study exported it, and those of other trials."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.engine.messages import Assignment
from pipeline.errors import ModelError, NotEvaluated, StorageError, TunepipeError, UsageError
from pipeline.execution.process_state import kept_process_state
from pipeline.execution.trial_models import TrialModels
from pipeline.execution.worker.winner import winner_document
from pipeline.results.tables.trials import ranked
from pipeline.results.views.provenance import provenance_object
from pipeline.storage import Store
from pipeline.storage.scratch import scratch
from pipeline.study import layout
from pipeline.study.contents import check_output_folder
from pipeline.study.studies import as_argument

_TRIAL = "trial.json"
_SAVED_MODEL = "saved_model"
_OF_STATE = ("state.json", "arrays.npz", "files")


@kept_process_state()
def export(
    store: Store,
    folder: Path,
    *,
    trial: str | None = None,
    top: int | None = None,
    saved_model: bool = False,
    overwrite: bool = False,
    note: Callable[[str], None] = print,
) -> list[Path]:
    """Write models of a study into a folder."""
    if trial is not None and top is not None:
        raise UsageError("--trial and --top cannot be combined: name one trial, or a number of the best.")
    is_winner = trial is None and top is None
    check_output_folder(folder, winner_of=store.local if is_winner else None)
    models = TrialModels(store)
    files = _Export(models, note, overwrite=overwrite)
    try:
        _refuse_existing(folder, overwrite=overwrite or top is not None)
        if is_winner:
            return files.winner(folder, saved_model=saved_model)
        if trial is not None:
            return files.write(models.assignment(trial), folder, saved_model=saved_model)
        return files.best(top or 1, folder, saved_model=saved_model)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"Cannot write into {folder}: {reason}. Choose another folder with --to.") from None


class _Export:
    """Writes models and states of a study's trials, with documents about them."""

    def __init__(self, models: TrialModels, note: Callable[[str], None], *, overwrite: bool) -> None:
        self._models, self._note, self._overwrite = models, note, overwrite
        self._noted: set[str] = set()

    def winner(self, folder: Path, *, saved_model: bool) -> list[Path]:
        """Write the winner as the study exported it, or from its checkpoint if the study ended before that."""
        if self._models.results.test is None:
            return self.write(
                self._models.assignment(None), folder, saved_model=saved_model, name=Path(layout.WINNER).name
            )
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for path in (path for path in layout.EXPORTED if self._models.store.exists(path)):
            target = folder / Path(path).name
            target.write_bytes(self._models.store.read(path))
            written.append(target)
        if saved_model:
            written.append(_saved_model(self._models.model(self._models.assignment(None)), folder))
        return written

    def write(self, assignment: Assignment, folder: Path, *, saved_model: bool, name: str = _TRIAL) -> list[Path]:
        """Write a trial's model or state, and the documents about it."""
        if self._models.of_function:
            return self._write_state(assignment, folder, saved_model=saved_model, name=name)
        model = self._models.model(assignment)
        from pipeline.training.export import export_and_evaluate

        data, why = self._models.data(assignment.config)
        if data is None and why not in self._noted:
            self._noted.add(why)
            self._note(f"The model is not evaluated on the test split: {why}")
        folder.mkdir(parents=True, exist_ok=True)
        metrics: Mapping[str, float] = {}
        try:
            metrics = export_and_evaluate(model, data, folder)
        except NotEvaluated as error:
            self._note(str(error))
        except (TunepipeError, OSError):
            raise
        except Exception as error:
            raise ModelError(
                f"The model of trial {assignment.trial_id} cannot be exported: {type(error).__name__}: {error}"
            ) from error
        self._write_documents(assignment, folder, metrics, name)
        names = sorted({*(Path(path).name for path in layout.EXPORTED if path != layout.WINNER), name})
        written = [folder / each for each in names if (folder / each).is_file()]
        return [*written, _saved_model(model, folder)] if saved_model else written

    def _write_state(self, assignment: Assignment, folder: Path, *, saved_model: bool, name: str) -> list[Path]:
        from pipeline.training.function_state import write_state

        model = self._models.model(assignment) if saved_model else None
        with scratch("state") as files:
            state = self._models.state(assignment, lambda: files)
            folder.mkdir(parents=True, exist_ok=True)
            written = write_state(state, folder)
        written += self._write_documents(assignment, folder, {}, name)
        return written if model is None else [*written, _saved_model(model, folder)]

    def _write_documents(
        self, assignment: Assignment, folder: Path, metrics: Mapping[str, float], name: str
    ) -> list[Path]:
        document = winner_document(assignment, self._models.job.objectives[0], metrics)
        (folder / name).write_text(document)
        facts = provenance_object(self._models.store, {"seed": assignment.seed, **json.loads(document)})
        provenance = folder / Path(layout.PROVENANCE).name
        provenance.write_text(json.dumps(facts, indent=2) + "\n")
        return [provenance, folder / name]

    def best(self, top: int, folder: Path, *, saved_model: bool) -> list[Path]:
        """Write the models of the best trials, each into a separate folder."""
        results, models = self._models.results, self._models
        usable = results.trials[results.trials["objective"].notna() & (results.trials["state"] != "failed")]
        best = [trial for trial in ranked(results) if trial in set(usable["trial_id"])]
        if not best:
            models.assignment(None)
        places, missing = {}, []
        for rank, trial in enumerate(best[:top], 1):
            assignment = models.assignment(trial)
            if models.store.exists(layout.checkpoint(trial, assignment.epoch)):
                places[folder / f"{rank:0{len(str(top))}d}-{trial}"] = assignment
            else:
                missing.append(assignment)
        for place in places:
            check_output_folder(place)
            _refuse_existing(place, overwrite=self._overwrite)
        written: list[Path] = []
        for place, assignment in places.items():
            written += self.write(assignment, place, saved_model=saved_model)
        if missing and not written:
            models.model(missing[0])
        if missing:
            ids = ", ".join(assignment.trial_id for assignment in missing)
            self._note(
                f"Missing: the models of {ids}; the checkpoints of their best epochs were deleted. "
                f"`tunepipe export {as_argument(models.store.uri)} --trial {missing[0].trial_id}` says why."
            )
        if len(best) < top:
            self._note(f"There are {len(best)} trials with a model, not {top}.")
        return written


def _refuse_existing(folder: Path, *, overwrite: bool) -> None:
    """Refuse to write through links, to replace files that no export wrote, and others unless they may be replaced.

    An export's folder has a file that says where its model is from.
    """
    documents = [Path(layout.PROVENANCE).name, Path(layout.WINNER).name, _TRIAL]
    names = [*(Path(path).name for path in layout.EXPORTED), _TRIAL, *_OF_STATE, _SAVED_MODEL]
    existing = [name for name in dict.fromkeys(names) if os.path.lexists(folder / name)]
    if links := [
        f"{name} (a link to {(folder / name).readlink()})" for name in existing if (folder / name).is_symlink()
    ]:
        raise StorageError(
            f"{folder} has {', '.join(links)}, and tunepipe does not write through links. Nothing was written. Choose "
            "another folder with --to, or remove the links."
        )
    if existing and not any((folder / name).exists() for name in documents):
        raise StorageError(
            f"{folder} has {', '.join(existing)}, which tunepipe did not write. Nothing was written. Choose another "
            "folder with --to, or move these files."
        )
    if existing and not overwrite:
        raise StorageError(
            f"{folder} has the files of an earlier export: {', '.join(existing)}. Nothing was written. Choose another "
            "folder with --to, or replace them with --overwrite (in Python: overwrite=True)."
        )


def _saved_model(model: Any, folder: Path) -> Path:
    from pipeline.training.export import write_saved_model

    write_saved_model(model, folder / _SAVED_MODEL)
    return folder / _SAVED_MODEL
