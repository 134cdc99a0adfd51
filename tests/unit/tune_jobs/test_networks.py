"""Optimisers that several jobs use."""

import keras
import pytest

from tune_jobs.networks import optimiser_of, tutorial_network


@pytest.mark.parametrize(
    ("config", "kind", "settings"),
    [
        ({"lr": 0.1}, keras.optimizers.SGD, {"momentum": 0.0, "nesterov": False}),
        ({"lr": 0.1, "momentum": 0.8, "nesterov": True}, keras.optimizers.SGD, {"momentum": 0.8, "nesterov": True}),
        ({"optimiser": "rmsprop", "lr": 0.1, "rho": 0.7}, keras.optimizers.RMSprop, {"rho": 0.7, "momentum": 0.0}),
        ({"optimiser": "adam", "lr": 0.1, "beta_1": 0.8}, keras.optimizers.Adam, {"beta_1": 0.8, "beta_2": 0.999}),
        ({"optimiser": "adamw", "lr": 0.1, "weight_decay": 0.2}, keras.optimizers.AdamW, {"weight_decay": 0.2}),
        ({"optimiser": "nadam", "lr": 0.1}, keras.optimizers.Nadam, {"beta_1": 0.9}),
        ({"optimiser": "adagrad", "lr": 0.1}, keras.optimizers.Adagrad, {}),
    ],
)
def test_an_optimiser_has_the_settings_of_its_config(config: dict, kind: type, settings: dict) -> None:
    optimiser = optimiser_of(config)
    assert type(optimiser) is kind
    assert float(optimiser.learning_rate) == pytest.approx(0.1)
    assert {name: getattr(optimiser, name) for name in settings} == settings


def test_a_setting_of_another_optimiser_is_left_out() -> None:
    assert not hasattr(optimiser_of({"optimiser": "adagrad", "lr": 0.1, "momentum": 0.9}), "momentum")


def test_the_network_equals_the_tutorials() -> None:
    model = tutorial_network({"lr": 0.1})
    assert model.count_params() == 784 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10
    assert [type(layer).__name__ for layer in model.layers] == ["Dense", "Dropout", "Dense", "Dense"]
    assert model.layers[1].rate == 0.1
    assert isinstance(model.layers[0].kernel_initializer, keras.initializers.RandomUniform)
    assert model.loss == "categorical_crossentropy"
