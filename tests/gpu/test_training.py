"""Training on a GPU. TensorFlow takes its devices once, so each case is a separate process."""

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
from pipeline.training.trainer_factory import TrainerFactory
from tests.model_kinds import KINDS
from tests.training import job_of

name, resources = sys.argv[1], Resources(**json.loads(sys.argv[2]))
kind = KINDS[name]

def build(config):
    # As a user compiles it: Keras decides about XLA by itself.
    model = kind.build(config)
    model.jit_compile = model._resolve_auto_jit_compile()
    return model

from pipeline.study import Fit
from pipeline.training.arrays import WHOLE

trainer_factory = TrainerFactory(job_of(build, batch_size=kind.batch_size, resources=resources), kind.data())
# The graph of a search reads its values from variables.
learner = trainer_factory.learner({"momentum": 0.9}, seed=3)
metrics = [dict(learner.run_epoch().metrics) for _ in range(2)]
import tensorflow as tf
cards = tf.config.list_physical_devices("GPU")
reported = {
    "metrics": metrics,
    "xla": bool(learner.model.jit_compile),
    "device": learner.model.variables[0].value.device,
    "data": tf.nest.flatten(trainer_factory.prepared({}).part(WHOLE, Fit()).train)[0].device,
    "visible": len(tf.config.get_visible_devices("GPU")),
    "limits": [c.memory_limit for card in cards for c in tf.config.get_logical_device_configuration(card) or []],
}
if resources.gpus == 1:
    reported["growth"] = tf.config.experimental.get_memory_growth(cards[0])
if 0 < resources.gpus < 1:
    try:
        tf.zeros([int(reported["limits"][0] * 1.2), 2**18])
        reported["refused"] = False
    except tf.errors.ResourceExhaustedError:
        reported["refused"] = True
print(json.dumps(reported))
"""


def _trained(kind: str, **resources: float) -> dict[str, Any]:
    reported = subprocess.run(
        [sys.executable, "-c", _TRAIN, kind, json.dumps(resources)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert reported.returncode == 0, reported.stderr
    return json.loads(reported.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "kind",
    ["Sequential without Input, momentum", "two outputs, weights of each", "BatchNormalization, EMA"],
)
def test_metrics_equal_those_of_the_cpu(kind: str) -> None:
    """On a whole GPU, with XLA and memory growth, training gives the CPU's metrics up to rounding."""
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
    reported = _trained("Sequential without Input, momentum")
    assert reported["visible"] == 0
    assert "CPU:0" in reported["device"]


def test_fraction_of_a_card_is_a_limit_on_its_memory() -> None:
    driver = ctypes.CDLL("libcuda.so.1")
    size = ctypes.c_size_t()
    assert driver.cuInit(0) == driver.cuDeviceTotalMem_v2(ctypes.byref(size), 0) == 0
    reported = _trained("Sequential without Input, momentum", gpus=0.25)
    assert reported["limits"] == [int(size.value * 0.25 / 2**20)]
    assert reported["refused"]
