"""A name that a library no longer has is reported once."""

import pytest

from pipeline import missing_names


def test_a_missing_name_is_reported_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each missing name is reported once on stderr, with what tunepipe does instead."""
    monkeypatch.setattr(missing_names, "warned", set())
    for name in ("a", "a", "b"):
        missing_names.warn_once("Keras", name, "training is slower")
    missing_names.warn_once("Keras", "a", "a model is larger")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "tunepipe: This version of Keras has no a: training is slower.",
        "tunepipe: This version of Keras has no b: training is slower.",
        "tunepipe: This version of Keras has no a: a model is larger.",
    ]
