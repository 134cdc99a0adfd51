"""A program for `test_process_state.py`: it prints what calls of the library have changed in its process.

Arguments: where it trains, "here" or "ray", and the folder of its studies.
"""

import json
import logging
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import Budget, Choice, Dataset, Objective, Resources, Split, TuneJob, load_model, run
from pipeline.execution.models import export, rerun
from pipeline.storage import Store


def build_model(config: dict[str, Any]) -> Any:
    """A small model."""
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(config["lr"]), loss="mse")
    return model


def points() -> Dataset:
    split = Split(np.random.rand(20, 2).astype("float32"), np.random.rand(20, 1).astype("float32"))
    return Dataset("points", split, split)


def objective(config: dict[str, Any]) -> Iterator[dict[str, float]]:
    """A function to minimise."""
    yield {"loss": config["lr"]}


def state() -> dict[str, Any]:
    found = {
        "environment": dict(os.environ),
        "folder": str(os.path.realpath(".")),
        "sys.path": list(sys.path),
        "own module": repr(sys.modules.get("process_state")),
        "root logger": [logging.root.level, repr(logging.root.handlers)],
        "signals": {number.name: repr(signal.getsignal(number)) for number in signal.Signals},
        "streams": [repr(each) for each in (sys.stdout, sys.stderr, sys.excepthook, sys.displayhook)],
        "python": random.getstate(),
        "numpy": repr(np.random.get_state()),
    }
    if "keras" in sys.modules:
        import keras

        found["keras"] = [keras.config.floatx(), keras.config.dtype_policy().name]
    return found


def changes(call: Callable[[], Any]) -> list[str]:
    """What a call has changed."""
    before = state()
    call()
    now = state()
    return [f"{name}: {before[name]!r:.300} is {now[name]!r:.300}" for name in before if before[name] != now[name]]


def main(where: str, storage: str) -> None:
    trains = {"model": build_model, "data": points} if where == "here" else {"function": objective}
    job = TuneJob(
        name="s",
        **trains,
        objectives=[Objective("val_loss" if where == "here" else "loss", "min")],
        space={"lr": Choice([0.1, 0.2])},
        budget=Budget(trials=1, epochs=1),
        resources=Resources(workers=0 if where == "here" else 1),
    )

    def study(name: str) -> Callable[[], Any]:
        return lambda: run(job, storage=storage, name=name, note=lambda _: None)

    if where == "ray":
        import ray.tune

        print(json.dumps({"run": changes(study("s")), "running": ray.is_initialized()}))
        return
    study("first")()
    import keras

    assert keras.config.dtype_policy().name == "float32"
    keras.utils.set_random_seed(7)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("mixed_bfloat16")
    found = {"run": changes(study("s"))}
    store, folder = Store(f"{storage}/s"), Path(f"{storage}/exported")
    found["export"] = changes(lambda: export(store, folder / "winner"))
    found["rerun"] = changes(lambda: rerun(store.uri, trial="0000"))
    found["load_model"] = changes(lambda: load_model(f"{storage}/s", trial=0))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
