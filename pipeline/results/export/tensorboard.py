"""A study as TensorBoard reads it: every metric by epoch, and the trials in its HParams tab."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.engine.trial import LIVE_STATES
from pipeline.errors import StorageError
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_of
from pipeline.space import Config, scalar
from pipeline.storage.schema import metric_columns
from pipeline.study.contents import check_output_folder

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter
    from tensorboardX.proto.event_pb2 import Event

_STUDY = "tunepipe.json"
"""The file that names the study of a folder that is written while the study runs."""

_Scalars = Sequence[tuple[str, int, float, float]]
"""Every finite number of a trial's epochs: name, epoch, value, and seconds since 1970."""


def write_tensorboard(results: Results, folder: Path) -> list[Path]:
    """Write an event file for each trial that has an epoch."""
    check_output_folder(folder)
    written = []
    try:
        if folder.exists() and any(folder.iterdir()):
            raise StorageError(_not_empty(folder))
        for trial, config, scalars, shown in _trials(results):
            place = folder / _folder_name(trial["trial_id"])
            writer = _new_writer(place)
            best = math.nan if trial["objective"] is None else trial["objective"]
            _write_config(writer, config, {shown: best})
            for name, epoch, value, moment in [*scalars, *_best(shown, best, scalars)]:
                writer.add_scalar(name, value, epoch, walltime=moment)
            writer.close()
            written.append(place)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"Cannot write {folder}: {reason}. Choose another folder with --tensorboard.") from None
    return written


def _not_empty(folder: Path) -> str:
    return f"{folder} is not empty, and TensorBoard would show its content, too. Choose another folder."


def _trials(results: Results) -> Iterator[tuple[dict[str, Any], Config, _Scalars, str]]:
    """The trials that have an epoch, each with its config, its scalars, and the name of that of its best value so far,
    which the HParams tab shows: `objective`, with `best_` before it where a metric has that name.
    """
    epochs, trials, rows = results.table("epochs"), results.table("trials"), dict[str, list[dict[str, Any]]]()
    shown, names = "objective", [*metric_columns(epochs.column_names), "learning_rate"]
    while shown in epochs.column_names:
        shown = f"best_{shown}"
    for row in epochs.select(["trial_id", "epoch", "time", *names]).to_pylist():
        rows.setdefault(row["trial_id"], []).append(row)
    for trial, config in zip(trials.to_pylist(), configs_of(trials, results.space), strict=True):
        scalars = [
            (name, row["epoch"], float(row[name]), row["time"].timestamp())
            for row in rows.get(trial["trial_id"], ())
            for name in names
            if row[name] is not None and math.isfinite(row[name])
        ]
        if trial["trial_id"] in rows:
            yield trial, config, scalars, shown


def _best(shown: str, best: float, scalars: _Scalars) -> _Scalars:
    """The scalar of the best value, at the last epoch."""
    if not math.isfinite(best) or not scalars:
        return []
    _, epoch, _, moment = max(scalars, key=lambda scalar: scalar[1])
    return [(shown, epoch, best, moment)]


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
            for trial, config, scalars, shown in _trials(results):
                if trial["trial_id"] not in self._ended:
                    self._write(folder / _folder_name(trial["trial_id"]), trial, config, scalars, shown)
        except (OSError, ValueError) as error:
            raise StorageError(f"Cannot write {folder}: {getattr(error, 'strerror', None) or error}.") from None

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _claim(self, folder: Path, results: Results) -> None:
        """Make sure that the folder has the events of this study only."""
        path, began = folder / _STUDY, str(results.sessions[0]["started"]) if results.sessions else ""
        mine = {"location": results.location.partition("?")[0], "started": began}
        try:
            claim = json.loads(path.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            # There is none, or it was killed while it wrote the file.
            claim = None
        if claim == mine:
            return
        if claim is not None:
            raise StorageError(f"{folder} has the events of another study with the same name. Choose another folder.")
        check_output_folder(folder)
        if folder.exists() and any(other != path for other in folder.iterdir()):
            raise StorageError(_not_empty(folder))
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(mine), "utf-8")

    def _write(self, place: Path, row: Mapping[str, Any], config: Config, scalars: _Scalars, shown: str) -> None:
        trial, best = row["trial_id"], math.nan if row["objective"] is None else row["objective"]
        if trial not in self._known:
            self._known[trial] = _shown_scalars(place)
        known = self._known[trial]
        values = {(name, epoch): value for name, epoch, value, _ in scalars}
        # The best value so far is not a value of one epoch. An event holds a value in 32 bits.
        repeated = min(
            (epoch for (name, epoch), value in known.items()
             if name != shown and np.float32(values.get((name, epoch), math.nan)) != np.float32(value)),
            default=None,
        )  # fmt: skip
        started = bool(known)
        if repeated is not None:
            self._discard(trial, place, repeated)
        new = [one for one in scalars if one[:2] not in known]
        # HParams shows the newest value, which is that of the whole trial.
        new += [one for one in _best(shown, best, scalars) if new and one[:2] not in known]
        if new:
            writer = self._writer(trial, place)
            if not started:
                _write_config(writer, config, {shown: best})
            for name, epoch, value, moment in new:
                writer.add_scalar(name, value, epoch, walltime=moment)
                known[name, epoch] = value
            writer.flush()
        if row["state"] not in LIVE_STATES:
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


def _new_writer(place: Path) -> "SummaryWriter":
    from tensorboardX import SummaryWriter

    # File names contain the second: a file of the same second would replace an earlier session's.
    earlier = len(list(place.glob("events.out.*")))
    return SummaryWriter(str(place), write_to_disk=True, filename_suffix=f".{earlier}" if earlier else "")


def _write_config(writer: "SummaryWriter", config: Config, best: Mapping[str, float]) -> None:
    from tensorboardX.summary import hparams

    # The tab shows a metric only where a scalar of that name is written too.
    for summary in hparams({name: scalar(value) for name, value in config.items()}, dict(best)):
        writer.file_writer.add_summary(summary)


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
