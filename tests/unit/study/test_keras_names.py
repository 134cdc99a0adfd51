"""What to do about a name that Keras does not have."""

import sys
from types import ModuleType
from typing import Any

import pytest

from pipeline.study.keras_backend import OTHER_KERAS
from pipeline.study.keras_names import advice_on_keras_name


def _absent(name: str, module: str) -> ImportError:
    return ImportError(f"cannot import name {name!r} from {module!r} (somewhere/__init__.py)", name=module)


def _no_module(name: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.fixture
def keras(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module keras.layers with one layer, without TensorFlow."""
    layers, keras = ModuleType("keras.layers"), ModuleType("keras")
    layers.Dropout, keras.layers = type("Dropout", (), {}), layers  # type: ignore[attr-defined]
    keras.KerasTensor = type("KerasTensor", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.setitem(sys.modules, "keras.layers", layers)
    monkeypatch.setitem(sys.modules, "tensorflow.keras.layers", layers)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    return keras


@pytest.mark.parametrize(
    "error",
    [
        _no_module("tf_keras"),
        _no_module("keras.engine"),
        _no_module("keras.layers.core"),
        _no_module("keras.layers.experimental"),
        _no_module("tensorflow.keras.wrappers.scikit_learn"),
        _absent("np_utils", "keras.utils"),
        _absent("LocallyConnected1D", "keras._tf_keras.keras.layers"),
        _absent("RegNetX002", "keras.applications"),
        ImportError("`keras.optimizers.legacy` is not supported: set `TF_USE_LEGACY_KERAS=True`"),
    ],
)
def test_a_name_of_keras_2_is_recognised(error: Exception, keras: ModuleType) -> None:
    """An import of a name that Keras 2 had and Keras 3 does not have gets the advice for Keras 2."""
    assert advice_on_keras_name(error) == OTHER_KERAS


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (_absent("Dropuot", "keras.layers"), "keras.layers has Dropout, not Dropuot"),
        (_absent("Dropuot", "tensorflow.keras.layers"), "keras.layers has Dropout, not Dropuot"),
        (_no_module("keras.layrs"), "keras has layers, not layrs"),
        (_absent("Swirl", "keras.layers"), ""),
        (_no_module("keras"), ""),
        (_no_module("keras_hub"), ""),
        (_absent("keras_tuner", "keras"), ""),
        (_absent("x", "mine"), ""),
        (ImportError("nothing"), ""),
        (ValueError("TF_USE_LEGACY_KERAS"), ""),
    ],
)
def test_a_mistyped_name_of_keras_gets_the_nearest_one(error: Exception, advice: str, keras: ModuleType) -> None:
    """A name that no version of Keras had gets the nearest name of its module, and no advice if none is similar."""
    assert advice_on_keras_name(error) == advice


def test_an_attribute_of_a_module_of_keras_counts_like_an_import(keras: ModuleType) -> None:
    """A name that is read from a module of Keras gets the same advice as one that is imported."""
    for name, advice in (("Dropuot", "keras.layers has Dropout, not Dropuot"), ("LocallyConnected2D", OTHER_KERAS)):
        with pytest.raises(AttributeError) as raised:
            getattr(keras.layers, name)
        assert advice_on_keras_name(raised.value) == advice
    with pytest.raises(AttributeError) as raised:
        getattr(object(), "layers")  # noqa: B009
    assert advice_on_keras_name(raised.value) == ""


def test_a_name_that_only_tensorflow_has_gets_its_module() -> None:
    """A name of Keras 2 that tensorflow.keras still has gets the module that has it, and the real names are known."""
    import keras
    import tensorflow  # noqa: F401

    with pytest.raises(ImportError) as raised:
        from keras.preprocessing.image import ImageDataGenerator  # noqa: F401
    found = "tensorflow.keras.preprocessing.image has ImageDataGenerator, and keras.preprocessing.image does not"
    assert advice_on_keras_name(raised.value) == found
    with pytest.raises(AttributeError) as read:
        keras.layers.Dropuot  # noqa: B018
    assert advice_on_keras_name(read.value) == "keras.layers has Dropout, not Dropuot"
    with pytest.raises(ImportError) as raised:
        from tensorflow.keras.layers import Dropuot  # noqa: F401
    assert advice_on_keras_name(raised.value) == "keras.layers has Dropout, not Dropuot"


@pytest.mark.parametrize(
    ("argument", "value", "advice"),
    [
        ("loss", "mean_squared_eror", "Keras has the loss 'mean_squared_error', not 'mean_squared_eror'"),
        ("loss", "crossentorpy", "Keras has the loss 'crossentropy', not 'crossentorpy'"),
        ("metrics", ["acuracy"], "Keras has the metric 'accuracy', not 'acuracy'"),
        ("optimizer", "rmsprpo", "Keras has the optimizer 'RMSprop', not 'rmsprpo'"),
        ("loss", "gini", ""),
    ],
)
def test_a_mistyped_argument_of_compile_gets_the_nearest_name(argument: str, value: Any, advice: str) -> None:
    """Keras' error about a loss, a metric or an optimiser gets the nearest name, if one is similar."""
    import keras
    import numpy as np

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    def train() -> None:
        model.compile(**{"loss": "mse", "jit_compile": False, argument: value})
        model.fit(np.zeros((2, 2)), np.zeros((2, 1)), verbose=0)

    with pytest.raises(ValueError, match="Could not interpret") as raised:
        train()
    assert advice_on_keras_name(raised.value) == advice


@pytest.mark.parametrize(
    ("argument", "value", "advice"),
    [
        ("activation", "rleu", "Keras has the activation function 'relu', not 'rleu'"),
        ("kernel_initializer", "he_norml", "Keras has the initializer 'he_normal', not 'he_norml'"),
        ("kernel_regularizer", "l22", "Keras has the regularizer 'l2', not 'l22'"),
        ("kernel_constraint", "max_nrom", "Keras has the constraint 'max_norm', not 'max_nrom'"),
    ],
)
def test_a_mistyped_argument_of_a_layer_gets_the_nearest_name(argument: str, value: str, advice: str) -> None:
    """Keras' error about an activation, an initialiser, a regulariser or a constraint gets the nearest name."""
    import keras

    with pytest.raises(ValueError, match="Could not interpret") as raised:
        keras.layers.Dense(1, **{argument: value})
    assert advice_on_keras_name(raised.value) == advice
    text = f'in user code:\n\n    File "job.py", line 1\n\n    ValueError: {raised.value}\n'
    assert advice_on_keras_name(ValueError(text)) == advice


def test_a_short_name_with_swapped_letters_gets_the_nearest_name() -> None:
    """Of a name of three letters, two of which are swapped, the name with the same letters is suggested."""
    import keras  # noqa: F401

    advice = advice_on_keras_name(ValueError("Could not interpret optimizer identifier: sdg"))
    assert advice == "Keras has the optimizer 'SGD', not 'sdg'"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("loss", "my_loss"),
        ("loss", "dice_loss"),
        ("metric", "my_metric"),
        ("metric", "f1_macro"),
        ("optimizer", "my_optimizer"),
        ("optimizer", "schedule"),
        ("initializer", "my_initializer"),
    ],
)
def test_a_base_class_or_a_module_of_keras_is_not_suggested(kind: str, name: str) -> None:
    """The name of a user's own loss, metric or optimiser gets no base class, no module and no unlike name."""
    import keras  # noqa: F401

    assert advice_on_keras_name(ValueError(f"Could not interpret {kind} identifier: {name}")) == ""


def test_an_error_that_cannot_be_shown_gets_no_advice() -> None:
    """An error of the user's own class whose text cannot be made gets no advice."""

    class Silent(ValueError):
        """An error without a text."""

        def __str__(self) -> str:
            raise RuntimeError

    assert advice_on_keras_name(Silent()) == ""
