"""A program for `test_process_state.py`: it prints what calls of the library have changed in its process.

Arguments: where it trains, "here" or "ray", and the folder of its studies.
"""

import faulthandler
import json
import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import Budget, Choice, Dataset, Objective, Resources, Split, TuneJob, load_model, run
from pipeline.execution.models import export, rerun
from pipeline.execution.ray.cluster import ENVIRONMENT
from pipeline.storage import Store

BY_IMPORTS = frozenset({"finders", "warnings"})
"""What of the state is not compared then."""

OWN = "process_state"
"""The name under which a study's copy of this file is imported."""


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
    loggers = [logging.root, *(logging.getLogger(name) for name in list(logging.Logger.manager.loggerDict))]
    found = {
        "environment": dict(os.environ),
        "folder": str(os.path.realpath(".")),
        "sys.path": list(sys.path),
        "finders": [repr(finder) for finder in sys.meta_path],
        "own module": repr(sys.modules.get(OWN)),
        "loggers": {logger.name: [logger.level, repr(logger.handlers), logger.disabled] for logger in loggers},
        "warnings": [repr(each) for each in warnings.filters],
        "signals": {number.name: repr(signal.getsignal(number)) for number in signal.Signals},
        "streams": [repr(each) for each in (sys.stdout, sys.stderr, sys.excepthook, sys.displayhook)],
        "fault handler": faulthandler.is_enabled(),
        "python": random.getstate(),
        "numpy": repr(np.random.get_state()),
    }
    if "matplotlib" in sys.modules:
        found["matplotlib"] = dict(sys.modules["matplotlib"].rcParams)
    if "ray" in sys.modules:
        import ray
        from ray._private import worker

        found["ray"] = [ray.is_initialized(), repr(worker._post_init_hooks)]  # noqa: SLF001
    if "keras" in sys.modules:
        import keras

        found["keras"] = [keras.config.floatx(), keras.config.dtype_policy().name]
    return found


def changes(call: Callable[[], Any], *, imports: bool = False) -> list[str]:
    """What a call has changed."""
    before = state()
    call()
    now = state()
    changed = []
    for name in [name for name in before if not (imports and name in BY_IMPORTS)]:
        was, then = before[name], now[name]
        if not isinstance(was, dict):
            changed += [] if was == then else [f"{name}: {was!r:.300} is {then!r:.300}"]
            continue
        # A logger that is new is one of a library that was imported.
        keys = was if name == "loggers" else {*was, *then}
        if name == "environment" and imports:
            keys = {key for key in keys if key in ENVIRONMENT}
        changed += [f"{name} {key}: {then.get(key)!r:.300}" for key in sorted(keys) if was.get(key) != then.get(key)]
    return changed


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
    found = {"run, the first use of Keras": changes(study("first"), imports=True)}
    import keras

    assert keras.config.dtype_policy().name == "float32"
    keras.utils.set_random_seed(7)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("mixed_bfloat16")
    # The second study is the first that looks at an earlier one, for which it imports more.
    study("second")()
    found["run"] = changes(study("s"))
    store, folder = Store(f"{storage}/s"), Path(f"{storage}/exported")
    found["export"] = changes(lambda: export(store, folder / "winner"))
    found["export of a trial"] = changes(lambda: export(store, folder / "trial", trial="0000"))
    found["rerun"] = changes(lambda: rerun(store.uri, trial="0000"))
    found["load_model"] = changes(lambda: load_model(f"{storage}/s", trial=0))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
