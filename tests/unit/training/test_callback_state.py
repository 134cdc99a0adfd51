"""The attributes of users' callbacks that change while a model trains."""

import datetime
from collections import deque
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.errors import DamagedFile
from pipeline.training.callback_state import ChangedAttributes, as_json, from_json, restore_attributes


def _callback(**attributes: Any) -> Any:
    return SimpleNamespace(**attributes)


def test_changed_attributes_are_restored() -> None:
    """Attributes that have changed are restored with their types, and others keep the new callback's values."""
    callback = _callback(rate=0.1, best=np.inf, wait=0, seen=[], by_name={}, newest=deque(maxlen=2), patience=3)
    changes = ChangedAttributes(callback, leave_out=["left"])
    callback.best, callback.wait, callback.left = np.float32(0.5), 2, 7
    callback.seen.append((1, [np.arange(3), None]))
    callback.by_name[1] = "one"
    callback.newest.extend([1, 2, 3])
    callback.added = True
    arrays: list[np.ndarray] = []
    saved = changes.save(arrays)
    assert changes.unsaved == {}
    new = _callback(rate=0.2, best=np.inf, wait=0, seen=[], by_name={}, newest=deque(maxlen=2), patience=4)
    held = new.seen
    restore_attributes(new, saved, arrays)
    assert (new.rate, new.best, new.wait, new.patience, new.added) == (0.2, np.float32(0.5), 2, 4, True)
    assert new.seen is held
    assert new.seen[0][0] == 1
    assert new.seen[0][1][0].tolist() == [0, 1, 2]
    assert new.by_name == {1: "one"}
    assert new.newest == deque([2, 3], maxlen=2)
    assert not hasattr(new, "left")


def test_a_variable_is_assigned() -> None:
    """An attribute that is a variable stays the same variable, with the saved value."""
    callback, new = (_callback(rate=tf.Variable(1.0)) for _ in range(2))
    changes = ChangedAttributes(callback)
    callback.rate.assign(2.0)
    arrays: list[np.ndarray] = []
    variable = new.rate
    restore_attributes(new, changes.save(arrays), arrays)
    assert new.rate is variable
    assert float(variable) == 2.0


def test_sets_are_restored() -> None:
    """A set that has changed in place is restored, in place where the new callback has one."""
    callback, new = (_callback(seen=set(), kinds={1: {"a"}}) for _ in range(2))
    changes = ChangedAttributes(callback)
    callback.seen |= {2, 1}
    callback.kinds[1].add("b")
    arrays: list[np.ndarray] = []
    saved, held = changes.save(arrays), new.seen
    restore_attributes(new, saved, arrays)
    assert (new.seen, new.kinds) == ({1, 2}, {1: {"a", "b"}})
    assert new.seen is held
    assert changes.unsaved == {}


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (keras.metrics.Mean, lambda mean: mean.update_state([1.0, 4.0])),
        (lambda: keras.random.SeedGenerator(3), lambda seeds: keras.random.uniform((), seed=seeds)),
        (lambda: tf.random.Generator.from_seed(3), lambda generator: generator.uniform(())),
    ],
    ids=["metric", "SeedGenerator", "generator of TensorFlow"],
)
def test_the_variables_of_an_object_of_keras_are_restored(make: Any, change: Any) -> None:
    """A metric or a generator that has changed in place continues with the same values in a new callback."""
    callback, new = _callback(own=make()), _callback(own=make())
    changes = ChangedAttributes(callback)
    arrays: list[np.ndarray] = []
    assert changes.save(arrays) == {"dict": []}
    change(callback.own)
    saved = changes.save(arrays)
    assert changes.unsaved == {}
    restore_attributes(new, saved, arrays)
    variables = [getattr(each.own, "variables", None) or [each.own.state] for each in (callback, new)]
    for ours, theirs in zip(*variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_variables_that_only_training_creates_are_not_saved() -> None:
    """A metric without variables at the beginning is named once it has some, because a new callback has none."""
    callback = _callback(own=keras.metrics.F1Score())
    changes = ChangedAttributes(callback)
    callback.own.update_state([[1.0, 0.0]], [[0.6, 0.4]])
    assert changes.unsaved == {"own": "F1Score"}


class _Kept:
    """An object of a user's."""

    def __init__(self) -> None:
        self.count, self.within = 0, self


def test_objects_that_change_in_place_are_named() -> None:
    """An object of the user's, or a list with one, that cannot be saved is named once it has changed in place."""

    class Own(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.kept, self.dates, self.left = _Kept(), [], [_Kept()]

    callback: Any = Own()
    changes = ChangedAttributes(callback)
    assert changes.unsaved == {}
    callback.kept.count += 1
    callback.dates.append({"at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)})
    assert changes.unsaved == {"kept": "_Kept", "dates": "list"}


def test_objects_that_cannot_be_saved_are_named_once_they_change() -> None:
    """An object that cannot be saved is named if another one takes its place; functions are never saved."""
    callback = _callback(file=object(), parts=[object()])
    changes = ChangedAttributes(callback)
    callback.shown = print
    assert changes.unsaved == {}
    callback.file, callback.again = object(), {"a": object()}
    assert changes.unsaved == {"file": "object", "again": "dict"}
    assert changes.save([]) == {"dict": []}
    around: list[Any] = []
    around.append(around)
    callback.parts = around
    assert changes.unsaved["parts"] == "list"


def test_private_attributes_of_keras_are_not_named() -> None:
    """Private attributes that a subclass of one of Keras' callbacks inherits are not reported, and its own ones are."""

    class Logged(keras.callbacks.TensorBoard):  # type: ignore[misc]
        pass

    callback = Logged("logs")
    changes = ChangedAttributes(callback)
    vars(callback).update(_writers={"train": object()}, started=object())
    assert changes.unsaved == {"started": "object"}


@pytest.mark.parametrize("saved", [{"list": []}, {"dict": [[1, {"value": 2}]]}, {"folder": []}])
def test_damaged_attributes_are_refused(saved: Any) -> None:
    """Saved attributes that are not a dict of names are refused as damaged."""
    with pytest.raises(DamagedFile):
        restore_attributes(_callback(), saved, [])


def test_states_become_json_values() -> None:
    """Numbers, text and arrays in lists and dicts come back from JSON values; a tuple comes back as a list."""
    arrays: list[np.ndarray] = []
    state = {"a": (1, np.arange(2)), "b": {"c": np.float32(2.0), "d": tf.constant([3.0])}}
    found = from_json(as_json(state, arrays), arrays)
    assert found["a"][0] == 1
    assert found["a"][1].tolist() == [0, 1]
    assert found["b"]["c"] == 2.0
    assert found["b"]["d"].tolist() == [3.0]
