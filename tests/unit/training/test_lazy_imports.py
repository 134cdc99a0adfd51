"""Keras without the imports that no trial needs."""

import subprocess
import sys

import pytest

_TRAINED = """
import sys
from pipeline.datasets import Dataset, Split, load
from pipeline.training.trainer_factory import TrainerFactory
from tune_jobs.mnist_asha import JOB
splits = [Split(split.x[:256], split.y[:256]) for split in (load("mnist").train, load("mnist").validation)]
learner = TrainerFactory(JOB, Dataset("few", *splits)).learner({"lr": 0.1, "momentum": 0.9, "width": 32}, seed=0)
learner.run_epoch()
print("loaded", [name for name in ("matplotlib.figure", "sklearn.base") if name in sys.modules])
import keras
keras.wrappers.SKLearnClassifier(lambda X, y: None).get_params()
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
plt.figure().savefig("/dev/null")
print("used", [name for name in ("matplotlib.figure", "sklearn.base") if name in sys.modules])
"""


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def reported() -> list[str]:
    """What a process has loaded after it trained, and after it used what is imported late."""
    return [line for line in _run(_TRAINED).splitlines() if line.startswith(("loaded", "used"))]


@pytest.mark.long
def test_a_trial_is_trained_without_scikit_learns_estimators_and_pyplot(reported):
    """After training, neither pyplot nor the imports of Keras' scikit-learn wrappers are loaded."""
    assert reported[0] == "loaded []"


def test_lazy_modules_are_imported_when_used(reported):
    """Keras' wrappers and pyplot are imported when they are first used."""
    assert reported[1] == "used ['matplotlib.figure', 'sklearn.base']"


def test_an_imported_keras_is_unchanged():
    """In a process that has already imported Keras, no module is imported again."""
    reported = _run(
        "import keras; from pipeline.training import lazy_imports; lazy_imports._Later = None; "
        "lazy_imports.import_keras(); print('left alone')"
    )
    assert reported.endswith("left alone\n")


def test_another_backend_of_keras_is_refused():
    """Where Keras is set to a backend that is not installed, one sentence says how to set it to TensorFlow."""
    reported = _run(
        "import os; os.environ['KERAS_BACKEND'] = 'jax'; from pipeline.errors import ModelError\n"
        "from pipeline.training.process import import_keras\n"
        "try: import_keras()\nexcept ModelError as error: print(error)"
    )
    assert reported.startswith("Keras must use the backend tensorflow")
    assert reported.endswith("Found: jax.\n")
