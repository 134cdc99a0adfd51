"""Whether XLA compiles a model."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.study import Resources
from pipeline.training.build import leave_out_xla
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import dense, rows_of_six
from tests.unit.training.reference_training import job_of


@pytest.mark.parametrize(("asked", "compiles"), [("auto", False), (False, False), (True, True)])
def test_xla_compiles_on_a_cpu_only_if_requested(
    asked: Any, compiles: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """jit_compile=True is respected with one note on its cost, and "auto" does not compile on a CPU."""

    def build(config: Mapping[str, Any]) -> keras.Model:
        model = dense(config)
        model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=asked)
        return model

    trainer_factory = TrainerFactory(job_of(build), rows_of_six())
    for _ in range(2):
        learner: Any = trainer_factory.learner({}, seed=1)
        assert bool(learner.model.jit_compile) is compiles
    assert np.isfinite(learner.run_epoch().metrics["loss"])
    assert capsys.readouterr().out.count("jit_compile=True") == int(compiles)


def test_a_mirrored_model_is_not_compiled_by_xla() -> None:
    """Under a mirrored strategy XLA is left out, with a sentence only if the model asks for it."""
    resources = Resources(gpus=2, strategy="mirrored")
    for asked, sentences in (("auto", 0), (True, 1)):
        model, said = dense({}), list[str]()
        model.compile("sgd", "mse", jit_compile=asked)
        leave_out_xla(model, resources, said.append)
        assert not model.jit_compile
        assert len(said) == sentences
