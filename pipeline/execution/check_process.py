"""The process of a check: a small run with the user's code, TensorFlow and Ray, which may fail, hang or be killed.

It leads a process group, so that processes of the user's code end with it, and ends itself when the process that
started it is gone.
"""

import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import psutil

from pipeline.code import takes_state, user_frame
from pipeline.datasets import (
    Dataset,
    differences,
    fingerprint,
    leaves,
    non_finite,
    pipeline_text,
    recorded_for,
    takes_config,
)
from pipeline.engine.messages import Assignment, EpochRow
from pipeline.errors import TunepipeError
from pipeline.execution.driver.record import Recorder
from pipeline.execution.driver.session import Session
from pipeline.execution.node_facts import installed
from pipeline.execution.ray.cluster import ENVIRONMENT
from pipeline.execution.ray.job_transport import unpack
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.execution.worker.worker import Worker
from pipeline.machine import process_memory
from pipeline.space import Config, key_of
from pipeline.storage import Store
from pipeline.storage.schema import MEASURES
from pipeline.study import TuneJob
from pipeline.study.context import TrialContext, in_trial
from pipeline.text import capitalized, counted, rough_duration, size
from pipeline.training.data import example_config, load_data

JOB = "job.pickle"
"""The file of a job whose sources cannot be copied."""

_QUICK_SECONDS = {True: 10.0, False: 40.0}
"""An epoch of a model, or a step of a function, whose first one may import a library, that is trained repeatedly."""

_CANDIDATES, _REPRESENTATIVE = 64, 8
"""Configs that are drawn, and those of them that cover the space."""

_SEEDED = "Draw from random, numpy.random or keras.random, which are seeded."
_FIX = "Fix it, and check again."
_MAX_LENGTH = 400
START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from pipeline.execution.check_process import serve; serve(*sys.argv[2:])"
)
_HOME = str(Path(__file__).parents[2])
"""The entry of sys.path in which the process finds tunepipe: also the folder of a job within a checkout."""

Publish = Callable[[str, Any], None]


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """A machine that trials may run on."""

    name: str
    cpus: float
    gpus: float
    memory: float
    versions: Mapping[str, str] = field(default_factory=dict)
    trouble: str | None = None


def checks_of(job: TuneJob) -> list[str]:
    """The checks of a job's small run, in order."""
    model = job.model is not None
    named = {
        "data": model,
        "epoch": True,
        "objective": True,
        "resume": True,
        "export": model and job.folds == 1,
        "configs": model,
        "weights": model and job.scheduler.exploits,
    }
    return [name for name, made in named.items() if made]


def published(
    function: str, arguments: Mapping[str, Any], *, seconds: float, without: Collection[str] = ()
) -> Generator[tuple[str, Any], None, None]:
    """Run a function of this module in its own process: what it publishes, and at the end why it ended too early."""
    reader, writer = os.pipe()
    path = [entry for entry in sys.path if entry not in without or entry == _HOME]
    late = threading.Event()
    with TemporaryFile() as printed, os.fdopen(reader, "rb") as lines:
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", START, json.dumps(path), function, str(writer), json.dumps(arguments)],
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=subprocess.STDOUT,
                pass_fds=[writer],
                start_new_session=True,
                env={**ENVIRONMENT, **os.environ},
            )
        finally:
            os.close(writer)

        def end() -> None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        def watch() -> None:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                late.set()
            # Processes that the user's code has started may keep the pipe open.
            end()

        threading.Thread(target=watch, daemon=True).start()
        try:
            for line in lines:
                kind, value = json.loads(line)
                yield kind, value
            if code := process.wait():
                yield (
                    ("late", f"It had not ended after {seconds:g} s.")
                    if late.is_set()
                    else ("ended", _death(code, printed))
                )
        finally:
            end()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


def _death(code: int, printed: Any) -> str:
    printed.seek(0)
    lines = [line for line in printed.read().decode(errors="replace").splitlines() if line.strip()]
    how = f"ended with code {code}"
    if code < 0:
        how = f"was killed by {signal.Signals(-code).name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")
    return f"Its process {how}." + (f" It last printed: {' / '.join(lines[-4:])}" if lines else "")


def serve(function: str, writer: str, arguments: str) -> None:
    """The other side of `published`, which runs in the process."""
    os.set_inheritable(int(writer), False)
    alive = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def follow() -> None:
        # Nothing is ever written: the pipe ends with the process that has started this one.
        os.read(alive, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    def publish(kind: str, value: Any) -> None:
        os.write(int(writer), json.dumps([kind, value]).encode() + b"\n")

    threading.Thread(target=follow, daemon=True).start()
    named = json.loads(arguments)
    try:
        if function == "ask_nodes":
            ask_nodes(publish, **named)
        else:
            SmallRun(publish, named["originals"]).run(named["folder"], named["folders"], named["recorded"])
    except BaseException as error:
        publish("ended", _error_text(_text(error), named.get("originals", {})))
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the user's code would keep the process alive.
    os._exit(0)


class SmallRun:
    """One trial of a job, two epochs, a resume from the first one, and an export; then models of other configs."""

    def __init__(self, publish: Publish, originals: Mapping[str, str]) -> None:
        self._publish, self._originals = publish, originals

    def run(self, folder: str, folders: list[str], recorded: Mapping[str, Any] | None) -> None:
        """Publish a finding for each check, and what was measured if an epoch was trained."""
        store, packed = Store(folder), Path(folder, JOB)
        job = unpack(packed.read_bytes() if packed.is_file() else None, folders, store)
        data = None
        if job.data is not None:
            data = load_data(job, recorded=recorded)
            self._found("data", *_data_finding(job, data, recorded))
        recorder = Recorder(store, job, session=1)
        session = Session(job, store, recorder, build_scheduler=ray_scheduler(job), draw=ray_draw(job))
        trials = [trial for trial in islice(iter(session.next, None), _CANDIDATES) if trial is not None]
        # Where epochs are counted over all trials, a worker reports each of them.
        each = job.replaced({"budget.total_epochs": 1})
        worker = Worker(each, data, store, session=1, capture=False)
        started = time.time() - float(psutil.Process().create_time())
        trained = self._trained(job, worker, trials)
        held = process_memory()
        worker.close()
        if trained is None:
            return
        trial, rows = trained
        seconds = _seconds(rows[-1])
        if seconds < _QUICK_SECONDS[job.model is not None]:
            self._found("resume", *_resume_finding(job, worker, trial, store, rows))
            if "export" in checks_of(job):
                self._export(job, worker, trial, rows)
        else:
            for name in ("resume", "export"):
                self._found(name, "skipped", f"an epoch takes {rough_duration(seconds)}")
        if job.model is not None:
            chosen = representative(trials)
            self._build(worker, chosen, store)
            if "weights" in checks_of(job):
                self._found("weights", *_weights_finding(job, worker, chosen, store))
        measured = {"seconds_start": started, "seconds_build": rows[0]["seconds_build"], "seconds_epoch": seconds}
        checkpoint = max((bytes_ for _, bytes_ in store.sizes("checkpoints")), default=0)
        self._publish("measured", {**measured, "bytes_checkpoint": checkpoint, "bytes_memory": held})

    def _found(self, name: str, level: str, text: str, advice: str = "") -> None:
        text = _error_text(text, self._originals) if level == "error" else text
        self._publish("finding", {"name": name, "level": level, "found": text, "advice": advice})

    def _trained(
        self, job: TuneJob, worker: Worker, trials: Sequence[Assignment]
    ) -> tuple[Assignment, list[EpochRow]] | None:
        """The first trial whose numbers are finite, and its epochs; None if none trains."""
        metric, infinite = job.objective.metric, list[str]()
        for trial in trials[: job.budget.max_failed_trials]:
            rows, problem = _epochs(job, worker, trial)
            if not rows or all(math.isfinite(rows[-1]["metrics"].get(name, 0.0)) for name in ("loss", metric)):
                break
            infinite.append(_config_text(trial.config))
        missing = bool(rows) and metric not in rows[-1]["metrics"]
        if not rows or (problem and not missing):
            advice = "Check the data, or use smaller learning rates in the space." if infinite else _FIX
            self._found("epoch", "error", problem or "The trial ended before its first epoch.", advice)
            return None
        text = f"trial {trial.trial_id} trains: {rough_duration(_seconds(rows[-1]))} per "
        text += "step" if job.model is None else f"epoch, {rough_duration(rows[0]['seconds_build'])} to build its model"
        notes = [capitalized(note) for note in worker.trainer_factory.notes.texts]
        notes += [f"The loss or the objective is not finite with {'; '.join(infinite)}."] if infinite else []
        self._found("epoch", "warning" if notes else "ok", ". ".join([text, *notes]))
        names = ", ".join(rows[-1]["metrics"])
        if missing:
            self._found("objective", "error", problem or f"There is no metric {metric!r}; available: {names}", _FIX)
            return None
        value = rows[-1]["metrics"][metric]
        text = f"{metric} ({job.objective.mode}) is {value:.4g} after the first epochs; metrics: {names}"
        known = {*rows[-1]["metrics"], *(MEASURES if job.model is not None else ("seconds_train",))}
        if others := [objective.metric for objective in job.objectives if objective.metric not in known]:
            advice = "Only the first objective decides which trial is best, so the study can run."
            self._found("objective", "warning", f"{text}. There is no {', '.join(others)}", advice)
        else:
            self._found("objective", "ok", text)
        return trial, rows

    def _export(self, job: TuneJob, worker: Worker, trial: Assignment, rows: Sequence[EpochRow]) -> None:
        value = rows[-1]["metrics"][job.objective.metric]
        worker.begin(replace(trial, task="finish", epoch=rows[-1]["epoch"], value=value, new=False))
        report = worker.step()
        worker.close()
        if problem := report.failure:
            self._found("export", "warning", _error_text(problem, self._originals), "The best model would be missing.")
        else:
            self._found("export", "ok", "the model of a trial can be saved, loaded and evaluated")

    def _build(self, worker: Worker, trials: Sequence[Assignment], store: Store) -> None:
        """Build the models of a few configs that cover the space."""
        failures = []
        for trial in trials:
            try:
                _variables(worker, trial, trial.config, store)
            except (Exception, SystemExit) as error:
                failures.append(f"for example {_config_text(trial.config)}: {_text(error)}")
        count = counted(len(trials), "config")
        if failures:
            advice = "Fix it, or remove it from the space; trials of such configs would fail."
            self._found(
                "configs", "error", f"{len(failures)} of {count} failed to build a model, {failures[0]}", advice
            )
        else:
            self._found("configs", "ok", f"models of {count} sampled across the space can be built")


def _epochs(job: TuneJob, worker: Worker, trial: Assignment) -> tuple[list[EpochRow], str]:
    """The first epochs of a trial, a second one only if the first was quick, and what ended it early, if anything."""
    worker.begin(trial)
    report = worker.step()
    rows = [*report.rows]
    again = rows and len(rows) < job.budget.epochs and _seconds(rows[-1]) < _QUICK_SECONDS[job.model is not None]
    if again and not report.last and report.failure is None:
        report = worker.step()
        rows += report.rows
    return rows, (report.failure or "")


def _seconds(row: EpochRow) -> float:
    return row["seconds_train"] + row["seconds_evaluate"] + row["seconds_checkpoint"]


def _resume_finding(
    job: TuneJob, worker: Worker, trial: Assignment, store: Store, rows: Sequence[EpochRow]
) -> tuple[str, ...]:
    """Whether a trial that is trained again, and resumed after its first epoch, has the same metrics."""
    for path in [*store.files("checkpoints"), *store.files("files")]:
        store.delete(path)
    differing, problem = "", ""
    for then in rows:
        worker.begin(trial if then is rows[0] else replace(trial, new=False, attempt=2, epoch=1, reported_epoch=1))
        report = worker.step()
        worker.close()
        now = next((row for row in report.rows if row["epoch"] == then["epoch"]), None)
        if now is None:
            problem = report.failure or f"there is no epoch {then['epoch']}"
            break
        if names := [name for name, value in then["metrics"].items() if not _same(value, now["metrics"].get(name))]:
            name = job.objective.metric if job.objective.metric in names else names[0]
            differing = f"{name} is {now['metrics'].get(name)}, not {then['metrics'][name]}"
            break
    if unsaved := [part.kind for part in (job.scheduler, job.searcher) if not part.resumes]:
        text = f"The study cannot be resumed: the state of {' and '.join(unsaved)} cannot be saved"
        return "warning", text, "Use tunepipe's own schedulers and searchers to be able to resume."
    advice = "The study can still be resumed; epochs that are trained twice may differ."
    if problem:
        return "warning", f"A killed trial may fail when it is trained again: {_first_line(problem)}", advice
    if differing:
        how = "trained again from the same seed" if then is rows[0] else "resumed from its checkpoint"
        return "warning", f"A killed trial may differ after it is resumed: {how}, its {differing}", advice
    if job.function is not None and not takes_state(job.function):
        steps, seconds = counted(job.budget.epochs, "step"), rough_duration(job.budget.epochs * _seconds(rows[-1]))
        return "ok", f"a killed trial is replayed from its first step, which takes up to {seconds} ({steps})"
    return "ok", "a killed trial resumes exactly from its checkpoint"


def _same(value: float, other: float | None) -> bool:
    return value == other or (other is not None and math.isnan(value) and math.isnan(other))


def _data_finding(job: TuneJob, data: Dataset | None, recorded: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Whether a model can learn from the data: rows, shapes, numbers that are not finite, and whether they repeat."""
    assert data is not None
    now = fingerprint(data)
    text = f"{data.name}: {_described(data, now)}"
    if places := non_finite(data):
        counts = ", ".join(f"{count} in the {place}" for place, count in places.items())
        return "error", f"{text}. Not finite: {counts}", "Fill or drop these rows: weights would be NaN."
    before = recorded_for(recorded, example_config(job))
    if before is not None and (changes := differences(before, now)):
        text = f"{text}. They differ from those that the study began with: {'; '.join(changes)}"
        return "error", text, "Restore them, or accept these with --accept-changes."
    again = load_data(job) if callable(job.data) else data
    if again is not None and (changes := differences(now, fingerprint(again))):
        text = f"{text}. The data function returns different data at each call: {'; '.join(changes)}"
        # A trial's data are compared with those of earlier trials that have the same values.
        return "error" if takes_config(job.data) else "warning", text, _SEEDED
    return "ok", text


def _described(data: Dataset, found: Mapping[str, Any]) -> str:
    rows = ", ".join(f"{split.rows:,} {name}" for name, split in data.arrays.items())
    classes = f", {len(data.classes)} classes" if data.classes else ""
    train = data.arrays.get("train")
    if train is None:
        parts = [f"{rows} rows"] if rows else []
        parts += [f"{name} is {pipeline_text(entry)}" for name, entry in found.items() if "pipeline" in entry]
        return "; ".join(parts) + classes
    targets = _shapes(train.y) or "none"
    return f"{rows} rows; inputs {_shapes(train.x)}, targets {targets}{classes}; {size(data.bytes)}"


def _shapes(tree: Any) -> str:
    if isinstance(tree, Mapping):
        return ", ".join(f"{name} {_shapes(part)}" for name, part in tree.items())
    types = {"O": "text", "S": "text", "U": "text"}
    shapes = [("×".join(map(str, a.shape[1:])) or "1", types.get(a.dtype.kind, a.dtype)) for a in leaves(tree)]
    return ", ".join(f"{shape} {kind}" for shape, kind in shapes)


def _variables(worker: Worker, trial: Assignment, config: Config, store: Store) -> list[tuple[Any, ...]]:
    """Shapes of the variables of a config's model, which is built in a folder that leaves nothing to a trial."""
    with TemporaryDirectory(dir=store.local) as folder:
        context = TrialContext(trial.trial_id, trial.seed, 1, Path(folder))
        with in_trial(context, worker.trainer_factory.directory(config)):
            learner: Any = worker.trainer_factory.learner(config, seed=trial.seed)
            try:
                models = getattr(learner, "members", None) or [learner]
                return [tuple(variable.shape) for each in models for variable in each.model.variables]
            finally:
                learner.close()


def _weights_finding(job: TuneJob, worker: Worker, trials: Sequence[Assignment], store: Store) -> tuple[str, ...]:
    """Whether trials can take over each other's weights: builds models whose configs differ in one hyperparameter."""
    first = trials[0]
    own = _variables(worker, first, first.config, store)
    explored = getattr(job.scheduler, "explore", None) or first.config
    for name in [name for name in explored if name in first.config]:
        values = {key_of(trial.config[name]): trial.config[name] for trial in trials if name in trial.config}
        for value in values.values():
            try:
                other = _variables(worker, first, {**first.config, name: value}, store)
            except (Exception, SystemExit):
                # The finding of the configs names it.
                continue
            if other != own:
                text = f"With {job.scheduler.kind}, a trial continues with another trial's weights, but {name} changes "
                text += f"the model's variables: they differ between {first.config[name]!r} and {value!r}"
                others = json.dumps([each for each in explored if each != name])
                advice = (
                    f"Let the population change the others alone with --set 'scheduler.explore={others}', or fix it "
                )
                return "error", text, f"{advice}with --set space.{name}=VALUE."
    return "ok", f"no hyperparameter that {job.scheduler.kind} explores changes the model's variables"


def representative(trials: Sequence[Assignment]) -> list[Assignment]:
    """A few trials whose configs cover the space as well as possible: every choice, both ends of every range."""
    values: dict[str, dict[Any, Any]] = {}
    for trial in trials:
        for name, value in trial.config.items():
            values.setdefault(name, {})[key_of(value)] = value

    def features(config: Config) -> set[Any]:
        shown: set[Any] = {(name, None) for name in values if name not in config}
        for name, value in config.items():
            numbers = [each for each in values[name].values() if isinstance(each, int | float)]
            few = len(values[name]) <= _REPRESENTATIVE or len(numbers) < len(values[name])
            if few or value in (min(numbers), max(numbers)):
                shown.add((name, key_of(value)))
        return shown

    left = list(trials)
    chosen, seen = [left.pop(0)], features(trials[0].config)
    while left and len(chosen) < _REPRESENTATIVE:
        best = max(left, key=lambda trial: len(features(trial.config) - seen))
        left.remove(best)
        chosen.append(best)
        seen |= features(best.config)
    return chosen


def _text(error: BaseException) -> str:
    """An error as a report of a worker has it: a sentence, and its traceback."""
    sentence = str(error) if isinstance(error, TunepipeError) else f"{type(error).__name__}: {error}"
    return f"{sentence}\n\n{''.join(traceback.format_exception(error.__cause__ or error))}"


def _error_text(text: str, originals: Mapping[str, str]) -> str:
    """An error in a line, with the line of the user's code at which it occurred."""
    line, frame = _first_line(text), user_frame(text, originals)
    if frame is None:
        return line
    place = f"{originals.get(frame.file, frame.file)}, line {frame.line}, in {frame.function}"
    return f"{line} ({place}: {frame.code})" if frame.code else f"{line} ({place})"


def _first_line(text: str) -> str:
    lines = text.partition("\n\nTraceback")[0].strip().splitlines() or [""]
    return lines[0] if len(lines[0]) <= _MAX_LENGTH else f"{lines[0][: _MAX_LENGTH - 1]}…"


def _config_text(config: Config) -> str:
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in config.items()
    )


def ask_nodes(publish: Publish, *, address: str, uri: str, seconds: float) -> None:
    """Publish the resources and versions of every node of a cluster, and whether it sees the storage."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init(address, log_to_driver=False, logging_level=logging.ERROR, namespace="tunepipe")
    alive = [node for node in ray.nodes() if node["Alive"]]
    asked = [
        ray.remote(_probe)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote(uri, node["NodeID"])
        for node in alive
    ]
    for node, answer in zip(alive, asked, strict=True):
        versions, trouble, has = {}, None, node["Resources"]
        try:
            versions, trouble = ray.get(answer, timeout=seconds)
            if trouble is None and not Store(uri).exists(f"seen-{node['NodeID']}"):
                trouble = f"writes to another storage {uri} than this machine"
        except ray.exceptions.GetTimeoutError:
            trouble = f"did not answer within {seconds:g} s"
        except ray.exceptions.RayError as error:
            trouble = f"cannot run tunepipe: {str(error).strip().splitlines()[-1]}"
        cpus, gpus, memory = (has.get(kind, 0.0) for kind in ("CPU", "GPU", "memory"))
        publish("node", asdict(Node(str(node["NodeManagerHostname"]), cpus, gpus, memory, versions, trouble)))


def _probe(uri: str, mark: str) -> tuple[dict[str, str], str | None]:
    """The versions on a node, and its trouble with the storage; runs there."""
    store = Store(uri)
    try:
        if not store.exists("probe"):
            return installed(), f"cannot find the storage {uri}"
        store.write(f"seen-{mark}", mark)
    except TunepipeError as error:
        return installed(), str(error)
    return installed(), None
