"""Reading a study runs no code: no pickles, no models with code, no source but the saved one."""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipeline
from pipeline.errors import InvalidJob
from pipeline.results import load_results
from pipeline.storage import Store
from pipeline.study import load_study
from tests.hostile.command import continued, tunepipe

_MODULES = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal", "torch"}
_SAFE_YAML = {"safe_load", "safe_load_all", "safe_dump", "safe_dump_all", "YAMLError"}
_CALLS = {"read_pickle", "to_pickle", "load_module_from_file", "unsafe_load", "full_load", "eval", "exec"}
_LOADERS = {"load_model", "deserialize_keras_object", "enable_unsafe_deserialization"}


def _trees() -> Iterator[tuple[Path, ast.AST]]:
    for path in sorted(Path(next(iter(pipeline.__path__))).rglob("*.py")):
        yield path, ast.parse(path.read_text())


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _unsafe(node: ast.AST) -> bool:
    """Whether a piece of source could run the content of a file."""
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in _MODULES or alias.name.startswith("yaml.") for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        name = (node.module or "").partition(".")[0]
        return name in _MODULES or (name == "yaml" and any(alias.name not in _SAFE_YAML for alias in node.names))
    if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "yaml":
        return node.attr not in _SAFE_YAML
    if not isinstance(node, ast.Call):
        return False
    given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
    if _name(node) in _LOADERS:
        return given.get("safe_mode") is not True
    return _name(node) in _CALLS or bool(given.get("allow_pickle")) or given.get("safe_mode", True) is not True


def test_nothing_in_the_package_unpickles() -> None:
    """No module of the package reads pickles, object-creating YAML, or arrays and models that may contain code."""
    found = [f"{path.name}:{node.lineno}" for path, tree in _trees() for node in ast.walk(tree) if _unsafe(node)]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import yaml.loader",
        "from yaml import load",
        "yaml.load(text, Loader=yaml.Loader)",
        "pd.read_pickle(path)",
        "np.load(path, allow_pickle=True)",
        "keras.saving.load_model(path)",
        "keras.saving.load_model(path, safe_mode=False)",
        "f(safe_mode=unknown)",
        "eval(text)",
    ],
)
def test_each_way_to_run_stored_code_is_found(source: str) -> None:
    """The check for unsafe sources finds each way of running the content of a file."""
    assert any(_unsafe(node) for node in ast.walk(ast.parse(source)))


@pytest.fixture
def marked(storage: Path) -> tuple[Path, Path]:
    """A study whose source would create a file if it ran; the study and that file."""
    study, mark = storage / "small", storage / "it-ran"
    source = study / "source" / "hostile_job.py"
    source.write_text(f"open({str(mark)!r}, 'w')\n" + source.read_text())
    sys.modules.pop("hostile_job", None)
    return study, mark


def test_a_changed_source_is_not_run(marked: tuple[Path, Path]) -> None:
    """A copy that differs from the saved one is refused before any line of it runs."""
    study, mark = marked
    printed = tunepipe("resume", study.name, "--workers", "0", "--trials", "5", "--storage", str(study.parent))
    assert printed.code == 2
    assert "hostile_job.py has changed since the study was saved: restore it" in printed.errors
    assert not mark.exists()


@pytest.mark.parametrize("digest", ["left out", None, "", "0" * 64])
def test_a_source_without_its_digest_is_not_run(marked: tuple[Path, Path], digest: str | None) -> None:
    """A source for which study.json has no digest is not run."""
    study, mark = marked
    document = json.loads((study / "study.json").read_text())
    if digest == "left out":
        del document["job"]["function"]["sha256"]
    else:
        document["job"]["function"]["sha256"] = digest
    (study / "study.json").write_text(json.dumps(document))
    with pytest.raises(InvalidJob, match="function: "):
        load_study(Store(study))
    assert not mark.exists()


def test_reading_results_runs_no_source(marked: tuple[Path, Path]) -> None:
    """Reading results of a study runs none of its code, changed or not."""
    study, mark = marked
    assert load_results(study).name == "small"
    assert tunepipe("results", "small", "--storage", str(study.parent)).code == 0
    assert "hostile_job" not in sys.modules
    assert not mark.exists()


@pytest.mark.parametrize("beside", ["hostile_beside.py", "hostile_beside/__init__.py"])
def test_only_named_sources_can_be_imported(beside: str, storage: Path) -> None:
    """A file next to the copies is not imported by them, because study.json has no digest of it."""
    study, mark = storage / "small", storage / "it-ran"
    path = study / "source" / beside
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"open({str(mark)!r}, 'w')\n")
    source = study / "source" / "hostile_job.py"
    source.write_text("import hostile_beside\n" + source.read_text())
    _sign(study)
    sys.modules.pop("hostile_job", None)
    error = continued(study)
    assert isinstance(error, InvalidJob)
    assert "No module named 'hostile_beside'" in str(error)
    assert not mark.exists()


def test_a_module_of_another_digest_is_not_imported(
    storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed module that differs from the one that the study names is refused before it runs."""
    study, mark = storage / "small", storage / "it-ran"
    (tmp_path / "hostile_installed.py").write_text(f"open({str(mark)!r}, 'w')\ndef f(config): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    document = json.loads((study / "study.json").read_text())
    document["job"]["function"] = {"function": "hostile_installed:f", "sha256": "0" * 64}
    (study / "study.json").write_text(json.dumps(document))
    with pytest.raises(InvalidJob, match="module hostile_installed has changed since the study was saved"):
        load_study(Store(study))
    assert not mark.exists()


def _sign(study: Path) -> None:
    """Write the current source's digest into study.json, as only its owner can."""
    import hashlib

    document = json.loads((study / "study.json").read_text())
    content = (study / "source" / "hostile_job.py").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    document["job"]["function"]["sha256"] = document["sources"]["files"]["hostile_job.py"] = digest
    (study / "study.json").write_text(json.dumps(document))


def test_a_model_with_code_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A layer whose exported file would contain code is omitted with a message, and the weights are exported."""
    import keras

    from pipeline.training.export import export

    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    export(model, tmp_path)
    assert (
        "tunepipe: model.keras and architecture.json are left out: they would not load back: ValueError: "
        in capfd.readouterr().out
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.weights.h5"]


def test_only_the_winner_s_own_files_are_exported(storage: Path, tmp_path: Path) -> None:
    """Other files in a study's export folder are not copied to the folder of an export."""
    study = storage / "small"
    document = json.loads((study / "study.json").read_text())
    document["job"] |= {"model": document["job"]["function"], "function": None, "data": "digits"}
    (study / "study.json").write_text(json.dumps(document))
    best = load_results(study).best
    (study / "export").mkdir()
    reported = {"trial_id": best.trial_id, "epoch": best.epoch, "metrics": {}}
    for name, content in {
        "winner.json": json.dumps(reported),
        "model.keras": "x",
        "run.sh": "x",
        "__init__.py": "x",
    }.items():
        (study / "export" / name).write_text(content)
    printed = tunepipe("export", "small", "--to", str(tmp_path / "to"), "--storage", str(storage))
    assert printed.code == 0, printed
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["model.keras", "winner.json"]
