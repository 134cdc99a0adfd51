"""The documentation is true: its Python runs, its tables are those of the schema."""

import re
import runpy
from pathlib import Path

import pytest

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


def test_links_within_the_documentation_lead_somewhere():
    """Every relative link of a Markdown file names a file that is there."""
    for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.name} links to {target}"


def test_the_tables_are_documented_as_the_schema_has_them():
    """docs/tables.md is what the schema makes of it; if not: python scripts/document_tables.py."""
    namespace = runpy.run_path(str(ROOT / "scripts/document_tables.py"))
    assert (ROOT / "docs/tables.md").read_text(encoding="utf-8") == namespace["document"]()
