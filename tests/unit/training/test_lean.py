"""Keras without what no trial needs."""

import subprocess
import sys

import pytest

_TRAINED = """
import sys
from pipeline.datasets import load
from pipeline.training.workplace import Workplace
from tune_jobs.mnist_asha import JOB
learner = Workplace(JOB, load("mnist")).learner({"lr": 0.1, "momentum": 0.9, "width": 32}, seed=0)
learner.run_epoch()
"""


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_trial_is_trained_without_scikit_learns_estimators_and_pyplot():
    """A process that has trained has loaded neither pyplot's figures nor what Keras' wrappers build upon."""
    told = _run(_TRAINED + "print([name for name in ('matplotlib.figure', 'sklearn.base') if name in sys.modules])")
    assert told.strip().endswith("[]")


@pytest.mark.parametrize(
    "use",
    [
        "keras.wrappers.SKLearnClassifier(lambda X, y: None).get_params()",
        "import matplotlib; matplotlib.use('Agg'); import matplotlib.pyplot as plt; plt.figure().savefig('/dev/null')",
    ],
)
def test_what_comes_later_is_there_when_it_is_used(use):
    """Who uses the wrappers or pyplot after Keras was imported in haste notices nothing."""
    _run(f"from pipeline.training.lean import import_keras; import_keras(); import keras; {use}")


def test_who_has_keras_already_is_left_alone():
    """In a process that has imported Keras in its own way nothing is imported anew."""
    told = _run(
        "import keras; from pipeline.training import lean; lean._Later = None; lean.import_keras(); print('left alone')"
    )
    assert told.endswith("left alone\n")
