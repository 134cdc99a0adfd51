"""Fingerprints by which a study recognises its data."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from pipeline.datasets import Dataset, Split
from pipeline.datasets.fingerprint import differences, fingerprint


def _data(change: Callable[[dict[str, np.ndarray]], object] = lambda _: None, **splits: Split) -> Dataset:
    arrays = {"x": np.arange(12, dtype=np.float32).reshape(4, 3), "y": np.arange(4)}
    change(arrays)
    return Dataset("d", Split(arrays["x"], arrays["y"]), splits.get("validation", Split(np.ones((2, 3)), np.ones(2))))


def test_the_same_data_have_the_same_fingerprint() -> None:
    """The same data have the same fingerprint for any memory layout, even after a conversion to JSON."""
    one = fingerprint(_data())
    other = fingerprint(_data(lambda arrays: arrays.update(x=np.asfortranarray(arrays["x"]))))
    assert differences(one, other) == []
    assert json.loads(json.dumps(one)) == one
    assert list(one) == ["train.x", "train.y", "validation.x", "validation.y"]


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        (lambda a: a["x"].__setitem__((3, 2), 12), ["the train inputs have different values, in the same shape"]),
        (lambda a: a.update(x=a["x"][::-1]), ["the train inputs have different values, in the same shape"]),
        (lambda a: a.update(y=a["y"] + 1), ["the train targets have different values, in the same shape"]),
        (
            lambda a: a.update(x=a["x"][:3], y=a["y"][:3]),
            [
                "the train inputs have shape (3, 3) instead of (4, 3)",
                "the train targets have shape (3,) instead of (4,)",
            ],
        ),
        (lambda a: a.update(x=a["x"].astype(float)), ["the train inputs are of the type float64 instead of float32"]),
    ],
)
def test_differences_are_reported(change: Callable[[dict[str, np.ndarray]], object], reported: list[str]) -> None:
    """A difference is reported by its split, and by whether shape, type or values differ."""
    assert differences(fingerprint(_data()), fingerprint(_data(change))) == reported


def test_added_and_missing_parts_are_reported() -> None:
    """A test split, weights or inputs that only one of the data sets has are reported."""
    split = Split({"a": np.zeros((2, 1)), "b": np.zeros((2, 1))}, (np.zeros(2), np.zeros(2)), np.ones(2))
    plain = Split(np.zeros((2, 1)), (np.zeros(2), np.zeros(2)))
    before, now = fingerprint(Dataset("d", split, split)), fingerprint(Dataset("d", split, plain, plain))
    assert differences(before, now) == [
        "there are no validation inputs a",
        "there are no validation inputs b",
        "there are no validation weights",
        "there are now validation inputs",
        "there are now test inputs",
        "there are now test targets 0",
        "there are now test targets 1",
    ]


def test_large_and_empty_arrays() -> None:
    """A change in any piece of a large array changes its hash, and an array without elements has a hash as well."""
    large = np.zeros((3, 2**23), np.float32)
    changed = large.copy()
    changed[2, -1] = 1
    one, other = (fingerprint(_data(validation=Split(x, np.zeros(3)))) for x in (large, changed))
    assert differences(one, other) == ["the validation inputs have different values, in the same shape"]
    assert fingerprint(_data(validation=Split(np.zeros((2, 0)), np.zeros(2))))["validation.x"]["sha256"]


@pytest.mark.parametrize("other", [["a", "zz"], ["ab", ""], ["b", "a"], [b"a", b"b"], ["a", "\udcff"]])
def test_objects_of_text_are_compared_by_their_text(other: list[str | bytes]) -> None:
    """Arrays of text objects are compared by each text, not by the memory that holds it."""
    one, same, changed = (
        fingerprint(_data(validation=Split(np.array(texts, object), np.zeros(2))))
        for texts in (["a", "b"], ["".join("a"), "bb"[:1]], other)
    )
    assert differences(one, same) == []
    assert differences(one, changed) == ["the validation inputs have different values, in the same shape"]


def test_a_study_without_a_hash_of_its_text_can_be_resumed() -> None:
    """Text objects that an earlier version recorded without a hash are compared by shape and type only."""
    now = fingerprint(_data(validation=Split(np.array(["a", "b"], object), np.zeros(2))))
    before = {**now, "validation.x": {**now["validation.x"], "sha256": None}}
    assert differences(before, now) == differences(now, before) == []


def test_objects_have_no_bytes_to_be_compared() -> None:
    """Arrays of objects other than text are compared by their shape only, because they have no stable bytes."""
    one, other = (Split(np.array([{}, value], object), np.zeros(2)) for value in (1, 2))
    before, now = (fingerprint(_data(validation=split)) for split in (one, other))
    assert before["validation.x"]["sha256"] is None
    assert differences(before, now) == []
