"""The winner as files that can be loaded, and its score on test rows."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import callbacks, layers

from pipeline.datasets import Dataset, Split
from pipeline.errors import ModelError, NotEvaluated
from pipeline.storage import pack, unpack
from pipeline.study import Resources
from pipeline.training import export as export_module
from pipeline.training.export import evaluate, export, export_winner
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import KINDS, averaged, dense, rows_of_six
from tests.unit.training.programs.texts import reading, text_arrays
from tests.unit.training.reference_training import job_of

SEED = 4
FILES = ["architecture.json", "model.keras", "model.weights.h5"]


class Unregistered(layers.Layer):
    """A user's layer that Keras cannot create from its name."""

    def __init__(self, scale: Any) -> None:
        super().__init__()
        self._scale = scale

    def call(self, x: Any) -> Any:
        """Scale."""
        return self._scale(x)


def own_layer(config: Mapping[str, Any]) -> keras.Model:
    """A model with a layer that cannot be loaded without its code."""
    model = keras.Sequential([keras.Input((6,)), Unregistered(lambda x: 2.0 * x), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


SHARED = [keras.metrics.MeanSquaredError(name="squares")]


def shared_metrics(config: Mapping[str, Any]) -> keras.Model:
    """A model whose metric objects are those of all other models of its module."""
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=SHARED)
    return model


def names(folder: Path) -> list[str]:
    """The files in a folder."""
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize(
    ("build", "kind", "fields"),
    [
        pytest.param(dense, "Sequential without Input, momentum", {}, id="Sequential"),
        pytest.param(None, "two outputs, losses and metrics, Nesterov", {}, id="two outputs"),
        pytest.param(shared_metrics, "Sequential without Input, momentum", {}, id="shared metrics"),
        pytest.param(None, "mixed_float16", {}, id="mixed precision", marks=pytest.mark.long),
        pytest.param(
            dense, "Sequential without Input, momentum", {"resources": Resources(strategy="mirrored")}, id="mirrored"
        ),
    ],
)
def test_winner_has_the_weights_of_its_best_epoch(
    build: Any, kind: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    """The exported model has the weights of the best epoch, and its test metrics are those of these weights."""
    data = KINDS[kind].data()
    # The validation rows as test rows, so that the score is known.
    data = Dataset(data.name, data.train, data.validation, data.validation)
    job = job_of(build or KINDS[kind].build, **fields)
    trainer_factory = TrainerFactory(job, data)
    learner = trainer_factory.learner({}, seed=SEED)
    best = learner.run_epoch()
    state = unpack(b"".join(pack(learner.save())), "best")
    learner.run_epoch()
    learner.close()

    found = export_winner(trainer_factory, {}, state, seed=SEED, folder=tmp_path)

    expected = {name.replace("val_", "test_"): value for name, value in best.metrics.items() if "val_" in name}
    assert found == pytest.approx(expected, rel=1e-5)
    assert names(tmp_path) == FILES
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert evaluate(loaded, data.validation) == pytest.approx(
        {name.removeprefix("test_"): value for name, value in expected.items()}, rel=1e-5
    )


def test_winner_without_test_rows_has_no_score(tmp_path: Path) -> None:
    """Without test rows, the winner has no test metrics, and all files are written."""
    data = rows_of_six()
    data = Dataset(data.name, data.train, data.validation)
    trainer_factory = TrainerFactory(job_of(dense), data)
    learner = trainer_factory.learner({}, seed=SEED)
    learner.run_epoch()
    assert export_winner(trainer_factory, {}, learner.save(), seed=SEED, folder=tmp_path) == {}
    assert names(tmp_path) == FILES


def test_callbacks_have_no_part_in_the_export(tmp_path: Path) -> None:
    """The winner has the checkpoint's weights, although EarlyStopping or SwapEMAWeights would change them."""
    job = job_of(
        averaged,
        callbacks=lambda _: [
            callbacks.SwapEMAWeights(swap_on_epoch=True),
            callbacks.EarlyStopping(monitor="loss", mode="max", patience=9, restore_best_weights=True),
        ],
    )
    trainer_factory = TrainerFactory(job, rows_of_six())
    learner: Any = trainer_factory.learner({}, seed=SEED)
    learner.run_epoch()
    learner.run_epoch()
    expected = learner.model.get_weights()
    export_winner(trainer_factory, {}, learner.save(), seed=SEED, folder=tmp_path)
    found = keras.saving.load_model(tmp_path / "model.keras").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_texts_are_evaluated(tmp_path: Path) -> None:
    """A winner whose test split holds arrays of text is exported and evaluated."""
    data = text_arrays()
    trainer_factory = TrainerFactory(job_of(reading), replace(data, test=data.validation))
    learner: Any = trainer_factory.learner({}, seed=SEED)
    learner.run_epoch()
    found = export_winner(trainer_factory, {}, learner.save(), seed=SEED, folder=tmp_path)
    assert set(found) == {"test_loss", "test_accuracy"}


def test_failed_evaluation_leaves_the_export(tmp_path: Path) -> None:
    """A test split on which the model fails is reported with its error, and the files of the model are complete."""
    data = rows_of_six()
    other = replace(data, test=Split(np.zeros((4, 5), "float32"), np.zeros(4)))
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(NotEvaluated, match=r"is exported, but evaluating it on the test split failed: ValueError: "):
        export_module.export_and_evaluate(model, other, tmp_path)
    assert names(tmp_path) == FILES


def test_averaged_weights_are_the_winners(tmp_path: Path) -> None:
    """If the optimiser averages weights, the export has the averages, as after fit."""
    trainer_factory = TrainerFactory(job_of(averaged), rows_of_six())
    learner: Any = trainer_factory.learner({}, seed=SEED)
    learner.run_epoch()
    state = learner.save()
    learner.close()
    export_winner(trainer_factory, {}, state, seed=SEED, folder=tmp_path)
    found = keras.saving.load_model(tmp_path / "model.keras").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(found, learner.model.get_weights(), strict=True))


def test_both_forms_load_in_safe_mode(tmp_path: Path) -> None:
    """The architecture is plain JSON and, with the weights, gives the same model in safe mode."""
    model = dense({})
    x = rows_of_six().train.x
    expected = model.predict(x, verbose=0)
    export(model, tmp_path, example=x)
    assert json.loads((tmp_path / "architecture.json").read_text())["class_name"] == "Sequential"
    again = keras.models.model_from_json((tmp_path / "architecture.json").read_text())
    again.load_weights(tmp_path / "model.weights.h5")
    assert np.array_equal(again.predict(x, verbose=0), expected)


@pytest.mark.parametrize("adapted", [True, False])
def test_a_learned_vocabulary_is_in_the_keras_file(
    adapted: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model whose layer was adapted to texts has no architecture.json, and its .keras file predicts as the model."""
    words = ["good", "bad"]
    vectorize = layers.TextVectorization(max_tokens=9, output_sequence_length=3, vocabulary=None if adapted else words)
    if adapted:
        vectorize.adapt(words)
    model = keras.Sequential([keras.Input((), dtype="string"), vectorize, layers.Embedding(9, 2), layers.Flatten()])
    model.compile("sgd", "mse")
    texts = tf.constant(["good good bad", "other"])
    export(model, tmp_path, example=texts)
    assert names(tmp_path) == (FILES[1:] if adapted else FILES)
    assert ("architecture.json is left out: it cannot hold the vocabular" in capsys.readouterr().out) == adapted
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(again(texts), model(texts))


def test_own_losses_and_metrics_leave_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model of Keras' layers with a loss and a metric of the user's own is exported in all forms."""

    def distance(y: Any, predicted: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(y - predicted), axis=-1)

    class Largest(keras.metrics.MeanMetricWrapper):
        def __init__(self) -> None:
            super().__init__(distance, name="largest")

    model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    model.compile("sgd", distance, metrics=[distance, Largest()])
    export(model, tmp_path, example=rows_of_six().train.x)
    assert names(tmp_path) == FILES
    assert "left out" not in capsys.readouterr().out
    again = keras.models.model_from_json((tmp_path / "architecture.json").read_text())
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


def test_low_rank_updates_are_in_the_exported_kernel(tmp_path: Path) -> None:
    """A model with LoRA is exported in all forms, although Keras merges its updates into the kernel."""
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, name="wide")])
    model.get_layer("wide").enable_lora(2)
    model.compile("sgd", "mse")
    rows = rows_of_six().train.x
    model.fit(rows, np.ones((len(rows), 3)), verbose=0)
    export(model, tmp_path, example=rows)
    assert names(tmp_path) == FILES
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(again(rows), model(rows), atol=1e-5)


def test_layer_of_the_users_own_leaves_the_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A layer that cannot be loaded is omitted and reported, and the weights fit a model built by the job."""
    trainer_factory = TrainerFactory(job_of(own_layer), rows_of_six())
    learner: Any = trainer_factory.learner({}, seed=SEED)
    learner.run_epoch()
    found = export_winner(trainer_factory, {}, learner.save(), seed=SEED, folder=tmp_path)

    assert set(found) == {"test_loss", "test_accuracy"}
    assert names(tmp_path) == ["model.weights.h5"]
    reported = capsys.readouterr().out
    assert "model.keras and architecture.json are left out: they would not load back: " in reported
    assert "register_keras_serializable" in reported
    assert "pipeline.load_model needs no export" in reported
    again = own_layer({})
    again.load_weights(tmp_path / "model.weights.h5")
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), learner.model.get_weights(), strict=True))


@pytest.mark.parametrize("what", ["weights", "predictions"])
def test_form_that_differs_is_refused(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that load as another model than the exported one are an error."""
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])

    def other(*args: Any, **options: Any) -> keras.Model:
        found = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax" if what == "weights" else "tanh")])
        if what == "predictions":
            found.set_weights(model.get_weights())
        return found

    monkeypatch.setattr(export_module.keras.saving, "load_model", other)
    with pytest.raises(ModelError, match=f"model.keras can be loaded, but its {what} differ from those of the model"):
        export(model, tmp_path, example=rows_of_six().train.x)


class WithoutConfig(keras.Model):
    """A user's model that Keras cannot save, and whose error breaks its first sentence into lines."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self._last = layers.Dense(units, "softmax")

    def call(self, x: Any) -> Any:
        """Classes."""
        return self._last(x)


def test_the_reason_for_a_file_left_out_is_a_whole_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason why a file is left out is Keras' whole first sentence, even where it has several lines."""
    model = WithoutConfig(3)
    rows = rows_of_six().train.x
    model(rows)
    export(model, tmp_path, example=rows)
    assert "must override `get_config()` in order to be serializable. Register" in capsys.readouterr().out


def test_weights_that_are_nan_are_exported(tmp_path: Path) -> None:
    """A model whose weights are NaN, as after training on NaN, is exported with these weights."""
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2), layers.Dense(3, "softmax")])
    weights = model.get_weights()
    weights[0][0, 0] = np.nan
    model.set_weights(weights)
    export(model, tmp_path, example=rows_of_six().train.x)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(loaded.get_weights(), weights, strict=True))


def test_export_needs_the_checkpoint_to_fit(tmp_path: Path) -> None:
    """A checkpoint of another architecture is refused before anything is written."""
    trainer_factory = TrainerFactory(job_of(dense), rows_of_six())
    state = TrainerFactory(job_of(averaged), rows_of_six()).learner({}, seed=SEED).save()
    with pytest.raises(ModelError, match="another architecture"):
        export_winner(trainer_factory, {}, state, seed=SEED, folder=tmp_path)
    assert names(tmp_path) == []
