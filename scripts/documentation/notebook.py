"""Run docs/analysis.ipynb in a new folder and keep its outputs: python -m scripts.documentation.notebook."""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from scripts.documentation.folder import ROOT

FILE = ROOT / "docs/analysis.ipynb"


def executed(folder: Path) -> nbformat.NotebookNode:
    """The notebook with new outputs, without times and names of this machine."""
    notebook = nbformat.read(FILE, as_version=4)
    # Its own metadata, without the versions that a kernel adds.
    metadata = dict(notebook.metadata)
    NotebookClient(
        notebook, kernel_name="python3", record_timing=False, resources={"metadata": {"path": str(folder)}}
    ).execute()
    notebook.metadata = nbformat.from_dict(metadata)
    for cell in notebook.cells:
        # What goes to stderr is about this machine and this run.
        cell.outputs = [each for each in cell.get("outputs", []) if each.get("name") != "stderr"]
        if cell.cell_type != "code":
            del cell["outputs"]
    return notebook


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        nbformat.write(executed(Path(home)), FILE)
