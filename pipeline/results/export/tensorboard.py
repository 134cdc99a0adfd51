"""A study as TensorBoard reads it: every metric by epoch, and the trials in its HParams tab."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.engine.trial import LIVE_STATES
from pipeline.errors import StorageError
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_at_best
from pipeline.space import scalar
from pipeline.storage.schema import metric_columns
from pipeline.study.contents import check_output_folder

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter
    from tensorboardX.proto.event_pb2 import Event


_STUDY = "tunepipe.json"
"""The file that names the study of a folder that is written while the study runs."""

_OBJECTIVE = "objective"
"""The scalar with a trial's best value so far, which the HParams tab shows; with `best_` before it where a metric has
that name."""


def write_tensorboard(results: Results, folder: Path) -> list[Path]:
    """Write an event file for each trial that has an epoch."""
    check_output_folder(folder)
    try:
        if folder.exists() and any(folder.iterdir()):
            raise StorageError(
                f"{folder} is not empty, and TensorBoard would show its content together with the new logs. Choose "
                "another folder."
            )
        configs, written = configs_at_best(results), []
        values = dict(zip(results.trials["trial_id"], results.trials["objective"], strict=True))
        for trial, rows in results.epochs.groupby("trial_id", sort=False):
            place = folder / _folder_name(str(trial))
            writer = _new_writer(place)
            shown = _best_scalar(rows)
            _write_config(writer, configs[str(trial)], {shown: float(values[trial])})
            for name, epoch, value, moment in _scalars(rows):
                writer.add_scalar(name, value, epoch, walltime=moment)
            if math.isfinite(best := float(values[trial])):
                last = rows.iloc[-1]
                writer.add_scalar(shown, best, int(rows["epoch"].max()), walltime=last["time"].timestamp())
            writer.close()
            written.append(place)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"Cannot write {folder}: {reason}. Choose another folder with --tensorboard.") from None
    return written


class LiveTensorBoard:
    """Writes the epochs of a study into event files while it runs, each once, even over several sessions.

    Where a trial has trained an epoch again, after a kill or a lost worker, TensorBoard shows the newer values.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}
        self._known: dict[str, dict[tuple[str, int], float]] = {}
        self._ended: set[str] = set()

    def update(self, results: Results) -> None:
        """Write what is new."""
        folder = self._folder / results.name
        try:
            self._claim(folder, results)
            configs: Mapping[str, Any] | None = None
            trials = zip(results.trials["trial_id"], results.trials["objective"], results.trials["state"], strict=True)
            objectives = {str(trial): (float(value), str(state)) for trial, value, state in trials}
            for trial_id, rows in results.epochs.groupby("trial_id", sort=False):
                trial, (value, state) = str(trial_id), objectives[str(trial_id)]
                if trial in self._ended:
                    continue
                configs = configs_at_best(results) if configs is None else configs
                ended = state not in LIVE_STATES
                self._write(folder / _folder_name(trial), trial, rows, configs[trial], value, ended=ended)
        except (OSError, ValueError) as error:
            raise StorageError(f"Cannot write {folder}: {getattr(error, 'strerror', None) or error}.") from None

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _claim(self, folder: Path, results: Results) -> None:
        """Make sure that the folder has the events of this study only."""
        path = folder / _STUDY
        began = str(results.sessions[0]["started"]) if results.sessions else ""
        mine = {"location": results.location.partition("?")[0], "started": began}
        claim = _claim_in(path)
        if claim == mine:
            return
        if claim is not None:
            raise StorageError(f"{folder} has the events of another study with the same name. Choose another folder.")
        check_output_folder(folder)
        if folder.exists() and any(other != path for other in folder.iterdir()):
            raise StorageError(
                f"{folder} is not empty, and TensorBoard would show its content together with the new logs. Choose "
                "another folder."
            )
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(mine), "utf-8")

    def _write(
        self, place: Path, trial: str, rows: pd.DataFrame, config: Mapping[str, Any], best: float, *, ended: bool
    ) -> None:
        if trial not in self._known:
            self._known[trial] = _shown_scalars(place)
        known, current, shown = self._known[trial], list(_scalars(rows)), _best_scalar(rows)
        values = {(name, epoch): value for name, epoch, value, _ in current}
        repeated = _first_repeated({key: value for key, value in known.items() if key[0] != shown}, values)
        if repeated is not None:
            self._discard(trial, place, repeated)
        new = [one for one in current if one[:2] not in known]
        if math.isfinite(best):
            last = rows.iloc[-1]
            objective = (shown, int(last["epoch"]), best, last["time"].timestamp())
            # HParams shows the newest value, which is that of the whole trial.
            new += [objective] if new and objective[:2] not in known else []
        if new:
            started = bool(known) or repeated is not None
            writer = self._writer(trial, place)
            if not started:
                _write_config(writer, config, {shown: best})
            for name, epoch, value, moment in new:
                writer.add_scalar(name, value, epoch, walltime=moment)
                known[name, epoch] = value
            writer.flush()
        if ended:
            self._ended.add(trial)
            del self._known[trial]
            if trial in self._writers:
                self._writers.pop(trial).close()

    def _discard(self, trial: str, place: Path, first: int) -> None:
        """Have TensorBoard discard what was written of an epoch and of all later ones."""
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        # The start of a session is how TensorFlow marks that a program was killed and continues from an earlier step.
        restart = Event(step=first, session_log=SessionLog(status=SessionLog.START))
        self._writer(trial, place).file_writer.add_event(restart)
        for key in [key for key in self._known[trial] if key[1] >= first]:
            del self._known[trial][key]

    def _writer(self, trial: str, place: Path) -> "SummaryWriter":
        if trial not in self._writers:
            self._writers[trial] = _new_writer(place)
        return self._writers[trial]


def _first_repeated(known: Mapping[tuple[str, int], float], current: Mapping[tuple[str, int], float]) -> int | None:
    """The first epoch of which a trial has other values than were written; None if there is none.

    The best value so far is not a value of one epoch, and must not be among them.
    """
    # An event holds a value in 32 bits.
    changed = [
        epoch
        for (name, epoch), value in known.items()
        if np.float32(current.get((name, epoch), math.nan)) != np.float32(value)
    ]
    return min(changed, default=None)


def _claim_in(path: Path) -> object:
    """The study that uses a folder; None if there is none, or if it was killed while it wrote the file."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _new_writer(place: Path) -> "SummaryWriter":
    from tensorboardX import SummaryWriter

    # File names contain the second: a file of the same second would replace an earlier session's.
    earlier = len(list(place.glob("events.out.*")))
    return SummaryWriter(str(place), write_to_disk=True, filename_suffix=f".{earlier}" if earlier else "")


def _best_scalar(rows: pd.DataFrame) -> str:
    """The name of the scalar with a trial's best value so far, which is that of no metric."""
    name = _OBJECTIVE
    while name in rows:
        name = f"best_{name}"
    return name


def _write_config(writer: "SummaryWriter", config: Mapping[str, Any], best: Mapping[str, float]) -> None:
    from tensorboardX.summary import hparams

    # The tab shows a metric only where a scalar of that name is written too.
    for summary in hparams({name: scalar(value) for name, value in config.items()}, dict(best)):
        writer.file_writer.add_summary(summary)


def _scalars(rows: pd.DataFrame) -> Iterator[tuple[str, int, float, float]]:
    """Every finite number of a trial's epochs: name, epoch, value, and seconds since 1970."""
    shown = [*metric_columns(rows.columns), "learning_rate"]
    for row in rows.to_dict("records"):
        for name in shown:
            if row[name] is not None and math.isfinite(value := float(row[name])):
                yield str(name), int(row["epoch"]), value, row["time"].timestamp()


def written_events(place: Path) -> Iterator["Event"]:
    """The events in a trial's folder; a truncated one is ignored."""
    from tensorboardX.proto.event_pb2 import Event

    for file in sorted(place.glob("events.out.*")):
        content, at = file.read_bytes(), 0
        # Each event: its length in 8 bytes, a checksum of 4, itself, and a checksum of 4.
        while at + 16 + (length := int.from_bytes(content[at : at + 8], "little")) <= len(content):
            yield Event.FromString(content[at + 12 : at + 12 + length])
            at += 16 + length


def _shown_scalars(place: Path) -> dict[tuple[str, int], float]:
    """The scalars of a trial's folder that TensorBoard shows, by name and epoch."""
    shown: dict[tuple[str, int], float] = {}
    for event in written_events(place):
        if event.HasField("session_log"):
            shown = {key: value for key, value in shown.items() if key[1] < event.step}
        for value in event.summary.value:
            if value.HasField("simple_value"):
                shown[value.tag, event.step] = value.simple_value
    return shown


def _folder_name(trial: str) -> str:
    """A trial's id as the name of a folder; ids come from the study's files, which are not trusted."""
    if trial.isascii() and trial.isalnum():
        return trial
    raise ValueError(f"{trial!r:.100} is not a trial's id")
