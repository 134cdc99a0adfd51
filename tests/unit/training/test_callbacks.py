from collections import deque
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import callbacks, layers, optimizers

from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.storage import pack, unpack
from pipeline.study import Budget, Fit
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import averaged, rows_of_six
from tests.unit.training.reference_training import fitted, job_of, weights_of

EPOCHS, SEED = 4, 1


def network(config: Config) -> keras.Model:
    """A small network with Dropout, and a learning rate that callbacks can change."""
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, "relu"), layers.Dropout(0.2), layers.Dense(3, "softmax")]
    )
    model.compile(
        optimizers.SGD(config.get("lr", 0.3)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


class RecordedHooks(callbacks.Callback):
    """Records every hook with its arguments in a class attribute, because the job creates the callback."""

    calls: list[Any] = []  # noqa: RUF012

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin a new list."""
        type(self).calls = [("train_begin", dict(self.params))]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Record it."""
        self.calls.append(("epoch_begin", epoch))

    def on_test_begin(self, logs: Any = None) -> None:
        """Record it."""
        self.calls.append(("test_begin",))

    def on_test_end(self, logs: Any = None) -> None:
        """Record it."""
        self.calls.append(("test_end", dict(logs)))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record it."""
        self.calls.append(("epoch_end", epoch, dict(logs)))

    def on_train_end(self, logs: Any = None) -> None:
        """Record it."""
        self.calls.append(("train_end", dict(logs)))


class RecordedBatchHooks(RecordedHooks):
    """Records every batch as well, and ends training in the middle of an epoch."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Record it."""
        self.calls.append(("batch_begin", batch))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Record it, and stop in the second epoch."""
        self.calls.append(("batch_end", batch, dict(logs)))
        if self.model.optimizer.iterations == 9:
            self.model.stop_training = True

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Record it."""
        self.calls.append(("test_batch_end", batch, dict(logs)))


def _stopping(config: Config) -> list[Any]:
    return [callbacks.EarlyStopping(monitor="loss", mode="max", patience=1, restore_best_weights=True)]


def _plateau(config: Config) -> list[Any]:
    return [callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1, min_delta=0.5, cooldown=1)]


def _scheduler(config: Config) -> list[Any]:
    return [callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7 if epoch else rate)]


def _checkpoint(config: Config) -> list[Any]:
    return [callbacks.ModelCheckpoint(f"{config['folder']}/{{epoch}}.weights.h5", save_weights_only=True)]


def _csv(config: Config) -> list[Any]:
    return [callbacks.CSVLogger(f"{config['folder']}/log.csv")]


class Failing(RecordedHooks):
    """Fails in its first epoch."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Raise."""
        raise RuntimeError("mine")


CASES = {
    "LearningRateScheduler, ModelCheckpoint, CSVLogger": (
        network,
        lambda c: [*_scheduler(c), *_checkpoint(c), *_csv(c)],
    ),
    "EarlyStopping": (network, _stopping),
    "ReduceLROnPlateau": (network, _plateau),
    "TerminateOnNaN": (network, lambda _: [callbacks.TerminateOnNaN()]),
    "TerminateOnNaN at a NaN": (network, lambda _: [callbacks.TerminateOnNaN()]),
    "SwapEMAWeights": (averaged, lambda _: [callbacks.SwapEMAWeights()]),
    "SwapEMAWeights on epochs": (averaged, lambda _: [callbacks.SwapEMAWeights(swap_on_epoch=True)]),
    "epoch hooks": (network, lambda _: [RecordedHooks()]),
    "batch hooks": (network, lambda _: [RecordedBatchHooks()]),
    "failing": (network, lambda _: [Failing(), RecordedHooks()]),
}
ENDS = {"EarlyStopping": 2, "batch hooks": 2, "TerminateOnNaN at a NaN": 1}


@pytest.fixture(scope="module")
def trainer_factories() -> dict[Any, TrainerFactory]:
    """A trainer factory for each model; the config names the callbacks of a trial."""

    def made(config: Config) -> list[Any]:
        return CASES[config["case"]][1](config)

    budget = Budget(epochs=EPOCHS)
    return {
        build: TrainerFactory(job_of(build, callbacks=made, budget=budget), rows_of_six())
        for build in (network, averaged)
    }


@pytest.mark.parametrize("name", [name for name in CASES if name != "failing"])
def test_equals_fit(name: str, trainer_factories: dict[Any, TrainerFactory], tmp_path: Path) -> None:
    """Callbacks get the same calls and have the same effects in compiled epochs as in Keras' fit."""
    trainer_factory = trainer_factories[CASES[name][0]]
    config = {"case": name, "lr": 1e30 if "at a NaN" in name else 0.3}
    fit, compiled = tmp_path / "fit", tmp_path / "compiled"
    fit.mkdir()
    compiled.mkdir()
    model, history = fitted(
        trainer_factory.job, rows_of_six(), seed=SEED, epochs=EPOCHS, config={**config, "folder": str(fit)}
    )
    calls = RecordedHooks.calls + RecordedBatchHooks.calls

    learner: Any = trainer_factory.learner({**config, "folder": str(compiled)}, seed=SEED)
    found = [learner.run_epoch()]
    while len(found) < EPOCHS and not found[-1].last:
        found.append(learner.run_epoch())
    learner.close()

    metrics = {key: [result.metrics[key] for result in found] for key in found[0].metrics}
    np.testing.assert_equal(metrics, {key: values for key, values in history.items() if key != "learning_rate"})
    np.testing.assert_equal(learner.model.history.history, history)
    np.testing.assert_equal(weights_of(learner.model), weights_of(model))
    assert learner.model.optimizer.learning_rate == model.optimizer.learning_rate
    assert len(found) == len(history["loss"]) == ENDS.get(name, EPOCHS)
    assert RecordedHooks.calls + RecordedBatchHooks.calls == calls
    assert _files(compiled) == _files(fit)


def test_the_end_is_called_after_any_error(trainer_factories: dict[Any, TrainerFactory]) -> None:
    """on_train_end is called once after an error of the user's code, and never without on_train_begin."""
    Failing.calls = RecordedHooks.calls = []
    learner: Any = trainer_factories[network].learner({"case": "failing"}, seed=SEED)
    learner.close()
    assert Failing.calls == RecordedHooks.calls == []

    learner = trainer_factories[network].learner({"case": "failing"}, seed=SEED)
    with pytest.raises(RuntimeError, match="mine"):
        learner.run_epoch()
    learner.close()
    learner.close()
    assert [[event[0] for event in kind.calls].count("train_end") for kind in (Failing, RecordedHooks)] == [1, 1]


def test_a_loss_of_nan_ends_the_trial(
    trainer_factories: dict[Any, TrainerFactory], capsys: pytest.CaptureFixture[str]
) -> None:
    """A loss of NaN ends the trial with a line in its log, also without TerminateOnNaN."""
    learner: Any = trainer_factories[network].learner({"case": "epoch hooks", "lr": 1e30}, seed=SEED)
    assert learner.run_epoch().last
    learner.close()
    assert "The loss is nan in epoch 1" in capsys.readouterr().out


def _files(folder: Path) -> dict[str, str]:
    """Every file that callbacks left: weights by name, tables with their text."""
    return {file.name: file.read_text() if file.suffix == ".csv" else "" for file in folder.iterdir()}


def _drawing(config: Config) -> list[Any]:
    generator = np.random.default_rng(1)

    class Jitter(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate.assign(generator.uniform(0.01, 0.02))

    return [Jitter()]


def _remembering(config: Config) -> list[Any]:
    class Jitter(callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.generator = np.random.default_rng(1)

        def get_state(self) -> Any:
            return self.generator.bit_generator.state

        def set_state(self, state: Any) -> None:
            self.generator.bit_generator.state = state

    return [Jitter()]


@pytest.mark.parametrize(
    ("made", "reported"),
    [(_drawing, "Jitter draws from its own Generator"), (_remembering, None), (_plateau, None)],
)
def test_a_callback_that_cannot_be_saved_is_reported_when_the_trial_is_built(made: Any, reported: str | None) -> None:
    """A callback whose functions refer to an unsavable generator is reported when the trial is built."""
    learner = TrainerFactory(job_of(network, callbacks=made), rows_of_six()).learner({"lr": 0.1}, seed=0)
    assert (reported in learner.inexact) if reported else learner.inexact is None
    learner.close()


class MinimalLoss(callbacks.Callback):
    """Halves the learning rate after an epoch without a new minimum, and keeps the best weights, as in Keras' guide."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin without a minimum."""
        self.best, self.wait = np.inf, 0
        self.seen: list[tuple[int, float]] = []
        self.newest = deque([0.0], maxlen=2)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Compare with the minimum."""
        self.seen.append((epoch, float(logs["loss"])))
        self.newest.append(self.seen[-1][1])
        if logs["loss"] < self.best - 0.5:
            self.best, self.wait, self.best_weights = logs["loss"], 0, self.model.get_weights()
        else:
            self.wait += 1
            self.model.optimizer.learning_rate *= 0.5**self.wait
            self.model.set_weights([0.5 * array for array in self.best_weights])


def test_the_state_of_a_users_callback_is_continued() -> None:
    """A resumed trial continues the attributes that a user's callback has changed, though it says nothing of them."""
    factory = TrainerFactory(job_of(network, callbacks=lambda _: [MinimalLoss()]), rows_of_six())
    whole: Any = factory.learner({"lr": 0.3}, seed=SEED)
    expected = [dict(whole.run_epoch().metrics) for _ in range(EPOCHS)]
    first: Any = factory.learner({"lr": 0.3}, seed=SEED)
    for _ in range(EPOCHS - 2):
        first.run_epoch()
    second: Any = factory.learner({"lr": 0.3}, seed=SEED)
    second.load(first.save())
    assert [dict(second.run_epoch().metrics) for _ in range(2)] == expected[-2:]
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(whole.model), weights_of(second.model), strict=True))
    callback = second.callbacks.list.callbacks[0]
    assert [epoch for epoch, _ in callback.seen] == list(range(EPOCHS))
    assert callback.newest.maxlen == 2
    assert second.inexact is None


class Beginning(callbacks.Callback):
    """Derives everything from what it finds when training begins."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Take note of the learning rate, the weights and a number."""
        self.rate = float(self.model.optimizer.learning_rate)
        self.first = self.model.get_weights()[0]
        self.number = np.random.rand()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Lower the learning rate."""
        self.model.optimizer.learning_rate = self.rate / (1 + epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Compare with the beginning."""
        logs["moved"] = np.abs(self.model.get_weights()[0] - self.first).sum()
        logs["number"] = self.number


@pytest.mark.parametrize("memory", [None, 100.0], ids=["compiled", "fit"])
def test_callbacks_of_a_resumed_trial_begin_with_the_untrained_model(memory: float | None) -> None:
    """What a callback derives in on_train_begin is the same in a resumed trial: rate, weights and random numbers."""
    factory = TrainerFactory(job_of(network, callbacks=lambda _: [Beginning()]), rows_of_six(), memory=memory)
    whole: Any = factory.learner({"lr": 0.3}, seed=SEED)
    expected = [whole.run_epoch() for _ in range(EPOCHS)]
    first: Any = factory.learner({"lr": 0.3}, seed=SEED)
    for _ in range(EPOCHS - 2):
        first.run_epoch()
    second: Any = factory.learner({"lr": 0.3}, seed=SEED)
    second.load(first.save())
    found = [second.run_epoch() for _ in range(2)]
    assert [each.learning_rate for each in found] == [each.learning_rate for each in expected[-2:]]
    assert [dict(each.metrics) for each in found] == [dict(each.metrics) for each in expected[-2:]]


def _monitoring(callback: Any, *before: Any, **fields: Any) -> Any:
    job = job_of(network, callbacks=lambda _: [*before, callback], **fields)
    return TrainerFactory(job, rows_of_six()).learner({"lr": 0.1}, seed=0)


@pytest.mark.parametrize(
    "callback",
    [
        callbacks.EarlyStopping("val_acc"),
        callbacks.EarlyStopping("val_acc", mode="max"),
        callbacks.ReduceLROnPlateau("val_acc"),
        callbacks.ModelCheckpoint("never.keras", "val_acc", save_best_only=True),
    ],
)
def test_a_metric_that_is_not_there_cannot_be_monitored(callback: Any) -> None:
    """A callback that monitors a missing metric is refused with the existing metrics and the nearest one."""
    learner = _monitoring(callback)
    with pytest.raises(
        ModelError, match=r"monitors 'val_acc', .* Available: accuracy, loss, .*Did you mean val_accuracy"
    ):
        learner.run_epoch()
    learner.close()


@pytest.mark.filterwarnings("ignore:Early stopping conditioned", "ignore:Learning rate reduction is conditioned")
@pytest.mark.parametrize("kind", [callbacks.EarlyStopping, callbacks.ReduceLROnPlateau])
def test_a_metric_of_the_validation_can_be_monitored_if_the_first_epoch_is_not_validated(kind: Any) -> None:
    """A metric of the validation is missing only if the first epoch that is validated does not have it."""
    learner = _monitoring(kind("val_loss"), fit=Fit(validation_freq=2))
    assert [learner.run_epoch().validated for _ in range(2)] == [False, True]
    learner.close()
    learner = _monitoring(kind("val_los", mode="max"), fit=Fit(validation_freq=2))
    learner.run_epoch()
    with pytest.raises(ModelError, match="monitors 'val_los'"):
        learner.run_epoch()
    learner.close()


def test_a_log_continues_when_a_trial_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed trial appends to the file of a CSVLogger, which would begin anew with another call of fit."""
    monkeypatch.chdir(tmp_path)
    job = job_of(network, callbacks=lambda _: [callbacks.CSVLogger("log.csv")])
    factory = TrainerFactory(job, rows_of_six())
    first: Any = factory.learner({"lr": 0.3}, seed=SEED)
    first.run_epoch()
    state = first.save()
    first.close()
    second: Any = factory.learner({"lr": 0.3}, seed=SEED)
    second.load(state)
    second.run_epoch()
    second.close()
    assert [line.partition(",")[0] for line in Path("log.csv").read_text().splitlines()] == ["epoch", "0", "1"]
    third: Any = factory.learner({"lr": 0.3}, seed=SEED)
    third.run_epoch()
    third.close()
    assert [line.partition(",")[0] for line in Path("log.csv").read_text().splitlines()] == ["epoch", "0"]


@pytest.mark.filterwarnings("ignore:Early stopping conditioned")
def test_a_metric_that_a_callback_of_the_users_may_add_can_be_monitored() -> None:
    """A metric that a user's callback may add later can be monitored, and other callbacks are not checked."""

    class Adding(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch:
                logs["mine"] = 1.0

    learner = _monitoring(callbacks.EarlyStopping("mine", mode="max"), Adding())
    assert "mine" not in learner.run_epoch().metrics
    assert "mine" in learner.run_epoch().metrics
    learner.close()
    learner = _monitoring(callbacks.ModelCheckpoint("never.keras", "mine", mode="max", save_freq=1000))
    learner.run_epoch()
    learner.close()


class Returning(callbacks.Callback):
    """Has a state with what JSON does not hold, or one that cannot be saved."""

    def __init__(self, state: Any) -> None:
        super().__init__()
        self.own = state

    def get_state(self) -> Any:
        """The state."""
        return self.own

    def set_state(self, state: Any) -> None:
        """Continue from a state."""
        self.own = state


def test_the_state_that_a_callback_returns_keeps_its_types() -> None:
    """The state that a callback's get_state returns comes back with numbers as keys, tuples, sets and bytes."""
    state = {0: (1.5, {"a"}), "b": b"c"}
    job = job_of(network, callbacks=lambda config: [Returning(config["state"])])
    factory = TrainerFactory(job, rows_of_six())
    first: Any = factory.learner({"state": state}, seed=SEED)
    first.run_epoch()
    second: Any = factory.learner({"state": None}, seed=SEED)
    second.load(unpack(b"".join(bytes(piece) for piece in pack(first.save())), "checkpoint"))
    second.run_epoch()
    assert second.callbacks.list.callbacks[0].own == state


@pytest.mark.parametrize("state", [{"a": object()}, {"a": Path("/")}])
def test_a_state_of_a_callback_that_cannot_be_saved_is_refused_in_words(state: Any) -> None:
    """A state that cannot be saved is refused with the callback, the place in the state and what is allowed."""
    learner: Any = _monitoring(Returning(state))
    learner.run_epoch()
    why = r"The state of the callback Returning\['a'\] is an object of type .*; a state is made of dicts"
    with pytest.raises(ModelError, match=why):
        learner.save()
    learner.close()


def test_the_state_of_a_callback_in_an_older_checkpoint_is_read() -> None:
    """A checkpoint of an older tunepipe holds a callback's state in another form, which is still read."""
    learner: Any = _monitoring(Returning(None))
    learner.callbacks.begin(resumed=True)
    learner.callbacks.restore(
        [{"callback": "Returning", "values": {"dict": {}}, "own": {"dict": {"a": {"array": 0}}}}], [np.arange(2)]
    )
    learner.run_epoch()
    assert learner.callbacks.list.callbacks[0].own["a"].tolist() == [0, 1]
    learner.close()
