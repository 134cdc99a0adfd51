"""Looking up and replacing names of Ray, and messages about missing ones."""

import pytest

from pipeline import missing_names
from pipeline.execution.ray.internals.names import find_private, replaced


@pytest.mark.parametrize(("module", "name"), [("json", "gone"), ("json", "JSONEncoder.gone"), ("json.gone", "x")])
def test_a_missing_name_is_said_and_nothing_is_replaced(
    module: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing module, name or attribute is reported in a message, and the context replaces nothing."""
    monkeypatch.setattr(missing_names, "warned", set())
    assert find_private(module, name, "it is slower") is missing_names.ABSENT
    with replaced(module, name, None, "it is slower"):
        pass
    assert capsys.readouterr().err == f"tunepipe: This version of Ray has no {module}.{name}: it is slower.\n"


def test_a_name_is_replaced_within_the_context_only() -> None:
    """A method is replaced within the context, and is the same as before after it."""
    import json

    before = json.JSONEncoder.encode
    with replaced("json", "JSONEncoder.encode", lambda *_: "other", "it is slower"):
        assert json.dumps({}, cls=json.JSONEncoder) == "other"
    assert json.JSONEncoder.encode is before
