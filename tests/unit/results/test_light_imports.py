"""Imports that spare modules."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from pipeline.results.light_imports import light_imports


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A package `many` whose modules say in a list that they ran."""
    ran: list[str] = []
    monkeypatch.setattr(sys, "said_by_modules", ran, raising=False)
    folder = tmp_path / "many"
    folder.mkdir()
    for name in ("__init__", "one", "other"):
        text = f"import sys\nsys.said_by_modules.append({name!r})\nvalue = {name!r}\n"
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield ran
    for name in ("many", "many.one", "many.other"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("package")
def test_a_hidden_module_is_found_after_the_context() -> None:
    """A hidden module cannot be imported within the context, and can after it."""
    with light_imports(hidden=["many"]), pytest.raises(ModuleNotFoundError, match="many"):
        import_module("many")
    assert import_module("many").value == "__init__"


def test_a_deferred_module_runs_when_it_is_used(package: list[str]) -> None:
    """The code of a deferred module runs when it is used, even after the context."""
    with light_imports(deferred=["many.one"]):
        one = import_module("many.one")
    assert package == ["__init__"]
    assert one.value == "one"
    assert package == ["__init__", "one"]


def test_an_empty_package_has_modules_only(package: list[str]) -> None:
    """Modules of an empty package are imported without its own code, which the next import after the context runs."""
    with light_imports(empty=["many"]):
        assert import_module("many.one").value == "one"
    assert package == ["one"]
    assert import_module("many").value == "__init__"
    assert package == ["one", "__init__"]
