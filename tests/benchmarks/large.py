"""A study of many trials and epochs, generated: what a large one leaves behind, without the days it takes."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import ASHA, Budget, Choice, LogUniform, Objective, TuneJob, Uniform
from pipeline.storage import Store, layout
from pipeline.storage.schema import arrow_schema
from pipeline.study import save_study
from tests.benchmarks.jobs.bench_trivial import count

_START = 1_700_000_000_000_000
_EPOCH_SECONDS = 0.3


def generate(root: Path, *, trials: int, epochs: int, name: str = "large") -> Store:
    """Write a study in which every trial trained every epoch, except for a tenth that were stopped early."""
    space = {
        "lr": LogUniform(1e-4, 1.0), "momentum": Uniform(0.0, 0.99), "units": Choice((16, 64, 256)),
        "optimizer": Choice(("sgd", "adam")), "dropout": Uniform(0.0, 0.5),
    }  # fmt: skip
    job = TuneJob(
        name=name, function=count, space=space, objectives=[Objective("val_accuracy", "max")],
        scheduler=ASHA(grace_period=1, reduction_factor=3), budget=Budget(trials=trials, epochs=epochs),
    )  # fmt: skip
    store, rng = Store(root).folder(name), np.random.default_rng(0)
    save_study(store, job)
    drawn = [{place: domain.draw(rng) for place, domain in space.items()} for _ in range(trials)]
    ids = [layout.trial_id(index) for index in range(trials)]
    lengths = np.where(np.arange(trials) % 10 == 0, max(1, epochs // 5), epochs)
    trial = np.repeat(np.arange(trials), lengths)
    epoch = np.concatenate([np.arange(1, length + 1) for length in lengths])
    distance = np.log10([config["lr"] for config in drawn]) + 1.5
    final = 0.98 - 0.05 * distance**2
    values = np.clip(final[trial] * (1 - np.exp(-0.2 * epoch)) + rng.normal(0, 0.003, len(trial)), 0, 1)
    time = _START + (np.arange(len(trial)) * _EPOCH_SECONDS * 1e6).astype(np.int64)
    schema = arrow_schema("epochs", space, ["val_accuracy", "loss"])
    columns = {
        "study": [name] * len(trial), "session": np.ones_like(trial), "attempt": np.ones_like(trial),
        "segment": np.ones_like(trial), "trial_id": np.array(ids)[trial], "epoch": epoch, "model_epoch": epoch,
        "learning_rate": np.array([config["lr"] for config in drawn])[trial], "time": time,
        "node": ["node"] * len(trial), "val_accuracy": values, "loss": 1 - values,
    }  # fmt: skip
    columns |= {f"seconds_{phase}": np.full(len(trial), 0.05) for phase in ("build", "train", "evaluate", "checkpoint")}
    columns |= {"bytes_checkpoint": np.zeros_like(trial), "updates": 391 * epoch}
    columns |= {"parameters": np.array([1000 * config["units"] for config in drawn])[trial]}
    columns |= {f"config_{place}": pa.array([c[place] for c in drawn]).take(pa.array(trial)) for place in space}
    # What no trial has, such as phases, is empty.
    empty = pa.nulls(len(trial))
    epochs_table = pa.table({field.name: pa.array(columns.get(field.name, empty)).cast(field.type) for field in schema})
    store.write_table(layout.compacted("epochs", 1), epochs_table.replace_schema_metadata(schema.metadata))
    _decisions(store, job, drawn, ids, lengths, epochs)
    end = len(trial) * _EPOCH_SECONDS
    session = {
        "number": 1, "state": "ended", "started": "2023-11-14T22:13:20+00:00",
        "heartbeat": "2023-11-14T22:13:20+00:00", "seconds": end,
        "tables": {"epochs": {"whole": 1}, "decisions": {"whole": 1}},
    }  # fmt: skip
    store.write(layout.session(1), json.dumps(session))
    return store


def _decisions(
    store: Store, job: TuneJob, drawn: list[dict[str, object]], ids: list[str], lengths: np.ndarray, epochs: int
) -> None:
    rows: list[dict[str, object]] = []
    for trial, config, length in zip(ids, drawn, lengths.tolist(), strict=True):
        known = {"study": job.name, "session": 1, "trial_id": trial, "time": _START}
        start = {"kind": "start", "reason": "drawn", "epoch": 0, "config_after": json.dumps(config)}
        stop = {"kind": "stop", "reason": "below the cutoff", "rung": length, "cutoff": 0.5, "value": 0.4}
        end = {"kind": "complete", "reason": "done"} if length == epochs else stop
        rows.append(known | {"number": len(rows) + 1} | start)
        rows.append(known | {"number": len(rows) + 1, "epoch": length} | end)
    schema = arrow_schema("decisions", job.space)
    store.write_table(layout.compacted("decisions", 1), pa.Table.from_pylist(rows, schema=schema))
