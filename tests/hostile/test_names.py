"""Names of studies, trials and modules that are paths are refused, or kept within the study."""

import json
from pathlib import Path

import pytest

from tests.hostile.command import tunepipe

NAMES = {
    "above": "../victim",
    "far above": "../../../../../../../../tmp/victim",
    "round about": "small/../../victim",
    "absolute": "/tmp/victim",
    "NUL": "a\0b",
    "line feed": "a\nb",
    "carriage return": "a\rb",
    "escape": "\x1b[31mred",
    "emoji": "💥",
    "right to left": "\u202egpj.exe",
    "surrogate": "\udcff",
    "long": "x" * 5000,
    "reserved on Windows": "CON",
    "a drive": "C:\\victim",
    "a share": "\\\\server\\share",
    "leading dot": ".hidden",
    "trailing dot": "a.",
    "two dots": "..",
    "one dot": ".",
    "space": "a b",
    "upper case": "Small",
    "empty": "",
    "home": "~",
    "a URI": "s3://bucket/x",
    "a template": "{name}%s$HOME",
}


@pytest.fixture
def victim(storage: Path) -> Path:
    """A study next to the storage, to which no name may lead."""
    outside = storage.parent / "victim"
    (storage / "small").rename(outside)
    (storage / "small").mkdir()
    return outside


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_new_study_of_any_name(
    name: str, job_file: Path, victim: Path, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study's name that is a path or otherwise invalid is refused, and no file is created."""
    monkeypatch.chdir(storage.parent)
    before = _content(storage.parent)
    for words in (["run", str(job_file), "--name", name], ["run", str(job_file), "--set", f"name={json.dumps(name)}"]):
        printed = tunepipe(*words, "--workers", "0", "--storage", str(storage))
        assert printed.code == 2, printed
        assert (
            "name: must be at most 63 lower-case letters" in printed.errors
            or "name: must be a valid string" in printed.errors
            or "UTF-8" in printed.errors
        )
    assert _content(storage.parent) == before


@pytest.mark.parametrize("kind", NAMES)
def test_reading_a_study_of_any_name(kind: str, victim: Path, storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No name leads to a study outside of the storage, and reading creates nothing."""
    monkeypatch.chdir(storage.parent)
    more = {"logs": ["--trial", "0"], "export": ["--to", str(storage.parent / "to")]}
    before = _content(storage.parent)
    # A bucket that cannot be reached is tried for seconds: one command is enough for the code that all of them share.
    for command in ("results", "report", "logs", "export", "resume")[: 1 if kind == "a URI" else None]:
        printed = tunepipe(command, *more.get(command, []), "--storage", str(storage), "--", NAMES[kind])
        assert (printed.code, printed.output) == (2, ""), printed
        assert printed.errors.startswith("tunepipe: ")
    assert _content(storage.parent) == before


@pytest.mark.parametrize(
    "trial", ["../study", "../../victim/logs/0000", "/etc/passwd", "a\0b", "\udcff", "9" * 5000, "x" * 5000, ""]
)
def test_the_log_of_any_trial(trial: str, storage: Path) -> None:
    """The log of a trial whose id is a path or invalid is refused, and no other file is printed."""
    (storage / "small" / "study.log").write_text("not a trial's")
    printed = tunepipe("logs", "small", f"--trial={trial}", "--storage", str(storage))
    assert (printed.code, printed.output) == (2, ""), printed


def test_an_id_within_the_tables_leads_nowhere(storage: Path, tmp_path: Path) -> None:
    """A trial id that is a path in a table is shown in escaped form, and its export is refused."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    study = storage / "small"
    for table in ("epochs", "decisions"):
        path = study / table / "all-0001.parquet"
        rows = pq.read_table(path)
        place = rows.column_names.index("trial_id")
        rows = rows.set_column(place, "trial_id", pa.array(["../../../outside\x1b[2J"] * rows.num_rows, pa.string()))
        pq.write_table(rows, path)
    printed = tunepipe("results", "small", "--storage", str(storage))
    assert printed.code == 0
    assert r"../../../outside\x1b[2J" in printed.output
    document = json.loads((study / "study.json").read_text())
    # As a model's study, so that there is something to export.
    document["job"] |= {"model": document["job"]["function"], "function": None, "data": "digits"}
    (study / "study.json").write_text(json.dumps(document))
    printed = tunepipe("export", "small", "--to", str(tmp_path / "to"), "--storage", str(storage))
    assert printed.code == 2
    assert "is not a trial's id" in printed.errors
