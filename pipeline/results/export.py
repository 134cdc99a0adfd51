"""A study in MLflow or TensorBoard, written at once or while it runs: each epoch soon after it was recorded.

Both read the study's own files, and write what their tool does not have yet. A log that fails harms no study.
"""

import hashlib
import json
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.engine.trial import LIVE_STATES
from pipeline.errors import JobNotFound, StorageError, UsageError
from pipeline.results.analysis.parameters import domain_in_words
from pipeline.results.tables.load import Results, configs_of, load_results, stamp
from pipeline.results.views.study import provenance_in_words
from pipeline.space import Config, scalar
from pipeline.storage import Store
from pipeline.storage.schema import metric_column, metric_columns
from pipeline.study import layout
from pipeline.study.contents import check_output_folder
from pipeline.text import sanitize, sanitize_line

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient
    from tensorboardX import SummaryWriter

_POLL_SECONDS, _END_SECONDS, _FAILED_SECONDS = 2.0, 120.0, 10.0
"""Between two looks at a study; how long a command waits for the last values; and for a log that has failed before."""
_SHARE = 0.05
"""At most this share of the study's time is spent on logging."""

_METRICS, _PARAMS, _LONGEST = 900, 100, 5000
"""The maximum number of entries that MLflow accepts in one request, and of characters in a tag or a param."""

_STATUS = {"failed": "FAILED", "running": "RUNNING", "paused": "RUNNING", "waiting": "SCHEDULED"}
"""MLflow's status for the state of a trial or a study; every other state is FINISHED, including an early stop."""

_MLFLOW_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # data goes only to the tracking server that the user names
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout belongs to the command
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the default of 7 takes minutes where no server answers
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; so do the default of 120 where a server hangs
}
"""Environment variables of MLflow; those that the user has set keep their values."""

_CLAIM = "tunepipe.json"
"""The file that names the study of a folder of TensorBoard's."""

_Point = tuple[str, int, float, datetime]
"""A number of an epoch: name, epoch, value, time."""


def logs_of(texts: Sequence[str]) -> dict[str, "MLflowLog | TensorBoardLog"]:
    """The logs that a user has asked for; a relative path is one of the current folder, which a trial may change."""
    logs: dict[str, MLflowLog | TensorBoardLog] = {}
    for text in texts:
        kind, _, place = text.partition("=")
        if kind == "mlflow" and place:
            logs[text] = MLflowLog(place)
        elif kind == "tensorboard" and place:
            check_output_folder(Path(place))
            logs[text] = TensorBoardLog(Path(place).absolute())
        else:
            raise UsageError(f"--log must be mlflow=URI, mlflow=FOLDER or tensorboard=FOLDER; found {text!r:.200}.")
    return logs


@contextmanager
def log_live(store: Store, texts: Sequence[str], note: Callable[[str], None]) -> Iterator[None]:
    """Log a study while the context is open, and the rest of it when the context ends, however it ends."""
    ended = threading.Event()
    # A thread for each, so that a server which hangs keeps no other log waiting.
    threads = [_LogThread(store, text, log, note, ended) for text, log in logs_of(texts).items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        began = time.monotonic()
        for thread in threads:
            while thread.is_alive() and (left := began + thread.patience - time.monotonic()) > 0:
                thread.join(min(left, 0.2))
            if thread.is_alive():
                note(f"--log {thread.name}: not everything is logged yet; a resume with --log adds the rest.")


class _LogThread(threading.Thread):
    """Logs what is new, again and again, and once more at the end."""

    def __init__(self, store: Store, text: str, log: Any, note: Callable[[str], None], ended: threading.Event) -> None:
        super().__init__(name=text, daemon=True)
        self._store, self._log, self._note, self._ended = store, log, note, ended
        self._noted, self._mark, self.patience = False, "", _END_SECONDS

    def run(self) -> None:
        """Log until the study has ended, and then what is left."""
        pause = _POLL_SECONDS
        while not self._ended.wait(pause):
            began = time.monotonic()
            self._guarded(self._update)
            pause = max(_POLL_SECONDS, (time.monotonic() - began) / _SHARE)
        self._guarded(self._update)
        self._guarded(self._log.close)

    def _update(self) -> None:
        mark = stamp(self._store)
        if mark != self._mark:
            self._log.update(load_results(self._store.uri))
            # Not before: what could not be logged is tried again.
            self._mark = mark

    def _guarded(self, call: Callable[[], Any]) -> None:
        try:
            call()
            self.patience = _END_SECONDS
        except JobNotFound:
            pass  # the study has not begun yet, or was deleted
        except Exception as error:
            self.patience = _FAILED_SECONDS
            if not self._noted:
                self._noted = True
                reason = sanitize_line(str(error) or type(error).__name__)
                self._note(f"--log {self.name}: {reason} The study continues, and missing epochs are logged later.")


def _points(results: Results, trials: pa.Table) -> Iterator[tuple[dict[str, Any], Config, list[_Point]]]:
    """Some rows of `trials` with the config of each and the finite numbers of its epochs; of hyperparameters that
    change while a trial trains, too.
    """
    epochs = results.table("epochs")
    epochs = epochs.filter(pc.is_in(epochs["trial_id"], value_set=trials["trial_id"].combine_chunks()))
    metrics = [*metric_columns(epochs.column_names), "learning_rate"]
    changing = [*metrics, *(name for name in epochs.column_names if name.startswith("config_"))]
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in epochs.to_pylist():
        rows.setdefault(row["trial_id"], []).append(row)
    for trial, config in zip(trials.to_pylist(), configs_of(trials, results.space), strict=True):
        own = rows.get(trial["trial_id"], [])
        points = [
            (name, row["epoch"], float(row[name]), row["time"])
            for row in own
            for name in (changing if len({row["segment"] for row in own}) > 1 else metrics)
            if isinstance(row[name], int | float) and math.isfinite(row[name])
        ]
        yield trial, config, points


class MLflowLog:
    """A study and its trials as runs of an experiment with the study's name, in a tracking server or a folder.

    The study's run is recognised by the study's location and first start. A trial whose run has its state and number
    of epochs is not written again; one that has trained further gets its new epochs.
    """

    def __init__(self, destination: str) -> None:
        for name, value in _MLFLOW_SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            import mlflow.tracking  # noqa: F401
        except ImportError:
            raise UsageError(
                "MLflow needs a package that is not installed: `pip install '.[mlflow]'` in the checkout."
            ) from None
        self._destination, self._artifacts = destination, None
        if (database := re.fullmatch(r"sqlite:///(.+)", destination)) is not None:
            file = Path(database[1]).absolute()
            check_output_folder(file)
            self.uri = f"sqlite:///{file}"
        elif "://" in destination or destination.partition(":")[0] == "databricks":
            self.uri = destination
        else:
            folder = Path(destination).expanduser().resolve()
            check_output_folder(folder)
            # MLflow has given up its format of plain files; a database needs no server either.
            self.uri, self._artifacts = f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts"

    def update(self, results: Results) -> tuple[int, int]:
        """Write what is new; returns how many trials were written, and how many were there already."""
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            if self._artifacts is not None:
                self._artifacts.parent.mkdir(parents=True, exist_ok=True)
            client = MlflowClient(tracking_uri=self.uri)
            existing = client.get_experiment_by_name(results.name)
            artifacts = None if self._artifacts is None else self._artifacts.as_uri()
            experiment = existing.experiment_id if existing else client.create_experiment(results.name, artifacts)
            return _write_study(client, experiment, results)
        except (MlflowException, OSError) as error:
            reason = sanitize(str(error)).strip().partition("\n")[0].rstrip(".")
            raise StorageError(
                f"MLflow at {self._destination}: {reason}. Name a tracking URI (http://HOST:5000, sqlite:///FILE) or "
                "a folder."
            ) from None

    def close(self) -> None:
        """Nothing is open."""


def _write_study(client: "MlflowClient", experiment: str, results: Results) -> tuple[int, int]:
    began = str(results.sessions[0]["started"]) if results.sessions else ""
    identity = hashlib.sha256(f"{results.location}\n{began}".encode()).hexdigest()
    start = _milliseconds(datetime.fromisoformat(began)) if began else None
    found = client.search_runs([experiment], f"tags.`tunepipe.study` = '{identity}'")
    tags = {"tunepipe.study": identity, "tunepipe.location": results.location}
    parent = found[0] if found else client.create_run(experiment, start, tags, results.name)
    runs = {run.data.tags.get("tunepipe.trial"): run for run in _children(client, experiment, parent.info.run_id)}
    trials = results.table("trials")
    new = [
        runs.get(row["trial_id"]) is None
        or any(runs[row["trial_id"]].data.tags.get(name) != text for name, text in _progress(row).items())
        for row in trials.select(["trial_id", "state", "epochs"]).to_pylist()
    ]
    moments = results.query("""
        select trial_id, epoch_us(min(time)) // 1000 as first, epoch_us(max(time)) // 1000 as last
        from (select trial_id, time from epochs union all select trial_id, time from decisions) group by trial_id
    """)
    times = {row["trial_id"]: (row["first"], row["last"]) for row in moments.to_pylist()}
    best = f"best.{metric_column(results.objective.metric)}"
    for trial, config, points in _points(results, trials.filter(pa.array(new, pa.bool_()))):
        run, (first, last) = runs.get(trial["trial_id"]), times.get(trial["trial_id"], (None, None))
        params = _texts({name: scalar(value) for name, value in config.items()})
        if run is not None and any(params.get(name, text) != text for name, text in run.data.params.items()):
            # MLflow changes no param, but population based training changes hyperparameters.
            client.delete_run(run.info.run_id)
            run = None
        if run is None:
            own = {"mlflow.parentRunId": parent.info.run_id, "tunepipe.trial": trial["trial_id"]}
            run = client.create_run(experiment, first, own, f"{results.name} {trial['trial_id']}")
        points += [
            (best, epoch, trial["objective"], moment)
            for _, epoch, _, moment in points[-1:]
            if trial["objective"] is not None
        ]
        details = {
            "tunepipe.seconds": f"{trial['seconds']:.3f}", "tunepipe.parent_trial": trial["parent"],
            "tunepipe.error": trial["error"],
        }  # fmt: skip
        # The progress last: a run whose export was interrupted does not count as up to date.
        _write_run(client, run, params, points, _texts(details), _STATUS.get(trial["state"], "FINISHED"), last)
        _log_tags(client, run.info.run_id, _progress(trial))
    _write_parent(client, parent, results, [last for _, last in times.values()])
    return sum(new), len(new) - sum(new)


def _progress(trial: Mapping[str, Any]) -> dict[str, str]:
    """The tags that say how far a trial's run was written."""
    return {"tunepipe.state": trial["state"], "tunepipe.epochs": str(trial["epochs"])}


def _children(client: "MlflowClient", experiment: str, parent: str) -> Iterator[Any]:
    token: str | None = ""
    while token is not None:
        page = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'", page_token=token or None)
        yield from page
        token = page.token or None


def _write_parent(client: "MlflowClient", run: Any, results: Results, ends: Sequence[int]) -> None:
    """The study's run: its job as params, the winner's metrics, its state and environment as tags, and the winner."""
    job, objective, best, epochs = results.job, results.objective, results.best, results.table("epochs")
    params = {
        "objective": f"{objective.metric} ({objective.mode})", "scheduler": job["scheduler"]["kind"],
        "searcher": job["searcher"]["kind"], "seed": job["seed"],
        # The first branch that has a parameter describes it: several branches may have one of the same name.
        **{f"space.{one.name}": domain_in_words(one.domain) for one in reversed(results.parameters)},
    }  # fmt: skip
    values = {name if name.isidentifier() else metric_column(name): each for name, each in (results.test or {}).items()}
    values |= {f"best.{metric_column(objective.metric)}": best.value} if best else {}
    tags = {
        "mlflow.note.content": job["description"], "tunepipe.state": results.state, "tunepipe.epochs": epochs.num_rows,
        "tunepipe.trials": results.table("trials").num_rows, "tunepipe.best_trial": best.trial_id if best else "",
    }  # fmt: skip
    recorded = [session for session in results.sessions if session.get("provenance")][-1:]
    for _, lines in provenance_in_words(recorded):
        tags |= {f"tunepipe.{label.replace(' ', '_')}": text for label, text in lines}
    if recorded and (git := recorded[0]["provenance"]["git"]):
        tags["mlflow.source.git.commit"] = git["commit"]
    end = max(ends, default=0)
    moment = datetime.fromtimestamp(end / 1000)
    points = [(name, epochs.num_rows, float(value), moment) for name, value in values.items() if math.isfinite(value)]
    status = _STATUS.get(results.state, "FINISHED")
    _write_run(client, run, _texts(params), points, _texts(tags), status, max(end, run.info.start_time or 0))
    if best is not None and results.test is not None:
        _log_model(client, run, Store(results.location), f"trial {best.trial_id}, epoch {best.epoch}")


def _log_model(client: "MlflowClient", run: Any, store: Store, winner: str) -> None:
    """Log the exported winner as an artifact of the study's run, once for each winner."""
    if run.data.tags.get("tunepipe.model") == winner:
        return
    with TemporaryDirectory() as folder:
        for path in store.files(layout.EXPORT):
            # These are in model.keras, too.
            if (name := PurePosixPath(path).name) != "model.weights.h5":
                with (Path(folder) / name).open("wb") as file:
                    file.writelines(store.pieces(path))
        client.log_artifacts(run.info.run_id, folder, "model")
    client.set_tag(run.info.run_id, "tunepipe.model", winner)


def _write_run(
    client: "MlflowClient", run: Any, params: Mapping[str, str], points: Sequence[_Point], tags: Mapping[str, str],
    status: str, end: int | None,
) -> None:  # fmt: skip
    """Write the params, points and tags that a run does not have, and its status."""
    from mlflow.entities import Metric, Param

    run_id = run.info.run_id
    logged = {(name, one.step) for name in run.data.metrics for one in client.get_metric_history(run_id, name)}
    entries = [Param(name, value) for name, value in params.items() if name not in run.data.params]
    metrics = [
        Metric(name, value, _milliseconds(moment), step)
        for name, step, value, moment in points
        if (name, step) not in logged
    ]
    for at in range(0, len(entries), _PARAMS):
        client.log_batch(run_id, params=entries[at : at + _PARAMS])
    for at in range(0, len(metrics), _METRICS):
        client.log_batch(run_id, metrics=metrics[at : at + _METRICS])
    _log_tags(client, run_id, tags)
    if status in ("FINISHED", "FAILED"):
        client.set_terminated(run_id, status, end)
    else:
        client.update_run(run_id, status=status)


def _log_tags(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as texts that MLflow accepts, without missing ones."""
    return {name: str(value)[:_LONGEST] for name, value in values.items() if value is not None and value == value}


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def write_tensorboard(results: Results, folder: Path) -> int:
    """Write an event file for each trial that has an epoch, into an empty folder; returns how many there are."""
    check_output_folder(folder)
    if folder.exists() and any(folder.iterdir()):
        raise StorageError(_not_empty(folder))
    log = TensorBoardLog(folder)
    try:
        return log.write(results, folder)
    finally:
        log.close()


def _not_empty(folder: Path) -> str:
    return f"{folder} is not empty, and TensorBoard would show its content, too. Choose another folder."


class TensorBoardLog:
    """Writes each epoch of a study into event files once, even over several sessions: one folder for each trial."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}
        self._known: dict[str, set[tuple[str, int]]] = {}
        self._ended: set[str] = set()

    def update(self, results: Results) -> None:
        """Write what is new into the study's folder."""
        folder = self._folder / results.name
        self._claim(folder, results)
        self.write(results, folder)

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def write(self, results: Results, folder: Path) -> int:
        """Write what is new of each trial that has an epoch; returns how many these are."""
        columns = results.table("epochs").column_names
        shown, trials, written = "objective", results.table("trials"), 0
        while shown in columns:
            shown = f"best_{shown}"  # the HParams tab shows the best value under this name
        live = trials.filter(pc.invert(pc.is_in(trials["trial_id"], value_set=pa.array(self._ended, pa.string()))))
        try:
            for trial, config, points in _points(results, live):
                if points:
                    self._write_trial(folder, trial, config, points, shown)
                    written += 1
        except OSError as error:
            raise StorageError(f"Cannot write {folder}: {error.strerror or error}.") from None
        return written

    def _claim(self, folder: Path, results: Results) -> None:
        """Make sure that the folder has the events of this study only."""
        path, began = folder / _CLAIM, str(results.sessions[0]["started"]) if results.sessions else ""
        mine = {"location": results.location.partition("?")[0], "started": began}
        try:
            claim = json.loads(path.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            claim = None  # there is none, or it was killed while it wrote the file
        if claim == mine:
            return
        check_output_folder(folder)
        if claim is not None or (folder.exists() and any(other != path for other in folder.iterdir())):
            raise StorageError(_not_empty(folder))
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(mine), "utf-8")

    def _write_trial(
        self, folder: Path, trial: Mapping[str, Any], config: Config, points: Sequence[_Point], shown: str
    ) -> None:
        trial_id, best = trial["trial_id"], math.nan if trial["objective"] is None else trial["objective"]
        if not (trial_id.isascii() and trial_id.isalnum()):
            raise StorageError(f"{trial_id!r:.100} is not a trial's id.")  # the study's files are not trusted
        place = folder / trial_id
        known = self._known.setdefault(trial_id, _written(place))
        if new := [point for point in points if point[:2] not in known]:
            writer = self._writer(trial_id, place)
            if not known:
                _write_config(writer, config, {shown: best})
            # HParams shows the newest value, which is that of the whole trial.
            for name, epoch, value, moment in [*new, (shown, *new[-1][1:2], best, new[-1][3])]:
                writer.add_scalar(name, value, epoch, walltime=moment.timestamp())
                known.add((name, epoch))
            writer.flush()
        if trial["state"] not in LIVE_STATES:
            self._ended.add(trial_id)
            self._known.pop(trial_id)
            if trial_id in self._writers:
                self._writers.pop(trial_id).close()

    def _writer(self, trial_id: str, place: Path) -> "SummaryWriter":
        from tensorboardX import SummaryWriter

        if trial_id not in self._writers:
            # File names contain the second: a file of the same second would replace an earlier session's.
            earlier = len(list(place.glob("events.out.*")))
            suffix = f".{earlier}" if earlier else ""
            self._writers[trial_id] = SummaryWriter(str(place), write_to_disk=True, filename_suffix=suffix)
        return self._writers[trial_id]


def _write_config(writer: "SummaryWriter", config: Config, best: Mapping[str, float]) -> None:
    from tensorboardX.summary import hparams

    # The tab shows a metric only where a scalar of that name is written too.
    for summary in hparams({name: scalar(value) for name, value in config.items()}, dict(best)):
        writer.file_writer.add_summary(summary)


def _written(place: Path) -> set[tuple[str, int]]:
    """The names and epochs of the scalars in a trial's folder; an event that was cut off is ignored."""
    from tensorboardX.proto.event_pb2 import Event

    written: set[tuple[str, int]] = set()
    for file in sorted(place.glob("events.out.*")):
        content, at = file.read_bytes(), 0
        # Each event: its length in 8 bytes, a checksum of 4, itself, and a checksum of 4.
        while at + 16 + (length := int.from_bytes(content[at : at + 8], "little")) <= len(content):
            event = Event.FromString(content[at + 12 : at + 12 + length])
            written |= {(value.tag, event.step) for value in event.summary.value if value.HasField("simple_value")}
            at += 16 + length
    return written
