"""The documentation is true: its Python runs, its tables are those of the schema."""

import re
import runpy
import shlex
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from pipeline.cli.options import assignments

ROOT = Path(__file__).parents[2]


def blocks(file: str) -> list[str]:
    """The Python of a Markdown file, in order."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("file", ["README.md", "docs/jobs.md"])
def test_the_python_in_the_documentation_runs(file, tmp_path, monkeypatch):
    """Block after block, in one namespace, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    found = blocks(file)
    assert found
    source = tmp_path / "typed.py"
    source.write_text("\n".join(found))
    namespace = {"__name__": "typed"}
    exec(compile(source.read_text(), source, "exec"), namespace)


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path):
    """In a kernel of its own, as a reader would run it; it comes without outputs, and shows a table and pictures."""
    notebook = nbformat.read(ROOT / "docs/analysis.ipynb", as_version=4)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    notebook.cells.append(nbformat.v4.new_code_cell("sorted(effect.place.name for effect in everyone.effects[:2])"))

    # A cell that raises ends it, with the cell and its traceback.
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()

    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = [output.data for output in shown if output.output_type in ("display_data", "execute_result")]
    assert any(data.get("text/html", "").startswith("<p>parabola  finished") for data in kinds)
    assert any("image/png" in data for data in kinds)
    assert kinds[-1]["text/plain"] == "['lr', 'momentum']"


def test_links_within_the_documentation_lead_somewhere():
    """Every relative link of a Markdown file names a file that is there."""
    for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.name} links to {target}"


def test_the_tables_are_documented_as_the_schema_has_them():
    """docs/tables.md is what the schema makes of it; if not: python scripts/document_tables.py."""
    namespace = runpy.run_path(str(ROOT / "scripts/document_tables.py"))
    assert (ROOT / "docs/tables.md").read_text(encoding="utf-8") == namespace["document"]()


def test_the_fields_of_a_job_are_documented_as_the_code_has_them():
    """The tables in docs/jobs.md are what the classes make of them; if not: python scripts/document_fields.py."""
    namespace = runpy.run_path(str(ROOT / "scripts/document_fields.py"))
    text = (ROOT / "docs/jobs.md").read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- fields of (\w+) -->", text)) == set(namespace["CLASSES"])
    assert text == namespace["documented"](text)


def test_every_assignment_in_the_documentation_changes_the_job():
    """What `--set` is shown with in docs/jobs.md is taken by the job of the same page, and is not what it was."""
    text = (ROOT / "docs/jobs.md").read_text(encoding="utf-8")
    namespace = {"__name__": "typed"}
    exec(blocks("docs/jobs.md")[0], namespace)
    lines = re.findall(r"^tunepipe run my_job.py (--set .*)$", text, re.MULTILINE)
    assert len(lines) >= 7
    for line in lines:
        pairs = [word for word in shlex.split(line, comments=True) if word != "--set"]
        assert namespace["JOB"].replaced(assignments(pairs)) != namespace["JOB"], line
