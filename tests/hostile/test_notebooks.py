"""Studies in a notebook's kernel: code of its cells reaches the workers, and can be interrupted."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from pipeline import load_results
from tests.processes import receiving_signals, wait_for

pytestmark = pytest.mark.long

_SECONDS = 200.0

CELLS = [
    """
import signal, sys
from pathlib import Path
import keras
import numpy as np
from pipeline import *
HIDDEN = 4
HERE = Path.cwd()
""",
    """
def doubled(number):
    return number * 2

@keras.saving.register_keras_serializable()
class Scale(keras.layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, x):
        return x * self.factor

class Printing(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print("epoch", epoch + 1, "of", HIDDEN)
""",
    """
def data():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(96, 4)).astype("float32"), np.eye(3, dtype="float32")[rng.integers(3, size=96)]
    train, validation, test = Split(x[:64], y[:64]), Split(x[64:80], y[64:80]), Split(x[80:], y[80:])
    return Dataset("typed", train=train, validation=validation, test=test)

def build_model(config):
    import beside
    layers = [keras.Input((4,)), keras.layers.Dense(doubled(HIDDEN)), Scale(), keras.layers.Dense(beside.CLASSES)]
    model = keras.Sequential([*layers, keras.layers.Softmax()])
    model.compile(keras.optimizers.SGD(config["lr"]), loss="categorical_crossentropy", metrics=["accuracy"])
    return model

def callbacks(config):
    return [Printing()]

JOB = TuneJob(name="typed", model=build_model, callbacks=callbacks, data=data, space={"lr": LogUniform(0.01, 1)},
              objectives=[Objective("val_loss", "min")], budget=Budget(trials=3, epochs=2), resources={"workers": 2})
""",
]

PIECES = {
    "lambda": ("a = lambda x: x + 1", "a(x)"),
    "partial": ("import functools\nb = functools.partial(pow, exp=2)", "b(x)"),
    "closure": ("def made(k):\n    def inner(x):\n        return x * k\n    return inner\nc = made(3)", "c(x)"),
    "recursion": ("def d(n):\n    return 1 if n < 1 else n * d(n - 1)", "d(4) * x"),
    "two that call each other": (
        "def even(n):\n    return n == 0 or odd(n - 1)\ndef odd(n):\n    return n != 0 and even(n - 1)",
        "x * even(4)",
    ),
    "decorator": (
        "def logged(f):\n    @functools.wraps(f)\n    def g(*args):\n        return f(*args) + 0.5\n    return g\n"
        "@logged\ndef e(x):\n    return x",
        "e(x)",
    ),
    "cache": ("@functools.lru_cache\ndef f(x):\n    return x - 2", "f(x)"),
    "single dispatch": (
        "@functools.singledispatch\ndef aa(x):\n    return 0\n@aa.register\ndef _(x: float):\n    return x / 8\n"
        "@aa.register\ndef _(x: list):\n    return sum(map(aa, x))",
        "aa([x, x])",
    ),
    "dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass G:\n    k: int = 2\n    all: list = dataclasses.field("
        "default_factory=list)\nGS = G(5)",
        "x * GS.k + len(G().all)",
    ),
    "named tuple": ("from typing import NamedTuple\nclass H(NamedTuple):\n    k: int = 3\nHS = H()", "x / HS.k"),
    "enumeration": ("import enum\nclass I(enum.Enum):\n    LOW = 0.25", "x * I.LOW.value"),
    "inheritance": (
        "class J:\n    def k(self):\n        return 2\nclass K(J):\n    def k(self):\n        return super().k() + 1",
        "K().k() * x",
    ),
    "methods": (
        "class L:\n    scale = 2\n    @classmethod\n    def of(cls, x):\n        return cls.scale * x\n"
        "    @staticmethod\n    def half(x):\n        return x / 2\n"
        "    @property\n    def one(self):\n        return 1",
        "L.of(x) + L.half(x) + L().one",
    ),
    "callable object": ("class M:\n    def __call__(self, x):\n        return -x\nm = M()", "m(x)"),
    "array": ("import numpy as np\nN = np.arange(5.0)", "x + float(N.sum())"),
    "dict of functions": ("O = {'twice': lambda x: 2 * x, 'none': None}", "O['twice'](x)"),
    "set and tuple": ("P = ({'b', 'a', 'c'}, (1, 2), frozenset('xyz'))", "x + len(P[0]) + P[1][1]"),
    "generator": ("def q(x):\n    yield from (x, 2 * x)", "sum(q(x))"),
    "renamed imports": ("from math import sqrt as root\nimport math as maths", "root(x) + maths.pi"),
    "module beside": ("import beside as neighbour\nfrom beside import CLASSES", "x + neighbour.CLASSES + CLASSES"),
    "defined twice": ("def r(x):\n    return 0\ndef r(x):\n    return x / 4", "r(x)"),
    "defaults": ("def s(x, *more, k=(1, 2), **named):\n    return x + sum(k) + len(more) + len(named)", "s(x, 1, z=2)"),
    "regular expression": ("import re\nT = re.compile(r'\\d+')", "x + len(T.findall('1 22 3'))"),
    "decimal and path": (
        "from decimal import Decimal\nfrom pathlib import Path\nU, V = Decimal('0.5'), Path('a/b')",
        "x * float(U) + len(V.parts)",
    ),
    "match": (
        "def w(x):\n    match x:\n        case float():\n            return x\n        case _:\n            return 0",
        "w(x)",
    ),
    "counter": ("import collections\nZ = collections.Counter('aab')", "x + Z['a']"),
}
"""What users type into cells, and an expression that uses it."""

SLOW = """
import time

def climb(config):
    for step in range(1, 401):
        time.sleep(0.02)
        yield {"score": config["x"] * step}

SLOW = TuneJob(name="slow", function=climb, space={"x": Uniform(0, 1)}, scheduler="fifo",
               objectives=[Objective("score", "max")], budget=Budget(trials=4, epochs=400), resources={"workers": 2})
"""


class Kernel:
    """A kernel and the outputs of its cells."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient, folder: Path) -> None:
        self._manager, self._client, self.folder = manager, client, folder

    def run(self, code: str, *, during: Callable[[], None] = lambda: None) -> str:
        """Run a cell to its end with a simultaneous action; returns all its outputs, an error included."""
        reported: list[str] = []
        asked = self._client.execute(code)
        during()
        while True:
            message = self._client.get_iopub_msg(timeout=_SECONDS)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                reported.append(content["text"])
            elif kind == "error":
                reported.append(f"{content['ename']}: {content['evalue']}\n")
            elif kind in ("execute_result", "display_data"):
                reported.append(f"{content['data'].get('text/plain')}\n")
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(reported)

    def interrupt(self) -> None:
        """Interrupt like the button of a notebook."""
        self._manager.interrupt_kernel()


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel in its own folder, in which all code was entered."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "beside.py").write_text("CLASSES = 3\n")
    with receiving_signals():
        manager, client = start_new_kernel(cwd=str(folder))
    try:
        kernel = Kernel(manager, client, folder)
        for cell in [*CELLS, SLOW]:
            assert "Error" not in kernel.run(cell)
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_code_in_cells_is_tuned_on_two_workers(kernel):
    """Functions, a layer, a callback, globals and a module of a notebook reach workers, twice in one kernel."""
    reported = kernel.run("run(JOB)")
    assert "Error" not in reported
    assert "\nstudy  " in reported
    assert "HTML" not in reported
    assert "build_model, callbacks, data are not defined in a file" in reported
    study = kernel.folder / "studies/typed"
    results = load_results(study)
    assert results.state == "finished"
    assert set(results.trials["state"]) <= {"completed", "stopped"}
    assert "epoch 1 of 4" in (study / "logs/0000.log").read_text()
    assert (study / "export/model.keras").is_file()
    assert "StudyExists" in kernel.run("run(JOB)")


def test_whatever_is_typed_reaches_the_workers_and_counts_as_the_same_when_typed_again(kernel, fuzz_size):
    """Random code has the same results on workers as in the kernel, and is unchanged when entered again."""
    draws = random.Random(25)
    kernel.run("import functools")
    for number in range(fuzz_size):
        cells = [PIECES[name] for name in draws.sample(list(PIECES), 8)]
        pieces = ["def pieces(x):\n    return [" + ", ".join(expression for _, expression in cells) + "]"]
        drawn = "def drawn(config):\n    yield {'score': float(sum(pieces(config['x'])))}"
        typed = [definition for definition, _ in cells] + pieces + [drawn]
        draws.shuffle(typed)
        again = [f"# typed again\n\n{cell}" for cell in draws.sample(typed, len(typed))]
        small = "'budget.trials': 2, 'budget.epochs': 1, 'resources.workers': 1"
        job = f"SLOW.replaced({{'name': 'drawn-{number}', 'function': drawn, {small}}})"
        for cell in typed:
            assert "Error" not in kernel.run(cell), cell
        reported = kernel.run(f"run({job})")
        assert "\nstudy  " in reported, (typed, reported)
        found = load_results(kernel.folder / f"studies/drawn-{number}")
        for x, score in found.trials[["config_x", "objective"]].to_numpy().tolist():
            assert float(kernel.run(f"print(float(sum(pieces({x!r}))))")) == score, typed
        for cell in again:
            kernel.run(cell)
        assert "(it was finished before)" in kernel.run(f"run({job}, resume=True)"), again


def test_an_interrupted_kernel_keeps_the_study_and_continues_it(kernel):
    """An interrupted cell prints a sentence, keeps whole tables, restores the handlers, and can be resumed."""
    before = kernel.run("print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))")

    def during() -> None:
        study = kernel.folder / "studies/slow"
        wait_for(lambda: list(study.glob("epochs/*.parquet")), seconds=_SECONDS)
        kernel.interrupt()

    reported = kernel.run("run(SLOW)", during=during)
    assert (
        "Interrupted: The study 'slow' was interrupted; its tables are complete. Resume it with run(JOB, resume=True)"
        in reported
    )
    assert kernel.run("print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))") == before
    left = load_results(kernel.folder / "studies/slow")
    assert left.state == "interrupted"
    assert 0 < len(left.epochs) < 1600
    # The cell is run once more, with another comment: the function is a new object that does the same.
    kernel.run(SLOW.replace("def climb", "# the same\n\ndef climb"))
    assert "\nstudy  " in kernel.run("run(SLOW, resume=True)")
    found = load_results(kernel.folder / "studies/slow")
    assert found.state == "finished"
    assert len(found.epochs) == 1600
    assert not found.epochs.duplicated(["trial_id", "epoch"]).any()


def test_functions_that_have_changed_are_refused(kernel):
    """A resume refuses a function of the job that was typed in another way."""
    assert "\nstudy  " in kernel.run("run(JOB, name='changing')")
    kernel.run("def callbacks(config):\n    return []")
    larger = "run(JOB.replaced({'budget.trials': 4, 'callbacks': callbacks}), name='changing', resume=True"
    reported = kernel.run(f"{larger})")
    assert "StudyChanged" in reported
    assert "must be the code that the study began with" in reported
    kernel.run("def callbacks(config):\n    return [Printing()]")
    assert "\nstudy  " in kernel.run(f"{larger})")


def test_objects_that_cannot_be_sent_are_reported(kernel):
    """A function with a lock of another cell is reported with its name and a remedy, and no study remains."""
    kernel.run(
        "import threading\nLOCK = threading.Lock()\ndef locked(config):\n    with LOCK:\n        yield {'score': 1.0}"
    )
    reported = kernel.run("run(SLOW.replaced({'function': locked, 'name': 'locked'}))")
    assert "ModelError: The function locked cannot be sent to the workers" in reported
    assert not (kernel.folder / "studies/locked").exists()
