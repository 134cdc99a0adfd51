"""Reading a study runs no code: no pickles, no models with code, no source but the saved one."""

import json
import re
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline.errors import InvalidJob
from pipeline.results import load_results
from pipeline.storage import Store
from pipeline.study import load_study
from tests.hostile.command import continued, tunepipe


def test_no_file_is_read_with_code_in_it() -> None:
    """No module of the package reads models or arrays that may contain code; ruff (S) refuses the other ways."""
    unsafe = r"safe_mode=(?!True)|allow_pickle|read_pickle|unsafe_deserialization|import (pickle|joblib|dill|torch)\b"
    sources = {path.name: path.read_text() for path in Path(next(iter(pipeline.__path__))).rglob("*.py")}
    assert [name for name, source in sources.items() if re.search(unsafe, source)] == []
    calls = sum(len(re.findall(r"saving\.(?:load_model|deserialize)", source)) for source in sources.values())
    assert calls == sum(source.count("safe_mode=True") for source in sources.values()) > 0


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
    assert "tunepipe: model.keras is left out: it would not load back: ValueError: " in capfd.readouterr().out
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
