"""`tunepipe check`: a small run of a study before it starts. What it finds is measured, not read from the user's code.

The small run has its own process, because the user's code may fail, hang or be killed. The process leads a process
group and ends with the process that has started it.
"""

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, Literal, TypeAlias

import numpy as np
import psutil

from pipeline.code.functions import takes_state
from pipeline.code.modules import error_text, sentence_of, user_frame
from pipeline.datasets import Dataset, differences, fingerprint, pipeline_text
from pipeline.datasets.base import leaves
from pipeline.engine.draws import own_draw
from pipeline.engine.engine import scheduler_context
from pipeline.engine.messages import EXPORT, Assignment, EpochRow
from pipeline.errors import TunepipeError
from pipeline.execution.ray.cluster import ENVIRONMENT
from pipeline.execution.ray.job_transport import pack, unpack
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.execution.start import fitting_workers, local_node, surprises
from pipeline.execution.worker.worker import Worker
from pipeline.machine import process_memory, this_machine
from pipeline.space import Config
from pipeline.storage import Store, layout
from pipeline.storage.schema import MEASURES
from pipeline.storage.scratch import remove_unused, scratch
from pipeline.study import TuneJob, save_study
from pipeline.study.context import TrialContext, in_trial
from pipeline.study.trial_configs import seed_of_trial, trials_in_all
from pipeline.text import counted, duration, first_line, listed, notes_to, size
from pipeline.training.data import load_data

Level: TypeAlias = Literal["ok", "warning", "error", "skipped"]

_JOB = "job.pickle"
"""The file of a job whose sources cannot be copied."""

_QUICK_SECONDS = {True: 10.0, False: 40.0}
"""An epoch of a model, or a step of a function, whose first one may import a library, that is trained repeatedly."""

_CANDIDATES, _BUILT = 64, 8
"""Configs that are drawn, and those of them whose models are built."""

_WARNED_SHARE = 0.5
"""The share of the free disk space from which checkpoints are a warning."""

# The folder of an installed tunepipe must not come before Python's own modules.
START = f"import sys; sys.path.append({str(Path(__file__).parents[2])!r}); " + (
    "from pipeline.execution.check import serve; serve(*sys.argv[1:])"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    name: str
    level: Level
    found: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f" {self.advice}" if self.advice else ""
        end = "" if self.found.endswith((".", "?", "!")) or not advice else "."
        return f"{self.level:<7}  {self.name:<9}  {self.found}{end}{advice}"


Estimate: TypeAlias = dict[str, float]
"""The size of a study, if no trial is stopped early and trials do not slow each other down; docs/results-json.md."""


@dataclass(frozen=True, slots=True, repr=False)
class CheckResult:
    """What a check has found; a notebook and `print` show a line for each finding."""

    findings: tuple[Finding, ...]
    estimate: Estimate | None

    @property
    def ok(self) -> bool:
        """Whether nothing was found that would make the study fail."""
        return all(finding.level != "error" for finding in self.findings)

    def __repr__(self) -> str:
        return "\n".join(map(str, self.findings))


def findings_of(job: TuneJob, storage: str | Path, *, seconds: float) -> Generator[Finding | Estimate, None, None]:
    """Every finding as soon as it is known, and an estimate once an epoch was trained.

    A closed or interrupted generator leaves no process and no file. What `run` refuses before it trains, such as too
    few CPUs, is raised.
    """
    place, fits = Store(storage), fitting_workers(job, [local_node()])
    workers = 1 if job.resources.workers == 0 else min(job.resources.workers or fits, fits, trials_in_all(job))
    yield from (Finding("job", "warning", text) for text in surprises(job))
    content, folders = pack(job)
    with scratch("check") as folder:
        store = Store(folder)
        save_study(store, job)
        if content is not None:
            store.write(_JOB, content)
        try:
            with closing(published(store.uri, json.dumps(folders), seconds=seconds)) as facts:
                for kind, value in facts:
                    if kind == "finding":
                        yield Finding(**value)
                    else:
                        yield (estimate := _estimate(job, workers, value))
                        yield from _size_findings(job, estimate, place)
        finally:
            # The process ends without leaving its shared caches.
            remove_unused()


def published(*arguments: str, seconds: float) -> Generator[tuple[str, Any], None, None]:
    """What `serve` publishes in its own process, and at the end why it ended too early."""
    with (
        TemporaryFile() as printed,
        subprocess.Popen(
            [sys.executable, "-P", "-c", START, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            start_new_session=True,
            env={**ENVIRONMENT, **os.environ},
        ) as process,
    ):

        def end() -> None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        started, timer = time.monotonic(), threading.Timer(seconds, end)
        timer.start()
        try:
            assert process.stdout is not None
            yield from map(json.loads, process.stdout)
            if code := process.wait():
                printed.seek(0)
                last = " / ".join(printed.read().decode(errors="replace").split("\n")[-5:])
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
                if time.monotonic() - started >= seconds:
                    how = f"had not ended after {seconds:g} s (more time: --wait SECONDS)"
                yield (
                    "finding",
                    asdict(Finding("process", "error", f"The check's process {how}. It last printed: {last}")),
                )
        finally:
            timer.cancel()
            end()


def _estimate(job: TuneJob, workers: int, measured: Mapping[str, Any]) -> Estimate:
    trials = trials_in_all(job)
    epochs = min(trials * job.budget.epochs, job.budget.total_epochs or math.inf)
    work = trials * measured["seconds_build"] + epochs * measured["seconds_epoch"]
    # Each trial keeps its newest and its best checkpoint, a live trial one more; paused trials stay live.
    live = trials if job.scheduler.pauses else min(trials, workers)
    top = job.checkpoints.top
    ended = trials if top is None else min(trials, top + live)
    return {
        "trials": trials,
        "epochs": int(epochs),
        "workers": workers,
        "seconds": measured["seconds_start"] + work / workers,
        "bytes_kept": measured["bytes_checkpoint"] * (2 * ended + live),
        **measured,
    }


def _size_findings(job: TuneJob, estimate: Estimate, storage: Store) -> Iterator[Finding]:
    """Memory, disk space and time of the whole study."""

    def compared(name: str, text: str, advice: str, *, exceeded: bool) -> Finding:
        return Finding(name, "warning", text, advice) if exceeded else Finding(name, "ok", text)

    workers, held = counted(estimate["workers"], "worker"), estimate["bytes_memory"] * estimate["workers"]
    free, seconds = this_machine().free, estimate["seconds"]
    text = f"{size(held)} for {workers}; {size(free)} are free"
    yield compared("memory", text, "Train fewer in parallel with --workers.", exceeded=held > free)
    kept, space = estimate["bytes_kept"], math.inf
    text = f"a checkpoint has {size(estimate['bytes_checkpoint'])}, all of them at most {size(kept)}"
    if storage.local is not None:
        place = next(folder for folder in (storage.local, *storage.local.parents) if folder.is_dir())
        space = shutil.disk_usage(place).free
        text += f"; {size(space)} are free"
    advice = "Keep fewer with --set checkpoints.top=N, or choose another --storage."
    yield compared("disk", text, advice, exceeded=kept > _WARNED_SHARE * space)
    text = f"about {duration(seconds)} for {counted(estimate['epochs'], 'epoch')} of "
    text += f"{counted(estimate['trials'], 'trial')} on {workers}, if none is stopped early"
    exceeded = job.budget.seconds is not None and seconds > job.budget.seconds
    yield compared("time", text, "budget.seconds ends the study earlier.", exceeded=exceeded)


def serve(uri: str, folders: str) -> None:
    """The process of a check: the other side of `published`."""
    # What the user's code and libraries print goes to standard error.
    out, alive = os.fdopen(os.dup(1), "w"), os.dup(0)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def end_with_parent() -> None:
        # Nothing is ever written: the pipe ends with the process that has started this one.
        os.read(alive, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    def publish(kind: str, value: Any) -> None:
        print(json.dumps([kind, value]), file=out, flush=True)

    threading.Thread(target=end_with_parent, daemon=True).start()
    store, packed = Store(uri), Path(uri, _JOB)
    try:
        job = unpack(packed.read_bytes() if packed.is_file() else None, json.loads(folders), store)
        for found in small_run(job, store):
            publish(*("finding", asdict(found)) if isinstance(found, Finding) else ("measured", found))
    except BaseException as error:
        publish("finding", asdict(Finding("process", "error", _in_line(_text(error)))))
    # Threads of the user's code would keep the process alive.
    os._exit(0)


def small_run(job: TuneJob, store: Store) -> Iterator[Finding | Mapping[str, Any]]:
    """One trial of a job: two epochs, a resume from the first, an export; then models of other configs.

    Yields a finding for each check, and last what was measured, if an epoch was trained.
    """
    if (data := load_data(job)) is not None:
        yield _data_finding(job, data)
    if (build := ray_scheduler(job)) is not None:
        build(scheduler_context(job))
    draw = ray_draw(job) or own_draw(job)
    drawn = [draw(number, [], ()) for number in range(min(_CANDIDATES, trials_in_all(job)))]
    configs = [dict(each.config) for each in drawn if each is not None]
    # Where epochs are counted over all trials, a worker reports each of them.
    worker = Worker(job.replaced({"budget.total_epochs": 1}), data, store, session=1, capture=False)
    started = time.time() - float(psutil.Process().create_time())
    metric, quick = job.objective.metric, _QUICK_SECONDS[job.model is not None]
    infinite, notes = list[str](), list[str]()
    with notes_to(lambda text: notes.append(text.removeprefix("tunepipe: "))):
        for number, config in enumerate(configs[: job.budget.max_failed_trials]):
            trial = Assignment(layout.trial_id(number), config, seed_of_trial(job, number))
            rows, problem = _epochs(worker, trial, quick)
            if not rows or all(math.isfinite(rows[-1]["metrics"].get(name, 0.0)) for name in ("loss", metric)):
                break
            infinite.append(_config_text(config))
    held = process_memory()
    worker.close()
    metrics: Mapping[str, float] = rows[-1]["metrics"] if rows else {}
    if not rows or (problem and metric in metrics):
        advice = "Check the data, or use smaller learning rates in the space." if infinite else ""
        yield Finding("epoch", "error", _in_line(problem or "The trial ended before its first epoch."), advice)
        return
    seconds, build_seconds = _seconds(rows[-1]), rows[0]["seconds_build"]
    text = f"trial {trial.trial_id} trains: {duration(seconds)} per "
    text += "step" if job.model is None else f"epoch, {duration(build_seconds)} to build its model"
    notes += [f"The loss or the objective is not finite with {'; '.join(infinite)}."] if infinite else []
    yield Finding("epoch", "warning" if notes else "ok", ". ".join([text, *notes]))
    if metric not in metrics:
        yield Finding("objective", "error", problem)
        return
    text = f"{metric} ({job.objective.mode}) is {metrics[metric]:.4g} after the first epochs; metrics: "
    others = [each.metric for each in job.objectives if each.metric not in {*metrics, *MEASURES}]
    missing = f"The study can run, but there is no {', '.join(others)}." if others else ""
    yield Finding("objective", "warning" if others else "ok", text + ", ".join(metrics), missing)
    if seconds < quick:
        if job.model is not None:
            yield _export_finding(worker, trial, rows[-1], metric)
        yield _resume_finding(job, worker, trial, store, rows)
    else:
        yield Finding("resume", "skipped", f"an epoch takes {duration(seconds)}")
    if job.model is not None:
        sampled = random.Random(job.seed).sample(configs, min(_BUILT, len(configs)))
        yield _configs_finding(worker, trial, sampled, store)
    checkpoint = max((count for _, count in store.sizes("checkpoints")), default=0)
    measured = {"seconds_start": started, "seconds_build": build_seconds, "seconds_epoch": seconds}
    yield {**measured, "bytes_checkpoint": checkpoint, "bytes_memory": held}


def _epochs(worker: Worker, trial: Assignment, quick: float) -> tuple[list[EpochRow], str]:
    """The first epochs of a trial, a second one only if the first was quick, and what ended it early, if anything."""
    worker.begin(trial)
    report = worker.step()
    rows = [*report.rows]
    if rows and _seconds(rows[-1]) < quick and not report.last and report.failure is None:
        report = worker.step()
        rows += report.rows
    return rows, report.failure or ""


def _seconds(row: EpochRow) -> float:
    return row["seconds_train"] + row["seconds_evaluate"] + row["seconds_checkpoint"]


def _data_finding(job: TuneJob, data: Dataset) -> Finding:
    """Whether a model can learn from the data: numbers that are not finite, and whether they repeat."""
    now = fingerprint(data)
    parts = [counted(split.rows, f"{name} row") for name, split in data.arrays.items()]
    parts += [f"{name} is {pipeline_text(entry)}" for name, entry in now.items() if "pipeline" in entry]
    text = f"{data.name}: {', '.join(parts)}, {size(data.bytes)}"
    finite = lambda array: array.dtype.kind != "f" or np.isfinite(array).all()  # noqa: E731
    if holes := [name for name, split in data.arrays.items() if not all(map(finite, leaves((split.x, split.y))))]:
        text = f"{text}. Values of {listed(holes)} are not finite"
        return Finding("data", "warning", text, "Fill or drop them: some models train with them without an error.")
    again = load_data(job) if callable(job.data) else data
    if again is not None and (changes := differences(now, fingerprint(again))):
        text = f"{text}. The data function returns different data at each call: {'; '.join(changes)}"
        return Finding("data", "warning", text, "Draw from random, numpy.random or keras.random, which are seeded.")
    return Finding("data", "ok", text)


def _resume_finding(job: TuneJob, worker: Worker, trial: Assignment, store: Store, rows: Sequence[EpochRow]) -> Finding:
    """Whether a trial that is trained again, and resumed after its first epoch, has the same metrics."""
    for path in [*store.files("checkpoints"), *store.files("files")]:
        store.delete(path)
    for then in rows:
        worker.begin(trial if then is rows[0] else replace(trial, new=False, attempt=2, epoch=1, reported_epoch=1))
        report = worker.step()
        worker.close()
        now = next((row["metrics"] for row in report.rows if row["epoch"] == then["epoch"]), None)
        if now is None:
            text = first_line(report.failure or f"there is no epoch {then['epoch']}")
            return Finding("resume", "warning", f"A killed trial may fail when it is trained again: {text}")
        for name, value in then["metrics"].items():
            if now.get(name) != value and not math.isnan(value):
                how = "trained again from the same seed" if then is rows[0] else "resumed from its checkpoint"
                text = f"{how}, its {name} is {now.get(name)}, not {value}"
                return Finding("resume", "warning", f"A killed trial may differ afterwards: {text}")
    if job.function is None or takes_state(job.function):
        return Finding("resume", "ok", "a killed trial resumes exactly from its checkpoint")
    steps, seconds = counted(job.budget.epochs, "step"), duration(job.budget.epochs * _seconds(rows[-1]))
    text = f"a killed trial is replayed from its first step, which takes up to {seconds} ({steps})"
    return Finding("resume", "ok", text)


def _export_finding(worker: Worker, trial: Assignment, row: EpochRow, metric: str) -> Finding:
    worker.begin(replace(trial, task=EXPORT, epoch=row["epoch"], value=row["metrics"][metric], new=False))
    # With folds, the winner is trained first, and the worker reports in between.
    while (report := worker.step()).exported is None and not report.failure:
        pass
    worker.close()
    if report.failure:
        return Finding("export", "warning", _in_line(report.failure), "The best model would be missing.")
    return Finding("export", "ok", "the model of a trial can be saved, loaded and evaluated")


def _configs_finding(worker: Worker, trial: Assignment, configs: Sequence[Config], store: Store) -> Finding:
    """Whether the models of a few configs can be built."""
    failures = []
    for config in configs:
        # A folder that leaves nothing to a trial.
        with TemporaryDirectory(dir=store.local) as folder:
            context = TrialContext(trial.trial_id, trial.seed, 1, Path(folder))
            try:
                with in_trial(context, worker.trainer_factory.directory(config)):
                    worker.trainer_factory.learner(config, seed=trial.seed).close()
            except (Exception, SystemExit) as error:
                failures.append(f"for example {_config_text(config)}: {_in_line(_text(error))}")
    count = counted(len(configs), "config")
    if failures:
        advice = "Fix it, or remove it from the space; trials of such configs would fail."
        return Finding("configs", "error", f"{len(failures)} of {count} failed to build a model, {failures[0]}", advice)
    return Finding("configs", "ok", f"models of {count} sampled across the space can be built")


def _text(error: BaseException) -> str:
    """An error as a report of a worker has it: a sentence, and its traceback."""
    sentence = str(error) if isinstance(error, TunepipeError) else sentence_of(error)
    return f"{sentence}\n\n{error_text(error.__cause__ or error)}"


def _in_line(text: str) -> str:
    """An error in a line, with the line of the user's code at which it occurred."""
    line, frame = first_line(text), user_frame(text)
    if frame is None:
        return line
    code = f": {frame['code'].strip()}" if frame["code"] else ""
    return f"{line} ({frame['file']}, line {frame['line']}, in {frame['function']}{code})"


def _config_text(config: Config) -> str:
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in config.items()
    )
