"""Studies in a notebook's kernel: code of its cells reaches the workers, and can be interrupted."""

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
""",
    """
def data():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(96, 4)).astype("float32"), np.eye(3, dtype="float32")[rng.integers(3, size=96)]
    return Dataset("typed", train=Split(x[:64], y[:64]), validation=Split(x[64:], y[64:]))

def build_model(config):
    import beside
    layers = [keras.Input((4,)), keras.layers.Dense(doubled(HIDDEN)), Scale(), keras.layers.Dense(beside.CLASSES)]
    model = keras.Sequential([*layers, keras.layers.Softmax()])
    model.compile(keras.optimizers.SGD(config["lr"]), loss="categorical_crossentropy")
    return model

def callbacks(config):
    return [keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print("epoch", epoch + 1, "of", HIDDEN))]

JOB = TuneJob(name="typed", model=build_model, callbacks=callbacks, data=data, space={"lr": LogUniform(0.01, 1)},
              objectives=[Objective("val_loss", "min")], budget=Budget(trials=3, epochs=2), resources={"workers": 2})
""",
]

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
        self.manager, self._client, self.folder = manager, client, folder

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
    assert "<Results of 'typed': ended" in reported
    assert "HTML" not in reported
    assert "Not defined in a file that the study can copy: build_model, callbacks, data." in reported
    study = kernel.folder / "studies/typed"
    results = load_results(study)
    assert results.state == "ended"
    assert set(results.trials["state"]) <= {"completed", "stopped"}
    assert "epoch 1 of 4" in (study / "logs/0000.log").read_text()
    assert (study / "export/model.keras").is_file()
    assert "StudyExists" in kernel.run("run(JOB)")


def test_an_interrupted_kernel_keeps_the_study_and_continues_it(kernel):
    before = kernel.run("print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))")

    def during() -> None:
        study = kernel.folder / "studies/slow"
        wait_for(lambda: list(study.glob("epochs/*.parquet")), seconds=_SECONDS)
        kernel.manager.interrupt_kernel()

    reported = kernel.run("run(SLOW)", during=during)
    assert "Interrupted: The study 'slow' was interrupted. Its tables are complete. Resume it with " in reported
    assert kernel.run("print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))") == before
    left = load_results(kernel.folder / "studies/slow")
    assert left.state == "interrupted"
    assert 0 < len(left.epochs) < 1600
    # The cell is run once more, with another comment: the function is a new object that does the same.
    kernel.run(SLOW.replace("def climb", "# the same\n\ndef climb"))
    assert "<Results of 'slow': ended" in kernel.run("run(SLOW, resume=True)")
    found = load_results(kernel.folder / "studies/slow")
    assert found.state == "ended"
    assert len(found.epochs) == 1600
    assert not found.epochs.duplicated(["trial_id", "epoch"]).any()
