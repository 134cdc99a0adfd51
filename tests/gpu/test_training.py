"""Training on a GPU. TensorFlow takes its devices once, so each case is a process of its own."""

import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def _cards() -> int:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(_cards() == 0, reason="No GPU here: the CUDA driver is missing or finds no card."),
]

_TRAIN = """
import json, sys
from pipeline.study import Resources
from pipeline.training.workplace import Workplace
from tests.unit.training.kinds import KINDS
from tests.unit.training.training import job_of

name, resources = sys.argv[1], Resources(**json.loads(sys.argv[2]))
kind = KINDS[name]

def build(config):
    # As a user compiles it: Keras decides about XLA by itself.
    model = kind.build(config)
    model.jit_compile = model._resolve_auto_jit_compile()
    return model

workplace = Workplace(job_of(build, batch_size=kind.batch_size, resources=resources), kind.data())
learner = workplace.learner({}, seed=3)
metrics = [dict(learner.run_epoch().metrics) for _ in range(2)]
import tensorflow as tf
cards = tf.config.list_physical_devices("GPU")
told = {
    "metrics": metrics,
    "xla": bool(learner.model.jit_compile),
    "device": learner.model.variables[0].value.device,
    "data": tf.nest.flatten(workplace._resident.train)[0].device,
    "visible": len(tf.config.get_visible_devices("GPU")),
    "limits": [c.memory_limit for card in cards for c in tf.config.get_logical_device_configuration(card) or []],
}
if resources.gpus == 1:
    told["growth"] = tf.config.experimental.get_memory_growth(cards[0])
if 0 < resources.gpus < 1:
    try:
        tf.zeros([int(told["limits"][0] * 1.2), 2**18])
        told["refused"] = False
    except tf.errors.ResourceExhaustedError:
        told["refused"] = True
print(json.dumps(told))
"""


def _trained(kind: str, **resources: float) -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, "-c", _TRAIN, kind, json.dumps(resources)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "kind",
    [
        "Sequential without Input, momentum",
        "two outputs, losses and metrics, Nesterov",
        "BatchNormalization, EMA, even batches",
    ],
)
def test_comes_to_what_the_cpu_comes_to(kind: str) -> None:
    """On a whole card, with XLA and memory that grows, training gives the metrics of the CPU but for rounding."""
    on_card, on_cpu = _trained(kind, gpus=1), _trained(kind)
    for ours, theirs in zip(on_card["metrics"], on_cpu["metrics"], strict=True):
        assert ours == pytest.approx(theirs, rel=2e-2, abs=1e-3)
    assert on_card["xla"]
    assert not on_cpu["xla"]
    assert on_card["growth"]
    assert on_card["limits"] == []
    assert "GPU:0" in on_card["device"]
    assert "GPU:0" in on_card["data"]


def test_trial_without_gpus_sees_none() -> None:
    """A CPU trial on a GPU node takes nothing of the card."""
    told = _trained("Sequential without Input, momentum")
    assert told["visible"] == 0
    assert "CPU:0" in told["device"]


def test_fraction_of_a_card_is_a_limit_on_its_memory() -> None:
    """A quarter of a card gets a quarter of its memory, and no more."""
    driver = ctypes.CDLL("libcuda.so.1")
    size = ctypes.c_size_t()
    assert driver.cuInit(0) == driver.cuDeviceTotalMem_v2(ctypes.byref(size), 0) == 0
    told = _trained("Sequential without Input, momentum", gpus=0.25)
    assert told["limits"] == [int(size.value * 0.25 / 2**20)]
    assert told["refused"]
