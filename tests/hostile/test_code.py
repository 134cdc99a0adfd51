"""Reading a study runs no code: no pickles, no models with code, no source but the saved one."""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import pipeline
from pipeline.errors import InvalidJob
from pipeline.results import load_results
from pipeline.storage import Store
from pipeline.study import load_study
from tests.command import continued, tunepipe


def test_no_file_is_read_with_code_in_it() -> None:
    """No module of the package reads models or arrays that may contain code; ruff (S) refuses the other ways."""
    unsafe = r"safe_mode=(?!True)|allow_pickle|read_pickle|unsafe_deserialization|import (pickle|joblib|dill|torch)\b"
    sources = {path: path.read_text() for path in Path(next(iter(pipeline.__path__))).rglob("*.py")}
    assert [name for name, source in sources.items() if re.search(unsafe, source)] == []
    calls = sum(len(re.findall(r"saving\.(?:load_model|deserialize)", source)) for source in sources.values())
    assert calls == sum(source.count("safe_mode=True") for source in sources.values()) > 0


class Marked:
    """A study whose source would create a file if it ran."""

    def __init__(self, storage: Path) -> None:
        self.storage, self.study, self.mark = storage, storage / "small", storage / "it-ran"
        self.source = self.study / "source/hostile_job.py"
        self.source.write_text(f"{self.creates_mark}\n{self.source.read_text()}")
        sys.modules.pop("hostile_job", None)

    @property
    def creates_mark(self) -> str:
        return f"open({str(self.mark)!r}, 'w')"

    def change(self, **fields: Any) -> None:
        """Change the job in study.json."""
        document = json.loads((self.study / "study.json").read_text())
        document["job"] |= fields
        (self.study / "study.json").write_text(json.dumps(document))

    def sign(self) -> None:
        """Write the current source's digest into study.json, as only its owner can."""
        document = json.loads((self.study / "study.json").read_text())
        digest = hashlib.sha256(self.source.read_bytes()).hexdigest()
        document["job"]["function"]["sha256"] = document["sources"]["files"]["hostile_job.py"] = digest
        (self.study / "study.json").write_text(json.dumps(document))


@pytest.fixture
def marked(storage: Path) -> Marked:
    return Marked(storage)


def test_a_changed_source_is_neither_run_by_readers_nor_by_a_resume(marked: Marked) -> None:
    assert load_results(marked.study).name == "small"
    printed = tunepipe("resume", "small", "--workers", "0", "--trials", "5", "--storage", str(marked.storage))
    assert printed.code == 2
    assert "source/hostile_job.py is missing or has changed" in " ".join(printed.errors.split())
    assert "hostile_job" not in sys.modules
    assert not marked.mark.exists()


def test_a_file_beside_the_copies_is_not_imported_by_them(marked: Marked) -> None:
    """study.json has no digest of it."""
    (marked.study / "source/hostile_beside.py").write_text(marked.creates_mark)
    marked.source.write_text(marked.source.read_text().replace(marked.creates_mark, "import hostile_beside"))
    marked.sign()
    error = continued(marked.study)
    assert isinstance(error, InvalidJob)
    assert "No module named 'hostile_beside'" in str(error)
    assert not marked.mark.exists()


def test_a_module_of_another_digest_is_not_imported(
    marked: Marked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hostile_installed.py").write_text(f"{marked.creates_mark}\ndef f(config): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    marked.change(function={"function": "hostile_installed:f", "sha256": "0" * 64})
    with pytest.raises(InvalidJob, match="module hostile_installed"):
        load_study(Store(marked.study))
    assert not marked.mark.exists()


def test_only_the_winner_s_own_files_are_exported(marked: Marked, tmp_path: Path) -> None:
    marked.change(model={"function": "hostile_job:descend"}, function=None, data="digits")
    best = load_results(marked.study).best
    reported = json.dumps({"trial_id": best.trial_id, "epoch": best.epoch, "metrics": {}})
    (marked.study / "export").mkdir()
    for name, content in {"winner.json": reported, "model.keras": "x", "run.sh": "x", "__init__.py": "x"}.items():
        (marked.study / "export" / name).write_text(content)
    printed = tunepipe("export", "small", "--to", str(tmp_path / "to"), "--storage", str(marked.storage))
    assert printed.code == 0, printed
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["model.keras", "winner.json"]
