"""Names of studies, trials and modules that are paths are refused, or kept within the study."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import load_model
from pipeline.errors import StorageError
from tests.cases import cases
from tests.command import tunepipe

NAMES = (
    "../victim", "../../../../../../../../tmp/victim", "small/../../victim", "/tmp/victim", "a\0b", "a\nb",
    "\x1b[31mred", "💥", "\u202egpj.exe", "\udcff", "x" * 5000, "C:\\victim", ".hidden", "a.", "..", ".", "a b",
    "Small", "", "~", "s3://bucket/x", "{name}%s$HOME",
)  # fmt: skip
_OFTEN = ("../victim", "/tmp/victim", "a\0b", "\x1b[31mred", "..", "\udcff")


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", cases(NAMES, _OFTEN))
def test_no_name_of_a_study_leads_out_of_the_storage(
    name: str, job_file: Path, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (storage / "small").rename(storage.parent / "victim")
    (storage / "small").mkdir()
    monkeypatch.chdir(storage.parent)
    before = _content(storage.parent)
    for words in (["run", str(job_file), "--name", name], ["run", str(job_file), "--set", f"name={json.dumps(name)}"]):
        printed = tunepipe(*words, "--workers", "0", "--storage", str(storage))
        assert printed.code == 2, printed
        assert "name: must be" in printed.errors or "UTF-8" in printed.errors
    # A bucket that cannot be reached is tried for seconds: one command is enough for the code that all of them share.
    commands = (
        ["results"],
        ["report"],
        ["logs", "--trial", "0"],
        ["export", "--to", str(storage.parent / "to")],
        ["resume"],
    )
    for words in commands[: 1 if name.startswith("s3") else None]:
        printed = tunepipe(*words, "--storage", str(storage), "--", name)
        assert (printed.code, printed.output) == (2, ""), printed
        assert printed.errors.startswith("tunepipe: ")
    assert _content(storage.parent) == before


@pytest.mark.parametrize("trial", ["../study", "/etc/passwd", "a\0b", "\udcff", "9" * 5000, ""])
def test_a_trial_that_is_none_has_no_log(trial: str, storage: Path) -> None:
    (storage / "small/study.log").write_text("not a trial's")
    printed = tunepipe("logs", "small", f"--trial={trial}", "--storage", str(storage))
    assert (printed.code, printed.output) == (2, ""), printed


def test_an_id_within_the_tables_leads_nowhere(storage: Path) -> None:
    study = storage / "small"
    for table in ("epochs", "decisions"):
        path = study / table / "all-0001.parquet"
        rows = pq.read_table(path)
        ids = pa.array(["../../../outside\x1b[2J"] * rows.num_rows, pa.string())
        pq.write_table(rows.set_column(rows.column_names.index("trial_id"), "trial_id", ids), path)
    printed = tunepipe("results", "small", "--storage", str(storage))
    assert printed.code == 0
    assert r"../../../outside\x1b[2J" in printed.output
    document = json.loads((study / "study.json").read_text())
    # As a model's study, so that there is a model to load.
    document["job"] |= {"model": document["job"]["function"], "function": None, "data": "digits"}
    (study / "study.json").write_text(json.dumps(document))
    with pytest.raises(StorageError, match="is not a trial's id"):
        load_model(study)
