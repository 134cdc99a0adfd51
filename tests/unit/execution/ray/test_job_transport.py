"""How a job reaches the workers."""

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform
from pipeline.errors import DataError, ModelError
from pipeline.execution.ray.job_transport import pack, unpack
from pipeline.storage import Store
from pipeline.study import save_study
from pipeline.training.global_state import kept_global_state


def steps(config: Any) -> Any:
    """A function of a file."""
    yield {"score": config["x"]}


def _job(function: Any) -> TuneJob:
    return TuneJob(
        name="s",
        function=function,
        space={"x": Uniform(0, 1)},
        objectives=Objective("score", "max"),
        budget=Budget(trials=2, epochs=1),
    )


def test_a_job_of_files_is_loaded_from_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job whose functions are in files is loaded from the study, and only the folders of its imports are sent."""
    above = Path(__file__).parents[steps.__module__.count(".")]
    # As in a worker, which starts in another folder.
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(above)])
    job, store = _job(steps), Store(tmp_path / "s")
    save_study(store, job)
    content, folders = pack(job)
    assert (content, folders) == (None, [str(above)])
    assert unpack(content, folders, store) == job
    assert sys.path[0] == folders[0]
    before = list(sys.path)
    unpack(content, folders, store)
    assert sys.path == before


def test_a_typed_function_is_sent_itself(tmp_path: Path) -> None:
    """A function typed in a notebook is sent to the workers itself, and no study is read."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def typed(config):\n    return config['x'] + 1", "<cell 1>", "exec"), space)
    content, folders = pack(_job(space["typed"]))
    assert content is not None
    assert folders == []
    job = unpack(content, folders, Store(tmp_path / "nothing"))
    assert job.functions["function"]({"x": 1}) == 2


CACHED = """
import functools

@functools.lru_cache(maxsize=7)
def steps_to(n):
    return n if n < 2 else steps_to(n - 1) + steps_to(n - 2)

class Settings:
    @functools.cached_property
    def units(self):
        return 4

def typed(config):
    return steps_to(config["x"]) * Settings().units + steps_to.cache_info().maxsize
"""


def test_typed_functions_with_a_cache_are_sent(tmp_path: Path) -> None:
    """A typed function is sent with its lru_cache and cached properties, and may call itself through the cache."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(CACHED, "<cell 1>", "exec"), space)
    content, _ = pack(_job(space["typed"]))
    assert unpack(content, [], Store(tmp_path / "nothing")).functions["function"]({"x": 10}) == 55 * 4 + 7


DISPATCHED = """
import functools

@functools.singledispatch
def units_of(value):
    "How many units a value means."
    return 0

@units_of.register
def _(value: int):
    return value

@units_of.register(list)
def _(values):
    return sum(units_of(each) for each in values)

class Layer:
    @functools.singledispatchmethod
    def size(self, value):
        return 1

    @size.register
    def _(self, value: str):
        return len(value)

def typed(config):
    found = (units_of([config["x"], 2.0]), Layer().size("four"), Layer().size(2), units_of.__doc__)
    return (*found, units_of.dispatch(bool)(True))

typed({"x": 1})
"""


def test_typed_functions_that_dispatch_by_class_are_sent(tmp_path: Path) -> None:
    """Typed functions and methods of singledispatch are sent with all their variants, which may call each other."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(DISPATCHED, "<cell 1>", "exec"), space)
    content, _ = pack(_job(space["typed"]))
    typed = unpack(content, [], Store(tmp_path / "nothing")).functions["function"]
    assert typed({"x": 10}) == (10, 4, 1, "How many units a value means.", True)


PIPED = """
import tensorflow as tf

batches = tf.data.Dataset.range(6).shuffle(6).batch(4)

def typed(config):
    return sorted(int(each) for batch in batches for each in batch)
"""


def test_pipelines_of_a_notebook_are_sent(tmp_path: Path) -> None:
    """A typed function is sent with the tf.data pipeline that it uses, and one with Python code in it is refused."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(PIPED, "<cell 1>", "exec"), space)
    content, _ = pack(_job(space["typed"]))
    assert unpack(content, [], Store(tmp_path / "nothing")).functions["function"]({"x": 1}) == [0, 1, 2, 3, 4, 5]
    exec("batches = batches.map(lambda n: tf.py_function(abs, [n], tf.int64))", space)
    with pytest.raises(DataError, match="Python code produces its elements"):
        pack(_job(space["typed"]))


def test_settings_of_a_notebook_are_sent(tmp_path: Path) -> None:
    """The dtype policy that a notebook sets is that of the process that gets its job."""
    import keras

    space: dict[str, Any] = {"__name__": "__main__"}
    exec("def typed(config):\n    return config['x']", space)
    with kept_global_state():
        keras.config.set_dtype_policy("mixed_bfloat16")
        content, _ = pack(_job(space["typed"]))
        keras.config.set_dtype_policy("float32")
        unpack(content, [], Store(tmp_path / "nothing"))
        assert keras.config.dtype_policy().name == "mixed_bfloat16"


def test_objects_that_cannot_be_sent_are_named() -> None:
    """A function that cannot be sent to the workers is refused with its name and a remedy."""
    lock = threading.Lock()

    def locked(config: Any) -> Any:
        with lock:
            return config["x"]

    with pytest.raises(ModelError, match=r"function .*locked cannot be sent to the workers: .*resources\.workers 0"):
        pack(_job(locked))
