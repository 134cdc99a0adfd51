"""The models of a trial with folds or repeats: their metrics, their states and exact continuation."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
from keras import callbacks, layers

from pipeline.datasets import Dataset, Split
from pipeline.space import Config
from pipeline.storage import Checkpoint, pack, unpack
from pipeline.study import Fit
from pipeline.training.arrays import folds_of
from pipeline.training.base import TrainingEnded
from pipeline.training.ensemble import Ensemble, first_of, labels_of, seed_of
from pipeline.training.fit_trainer import FitTrainer
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import rows_of_six, weighted
from tests.unit.training.reference_training import fitted_by_epochs, job_of, weights_of

SEED, EPOCHS = 5, 3


def network(config: Config) -> keras.Model:
    """A network with Dropout and Adam: seed generators and slots are part of the state."""
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
    return model


def plateaus(config: Config) -> list[keras.callbacks.Callback]:
    """A learning rate that falls after each epoch without a gain of 0.01, separately in each fold."""
    return [callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1, min_delta=0.01)]


def read_back(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as it is read from a file."""
    return unpack(b"".join(pack(checkpoint)), "a checkpoint")


@pytest.mark.parametrize(
    ("folds", "repeats", "labels"),
    [
        (1, 1, [""]),
        (3, 1, ["fold1", "fold2", "fold3"]),
        (1, 2, ["repeat1", "repeat2"]),
        (2, 2, ["fold1_repeat1", "fold2_repeat1", "fold1_repeat2", "fold2_repeat2"]),
    ],
)
def test_models_are_named_by_what_they_differ_in(folds: int, repeats: int, labels: list[str]) -> None:
    """A model's label names its fold, its repeat, or both."""
    assert labels_of(folds, repeats) == labels


def test_seeds_of_models_differ() -> None:
    """The first model has the trial's seed, and all others have distinct seeds, also across trials."""
    seeds = [seed_of(seed, place) for seed in (0, 1) for place in range(20)]
    assert seeds[0] == 0
    assert seeds[20] == 1
    assert len(set(seeds)) == 40
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize(
    "data",
    [pytest.param(rows_of_six(), id="plain", marks=pytest.mark.long), pytest.param(weighted(), id="weighted")],
)
@pytest.mark.parametrize(
    "memory",
    [
        pytest.param(None, id="compiled"),
        pytest.param(100.0, id="fit, one batch at a time", marks=pytest.mark.long),
    ],
)
def test_a_fold_is_trained_as_if_it_were_all(data: Dataset, memory: float | None) -> None:
    """Each fold's metrics equal those of Keras' fit on its rows, and mean and deviation are over the folds."""
    job = job_of(network, folds=2)
    learner = TrainerFactory(job, data, memory=memory).learner({}, seed=SEED)
    results = [learner.run_epoch() for _ in range(2)]
    alone = []
    for place, fold in enumerate(folds_of(data.train, 2, seed=job.seed)):
        mine = Dataset("fold", _rows(data.train, fold.train), _rows(data.train, fold.validation))
        alone.append(fitted_by_epochs(job_of(network), mine, seed=seed_of(SEED, place), epochs=2)[1])

    names = {name for name in results[0].metrics if "_fold" not in name and not name.endswith("_std")}
    assert names == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for epoch, result in enumerate(results):
        for name in names:
            values = [one[name][epoch] for one in alone]
            # Keras' fit validates in batches of 32 where the trainer does in batches of 8.
            assert [result.metrics[f"{name}_fold{n}"] for n in (1, 2)] == pytest.approx(values, rel=1e-6)
            assert result.metrics[name] == pytest.approx(np.mean(values), rel=1e-6)
            assert result.metrics[f"{name}_std"] == pytest.approx(np.std(values), abs=1e-6)


def _rows(split: Split, rows: np.ndarray | None) -> Split:
    return Split(split.x[rows], split.y[rows], None if split.weight is None else split.weight[rows])


def test_the_validation_split_is_no_part_of_it() -> None:
    """Folds divide only the training split, so that other validation rows change nothing."""
    data = rows_of_six()
    other = Dataset("other", data.train, Split(data.validation.x * 9, data.validation.y))
    first, second = (TrainerFactory(job_of(network, folds=2), one).learner({}, seed=SEED) for one in (data, other))
    assert first.run_epoch().metrics == second.run_epoch().metrics


@pytest.mark.parametrize(
    ("fields", "memory"),
    [
        ({"folds": 2}, None),
        pytest.param({"folds": 2, "repeats": 2}, None, marks=pytest.mark.long),
        pytest.param({"folds": 2}, 100.0, marks=pytest.mark.long),
    ],
)
def test_continues_exactly(fields: Mapping[str, int], memory: float | None) -> None:
    """A resumed trial has the metrics of an uninterrupted one to the last digit, for every fold and its rate."""
    job, data = job_of(network, callbacks=plateaus, **fields), rows_of_six()
    first: Any = TrainerFactory(job, data, memory=memory).learner({}, seed=SEED)
    for _ in range(EPOCHS):
        first.run_epoch()
    state = read_back(first.save())
    expected = [first.run_epoch() for _ in range(EPOCHS)]

    trainer_factory = TrainerFactory(job, data, memory=memory)
    # Something else was trained here before.
    before = trainer_factory.learner({}, seed=SEED + 1)
    before.run_epoch()
    before.close()
    second: Any = trainer_factory.learner({}, seed=SEED)
    second.load(state)
    continued = [second.run_epoch() for _ in range(EPOCHS)]

    assert second.inexact is None
    assert [one.metrics for one in continued] == [one.metrics for one in expected]
    assert [one.learning_rate for one in continued] == [one.learning_rate for one in expected]
    for mine, theirs in zip(second.members, first.members, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(weights_of(mine.model), weights_of(theirs.model), strict=True))


@pytest.mark.long
def test_the_next_trial_takes_over_the_traces() -> None:
    """A second trial of the same architecture traces nothing and has the same results as if it were alone."""
    job, data = job_of(network, folds=2), rows_of_six()
    trainer_factory = TrainerFactory(job, data)
    for seed in (SEED + 1, SEED):
        learner = trainer_factory.learner({}, seed=seed)
        metrics = learner.run_epoch().metrics
        learner.close()
    assert trainer_factory.traces.made == 2
    assert metrics == TrainerFactory(job, data).learner({}, seed=SEED).run_epoch().metrics


def test_callbacks_are_each_folds_own() -> None:
    """A fold that a callback stops keeps its last metrics, and training ends with the last fold."""

    def stopping(config: Config) -> list[keras.callbacks.Callback]:
        made.append(Stop(after=len(made) + 1))
        return [made[-1]]

    made: list[Stop] = []
    learner: Any = TrainerFactory(job_of(network, callbacks=stopping, folds=2), rows_of_six()).learner({}, seed=SEED)
    first = learner.run_epoch()
    state = read_back(learner.save())
    second = learner.run_epoch()
    learner.close()

    assert (first.last, second.last) == (False, True)
    assert second.metrics["loss_fold1"] == first.metrics["loss_fold1"]
    assert second.metrics["loss_fold2"] != first.metrics["loss_fold2"]
    assert [callback.ended for callback in made] == [1, 1]
    assert learner.model_epoch == 2
    with pytest.raises(TrainingEnded):
        learner.run_epoch()

    made.clear()
    again: Any = TrainerFactory(job_of(network, callbacks=stopping, folds=2), rows_of_six()).learner({}, seed=SEED)
    again.load(state)
    assert again.run_epoch().metrics == second.metrics


def test_a_fold_is_validated_where_it_stops() -> None:
    """A fold that stops at an epoch without validation is validated there, so that later means have all folds."""

    def stopping(config: Config) -> list[keras.callbacks.Callback]:
        made.append(Stop(after=(2, 4)[len(made)]))
        return [made[-1]]

    made: list[Stop] = []
    job = job_of(network, callbacks=stopping, folds=2, fit=Fit(validation_freq=3))
    learner = TrainerFactory(job, rows_of_six()).learner({}, seed=SEED)
    results = [learner.run_epoch() for _ in range(4)]
    assert [result.validated for result in results] == [False, False, True, True]
    assert ["val_loss" in result.metrics for result in results] == [False, False, True, True]
    alone = TrainerFactory(job_of(network, folds=2), rows_of_six()).learner({}, seed=SEED)
    epochs = [alone.run_epoch().metrics for _ in range(4)]
    assert [result.metrics["val_loss_fold1"] for result in results[2:]] == [epochs[1]["val_loss_fold1"]] * 2
    assert results[3].metrics["val_loss_fold2"] == epochs[3]["val_loss_fold2"]


class Stop(keras.callbacks.Callback):
    """A callback that stops its model after some epochs."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after, self.ended = after, 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop, if it is time."""
        self.model.stop_training = epoch + 1 >= self.after

    def on_train_end(self, logs: Any = None) -> None:
        """Count."""
        self.ended += 1


def test_repeats_differ_in_their_seed_alone() -> None:
    """Each repeat equals a single trial with its seed."""
    data = rows_of_six()
    result = TrainerFactory(job_of(network, repeats=2), data).learner({}, seed=SEED).run_epoch()
    for place in (0, 1):
        alone = TrainerFactory(job_of(network), data).learner({}, seed=seed_of(SEED, place)).run_epoch()
        assert result.metrics[f"val_loss_repeat{place + 1}"] == alone.metrics["val_loss"]


def test_the_first_repeat_can_be_taken_out() -> None:
    """The first repeat's state can be continued by a trial of a single model, as for the winner's export."""
    data = rows_of_six()
    learner = TrainerFactory(job_of(network, repeats=2), data).learner({}, seed=SEED)
    learner.run_epoch()
    alone = TrainerFactory(job_of(network), data).learner({}, seed=SEED)
    alone.load(first_of(read_back(learner.save())))
    assert learner.run_epoch().metrics["loss_repeat1"] == alone.run_epoch().metrics["loss"]


def test_the_whole_split_is_available_for_the_winner() -> None:
    """The winner is trained on the whole training split, as in a job without folds."""
    data = rows_of_six()
    whole = TrainerFactory(job_of(network, folds=2), data).whole({}, seed=SEED)
    assert whole.run_epoch().metrics == TrainerFactory(job_of(network), data).learner({}, seed=SEED).run_epoch().metrics


def test_a_loss_that_is_not_finite_makes_the_mean_so() -> None:
    """A loss of one fold that is not finite makes the mean not finite, so that the trial fails."""

    class StubTrainer:
        model_epoch = 1
        inexact = None

        def __init__(self, loss: float) -> None:
            self.loss = loss

        def run_epoch(self) -> Any:
            from pipeline.training.base import EpochResult

            return EpochResult({"loss": self.loss}, 0.1, 0.0, 1.0, 2.0, last=math.isnan(self.loss))

    joined = Ensemble(["fold1", "fold2"], [StubTrainer(1.0), StubTrainer(math.nan)]).run_epoch()  # type: ignore[list-item]
    assert math.isnan(joined.metrics["loss"])
    assert joined.metrics["loss_fold1"] == 1.0
    assert (joined.seconds_train, joined.seconds_evaluate, joined.learning_rate) == (2.0, 4.0, 0.1)


def test_data_too_large_are_not_copied_for_folds() -> None:
    """Folds of data that are too large for memory read the rows without a copy."""
    data = rows_of_six()
    learner: Any = TrainerFactory(job_of(network, folds=2), data, memory=100.0).learner({}, seed=SEED)
    assert all(isinstance(member, FitTrainer) for member in learner.members)
    assert all(member.train_data[0] is data.train.x for member in learner.members)
