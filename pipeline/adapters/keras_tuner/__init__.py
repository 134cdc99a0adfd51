"""KerasTuner: a function `build(hp)` or a HyperModel, as a job.

The space is found by building models. Where the program calls `tuner.search(…)`, data, objective and budget are taken
from there; the search itself does not run.
"""

from pipeline.adapters.keras_tuner.hypermodel import HypermodelAdapter, prepare
from pipeline.adapters.keras_tuner.stub_modules import patches
from pipeline.adapters.library import Library

__all__ = ["LIBRARY", "Adapted", "running"]

TEXT = '''"""{title}, a hypermodel of KerasTuner, as the functions of a job: written by tunepipe."""

from pipeline.adapters import keras_tuner

with keras_tuner.running({module!r}) as program:
    import {module}  # noqa: F401

HYPERMODEL = keras_tuner.Adapted(lambda: program(), {name!r})


def build_model(config):
    """The model of a config."""
    return HYPERMODEL.build(config)


def fit(config, state):
    """The epochs of HyperModel.fit."""
    return HYPERMODEL.steps(config, state)


def run_trial(config):
    """The epochs of Tuner.run_trial."""
    return HYPERMODEL.steps(config, None)


def callbacks(config):
    """The callbacks of the search."""
    return HYPERMODEL.callbacks()


def data():
    """The data of the search."""
    return HYPERMODEL.data()
'''

LIBRARY = Library("keras-tuner", "tuner.search(…)", patches, HypermodelAdapter, TEXT, prepare)

Adapted = HypermodelAdapter
"""The class by the name that modules of stored studies import."""

running = LIBRARY.running
"""The context in which a module is imported as a program of KerasTuner."""
