"""Keras' settings of a job's file and of its model function."""

from collections.abc import Mapping
from typing import Any

import keras

from pipeline.training.arrays import example_of
from pipeline.training.build import build_model
from pipeline.training.global_state import KerasSettings, kept_global_state
from tests.unit.training.model_kinds import dense, rows_of_six
from tests.unit.training.reference_training import job_of

EXAMPLE = example_of(rows_of_six().train)


def settings() -> tuple[str, str, str]:
    """The float type, the name of the dtype policy and the order of an image's axes."""
    return keras.config.floatx(), keras.config.dtype_policy().name, keras.config.image_data_format()


def test_settings_of_the_job_hold_for_every_model() -> None:
    """What was set before the first model holds for every model; what a model function sets, for its own model only."""
    found = []

    def build(config: Mapping[str, Any]) -> keras.Model:
        if config["double"]:
            keras.config.set_floatx("float64")
            keras.config.set_dtype_policy("float64")
            keras.config.set_image_data_format("channels_first")
        found.append(settings())
        return dense(config)

    with kept_global_state():
        keras.config.set_dtype_policy("mixed_bfloat16")
        for double in (False, True, False):
            build_model(job_of(build), {"double": double}, seed=0, example=lambda: EXAMPLE)
    own = ("float32", "mixed_bfloat16", "channels_last")
    assert found == [own, ("float64", "float64", "channels_first"), own]


def test_layers_follow_a_float_type_as_in_a_new_process() -> None:
    """Layers follow the float type that a model function sets if no dtype policy was ever set."""

    def build(config: Mapping[str, Any]) -> keras.Model:
        keras.config.set_floatx("float64")
        return dense(config)

    with kept_global_state():
        KerasSettings("float32", None, "channels_last").restore()
        for _ in range(2):
            model = build_model(job_of(build), {}, seed=0, example=lambda: EXAMPLE)
            assert {variable.dtype for variable in model.trainable_variables} == {"float64"}


def test_settings_are_restored_from_what_was_read() -> None:
    """Settings that were read are those of the process again once they are restored."""
    with kept_global_state():
        before, shown = KerasSettings.current(), settings()
        assert before is not None
        keras.config.set_floatx("float16")
        keras.config.set_dtype_policy("mixed_float16")
        before.restore()
        assert settings() == shown
