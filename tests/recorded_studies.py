"""Synthetic studies, written through Store and schema as a recorder would: parts, sessions, duplicates and all."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.results import Results
from pipeline.space import Choice, Grid, IntUniform, LogUniform, QUniform, Uniform, draw, flat, perturb
from pipeline.storage import Store, layout
from pipeline.storage.schema import TABLES, arrow_schema
from pipeline.study import Objective, TuneJob

START = datetime(2025, 3, 14, 9, 30, tzinfo=UTC)

SPACE = {
    "lr": LogUniform(1e-4, 1.0),
    "momentum": Uniform(0.0, 0.99),
    "units": IntUniform(16, 256, log=True),
    "optimizer": Choice(("sgd", "rmsprop", "adam")),
    "dropout": QUniform(0.0, 0.5, 0.1),
    "epochs_warm": 2,
}

HOSTILE = "</pre><script>alert('x')</script>"


def build_model(config: Mapping[str, Any]) -> Any:
    """Stands in a job as its model; results never call it."""
    raise AssertionError("results must not call the job's functions")


def tune_job(name: str, **fields: Any) -> TuneJob:
    """A job with a model, MNIST and val_accuracy unless given otherwise."""
    given = {
        "model": build_model,
        "data": "mnist",
        "space": SPACE,
        "objectives": (Objective("val_accuracy", "max"),),
        **fields,
    }
    return TuneJob(name=name, **given)


def curve(config: Mapping[str, Any], epochs: int, rng: np.random.Generator, start: float = 0.1) -> np.ndarray:
    """A validation accuracy for each epoch that depends on the config much as a small network's would."""
    distance = math.log10(float(config.get("lr", 0.05)) / 0.05)
    final = 0.98 - 0.05 * distance**2 - 0.03 * abs(float(config.get("momentum", 0.8)) - 0.85)
    final -= {"sgd": 0.004, "rmsprop": 0.01}.get(str(config.get("optimizer")), 0.0)
    final -= 0.02 * abs(math.log2(float(config.get("units", 64)) / 128)) / 3
    rate = 0.9 if distance > -0.5 else 0.35
    time = np.arange(1, epochs + 1)
    noise = rng.normal(0, 0.004, epochs) * (1 + max(distance, 0) * 3)
    return np.clip(final - (final - start) * np.exp(-rate * time) + noise, 0.02, 0.999)


@dataclass
class Recording:
    """A study as its recorder writes it."""

    root: Path
    job: TuneJob
    metrics: tuple[str, ...] = ("loss", "val_loss", "accuracy", "val_accuracy")
    session: int = 1
    epochs: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    number: int = 0
    parts: dict[str, Counter[int]] = field(default_factory=lambda: {"epochs": Counter(), "decisions": Counter()})
    content: dict[str, Any] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = Store(self.root / self.job.name)
        self.store.write(layout.STUDY, json.dumps({"schema_version": 1, "job": self.job.to_json()}))

    @property
    def study(self) -> dict[str, Any]:
        """The content of study.json."""
        return json.loads(self.store.read_text(layout.STUDY))

    def decide(self, trial: str | None, epoch: int | None, kind: str, at: float, reason: str = "", **more: Any) -> None:
        """Record a decision `at` seconds after the start; without a trial it is about the study."""
        self.number += 1
        for name in ("config_before", "config_after"):
            if name in more:
                more[name] = json.dumps(more[name])
        row = {"study": self.job.name, "session": self.session, "number": self.number, "trial_id": trial}
        row |= {"time": START + timedelta(seconds=at), "epoch": epoch, "kind": kind, "reason": reason or kind}
        self.decisions.append(row | more)

    def train(self, trial: str, epoch: int, config: Mapping[str, Any], value: float, at: float, **more: Any) -> None:
        """Record an epoch that ended `at` seconds after the start."""
        row = {"study": self.job.name, "session": self.session, "trial_id": trial, "attempt": 1, "segment": 1}
        row |= {"epoch": epoch, "model_epoch": epoch, "time": START + timedelta(seconds=at), "node": "node-1"}
        row |= {"learning_rate": float(config.get("lr", 0.01)) * 0.9 ** (epoch - 1)}
        row |= {"seconds_build": 0.6 if epoch == 1 else 0.0, "seconds_train": 0.27 + 0.02 * (epoch % 3)}
        row |= {"seconds_evaluate": 0.05, "seconds_checkpoint": 0.01 if epoch > 1 else 0.0}
        metrics = {"val_accuracy": value, "accuracy": value - 0.01, "val_loss": 1.2 - value, "loss": 1.25 - value}
        row |= {name: metrics.get(name, value) for name in self.metrics}
        schema = arrow_schema("epochs", flat(self.job.space), self.metrics)
        for name, setting in config.items():
            text = pa.types.is_string(schema.field(f"config_{name}").type) and not isinstance(setting, str)
            row[f"config_{name}"] = json.dumps(setting) if text else setting
        self.epochs.append(row | more)

    def flush(self, rows: int = 40) -> None:
        """Write what was recorded since, as parts of this many rows, and commit them in the session's file."""
        for table, recorded in (("epochs", self.epochs), ("decisions", self.decisions)):
            schema = arrow_schema(table, flat(self.job.space), self.metrics)
            for first in range(0, len(recorded), rows):
                self.parts[table][self.session] += 1
                part = pa.Table.from_pylist(recorded[first : first + rows], schema=schema)
                self.store.write_table(layout.part(table, self.session, self.parts[table][self.session]), part)
        self.epochs, self.decisions = [], []
        if self.content:
            self.content["tables"] = {table: {"parts": parts} for table, parts in self.parts.items()}
            self.store.write(layout.session(self.content["number"]), json.dumps(self.content))

    def end(self, seconds: float, state: str = "ended", started: float = 0.0, message: str = "") -> None:
        """Write the rest, and the session's file, whose seconds include those of earlier sessions as a driver's do."""
        self.seconds[self.session] = seconds
        ended = START + timedelta(seconds=started + seconds)
        content = {"number": self.session, "state": state, "started": (START + timedelta(seconds=started)).isoformat()}
        content |= {"heartbeat": ended.isoformat(), "ended": None if state == "running" else ended.isoformat()}
        content |= {"seconds": sum(self.seconds.values()), "host": "laptop", "pid": 4711, "message": message}
        self.content = content
        self.flush()


def columns_of(table: str) -> list[str]:
    """Names of a table's fixed columns."""
    return [column.name for column in TABLES[table]]


def asha_job(name: str = "mnist-asha", *, trials: int = 24, epochs: int = 9) -> TuneJob:
    """The job of `asha_study`."""
    return tune_job(
        name,
        scheduler="asha",
        budget={"trials": trials, "epochs": epochs, "seconds": 600},
        description="Width and rate.",
    )


def asha_study(root: Path, *, trials: int = 24, epochs: int = 9, seed: int = 3, name: str = "mnist-asha") -> Recording:
    """Asynchronous successive halving on two workers, with a failure, a NaN, a lost worker and a trial cut off.

    Meanwhile a user stops the study and changes its budget.
    """
    job = asha_job(name, trials=trials, epochs=epochs)
    study, rng = Recording(root, job), np.random.default_rng(seed)
    rungs = [3**k for k in range(10) if 3**k < epochs]
    reached: dict[int, list[float]] = {rung: [] for rung in rungs}
    workers = [0.0, 0.15]
    for index in range(trials):
        worker = int(np.argmin(workers))
        now, trial = workers[worker], layout.trial_id(index)
        if index == 6:
            study.decide(None, None, "stop", now, "A user stopped the study.")
            changed = f"A user changed the budget (trials 24 instead of 9): {HOSTILE} (command c1)."
            study.decide(None, None, "budget", now, changed)
        config = draw(job.space, rng, index)
        study.decide(trial, 0, "start", now, "drawn", config_after=config)
        values = curve(config, epochs, rng)
        node, lost = f"node-{worker + 1}", index == 7
        if index == 4:
            error = f'Traceback (most recent call last):\n  File "job.py", line 3\nValueError: units: {HOSTILE}'
            study.decide(trial, 0, "fail", now + 0.4, error)
            workers[worker] = now + 0.5
            continue
        for epoch in range(1, epochs + 1):
            now += 0.4 + (0.6 if epoch == 1 else 0)
            value = float("nan") if index == 9 and epoch == 2 else float(values[epoch - 1])
            attempt = 2 if lost and epoch > 2 else 1
            study.train(trial, epoch, config, value, now, node=node, attempt=attempt)
            if lost and epoch == 3:
                # The lost attempt had trained this epoch too; its row came first.
                study.epochs.insert(-1, study.epochs[-1] | {"attempt": 1, "val_accuracy": 0.999})
                study.decide(trial, 3, "retry", now, "The worker was lost; attempt 2 of 4.")
            if math.isnan(value):
                study.decide(trial, epoch, "fail", now, "val_accuracy is NaN at epoch 2: lower the learning rate.")
                break
            if epoch in reached:
                others = reached[epoch]
                others.append(value)
                cutoff = float(np.quantile(others, 2 / 3)) if len(others) >= 3 else None
                if cutoff is not None and value < cutoff:
                    reason = f"{value:.4f} at epoch {epoch} is below {cutoff:.4f}, the best third's cutoff"
                    study.decide(trial, epoch, "stop", now, reason, rung=epoch, cutoff=cutoff, value=value)
                    break
                shown = "no cutoff yet" if cutoff is None else f"reaches {cutoff:.4f}"
                study.decide(
                    trial, epoch, "promote", now, f"{value:.4f}, {shown}", rung=epoch, cutoff=cutoff, value=value
                )
        else:
            study.decide(trial, epochs, "complete", now, "trained its epochs")
            study.store.write(layout.checkpoint(trial, epochs), b"weights")
        workers[worker] = now + 0.1
        if index % 5 == 4:
            study.flush()
    study.end(max(workers))
    return study


def pbt_study(root: Path, *, trials: int = 8, epochs: int = 20, seed: int = 5, name: str = "mnist-pbt") -> Recording:
    """A population that exploits its best every four epochs."""
    space = {"lr": LogUniform(1e-3, 0.5), "momentum": Uniform(0.5, 0.99), "batch_size": Choice((64, 128, 256))}
    job = tune_job(name, scheduler="pbt", space=space, budget={"trials": trials, "epochs": epochs})
    study, rng = Recording(root, job), np.random.default_rng(seed)
    configs = {layout.trial_id(i): draw(job.space, rng, i) for i in range(trials)}
    ids = list(configs)
    values, segments, ages = dict.fromkeys(ids, 0.1), dict.fromkeys(ids, 1), dict.fromkeys(ids, 0)
    for place, trial in enumerate(ids):
        study.decide(trial, 0, "start", 0.1 * place, "drawn", config_after=configs[trial])
    now = 1.0
    for epoch in range(1, epochs + 1):
        for place, trial in enumerate(ids):
            now += 0.4
            config = configs[trial]
            wanted = 0.05 * 0.9**epoch
            limit = 0.985 - 0.03 * abs(math.log10(float(config["lr"]) / wanted))
            values[trial] += 0.3 * (limit - values[trial]) + float(rng.normal(0, 0.002))
            ages[trial] += 1
            more = {"segment": segments[trial], "model_epoch": ages[trial], "node": f"node-{place % 2 + 1}"}
            study.train(trial, epoch, config, values[trial], now, **more, learning_rate=float(config["lr"]))
        if epoch % 4 == 0 and epoch < epochs:
            ranked = sorted(ids, key=lambda t: values[t])
            quarter = max(1, trials // 4)
            for loser, donor in zip(ranked[:quarter], reversed(ranked[-quarter:]), strict=True):
                before, after = configs[loser], perturb(job.space, configs[donor], rng, resample_probability=0.1)
                reason = f"{values[loser]:.4f} is in the lowest quarter; copies trial {donor} at {values[donor]:.4f}"
                study.decide(
                    loser, epoch, "exploit", now, reason, parent_trial=donor, parent_epoch=epoch,
                    config_before=before, config_after=after, value=values[loser],
                )  # fmt: skip
                configs[loser], values[loser], ages[loser] = after, values[donor], ages[donor]
                segments[loser] += 1
        study.flush()
    for trial in ids:
        study.decide(trial, epochs, "complete", now, "trained its epochs")
    study.end(now + 1)
    return study


def every_domain_study(root: Path, *, trials: int = 12, name: str = "domains") -> Recording:
    """One parameter of each kind, a choice of mixed types and a loss to be made small."""
    space = {
        "rate": LogUniform(1e-5, 1e-1), "mix": Choice((0.5, "auto", True)), "layers": IntUniform(1, 4),
        "init": Grid(("uniform", "lecun_uniform", "zero")), "shift": Uniform(-6.0, 6.0),
        "q": QUniform(0.0, 1.0, 0.25), "flag": Choice((True, False)), "fixed": "relu",
        "stack": Choice([[64, 32], None, {"units": [8]}]),
    }  # fmt: skip
    job = tune_job(name, space=space, objectives=(Objective("val_loss", "min"),), scheduler="fifo")
    study, rng = Recording(root, job), np.random.default_rng(2)
    now = 0.0
    for index in range(trials):
        trial, config = layout.trial_id(index), draw(job.space, rng, index)
        study.decide(trial, 0, "start", now, "drawn", config_after=config)
        for epoch in range(1, 5):
            now += 0.5
            study.train(trial, epoch, config, float(0.5 + 0.1 * epoch + rng.normal(0, 0.02)), now)
        study.decide(trial, 4, "complete", now, "trained its epochs")
    study.end(now)
    return study


def with_tables(results: Results, **frames: pd.DataFrame) -> Results:
    """Results with other tables, by name."""
    tables = {}
    for name, frame in frames.items():
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
        schema = results.table(name).schema
        for column in set(table.column_names) & set(schema.names):
            at = table.column_names.index(column)
            table = table.set_column(at, schema.field(column), table[column].cast(schema.field(column).type))
        tables[name] = table.replace_schema_metadata(schema.metadata)
    return replace(results, tables=replace(results.tables, **tables))
