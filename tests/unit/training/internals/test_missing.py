"""A name that a library no longer has is reported once."""

import pytest

from pipeline.training.internals import missing


def test_a_missing_name_is_reported_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing internal is reported once, with what training does instead; another one is reported separately."""
    monkeypatch.setattr(missing, "warned", set())
    for name in ("a", "a", "b"):
        missing.say_once("Keras", name, "training is slower")
    assert capsys.readouterr().out.splitlines() == [
        f"tunepipe: This version of Keras has no {name}: training is slower." for name in ("a", "b")
    ]
