"""Where an export to MLflow goes: a tracking server, a database, or a folder for a new database."""

import re
from pathlib import Path

from pipeline.study.contents import check_output_folder


def absolute_destination(destination: str) -> str:
    """A destination that means the same in any current folder."""
    if (database := re.match(r"sqlite:///(.+)", destination)) is not None:
        return f"sqlite:///{Path(database[1]).absolute()}"
    if "://" in destination or destination.partition(":")[0] == "databricks":
        return destination
    return str(Path(destination).expanduser().absolute())


def locations(destination: str) -> tuple[str, str | None]:
    """Where MLflow keeps runs and artifacts; creates the folder of a new database."""
    if (database := re.match(r"sqlite:///(.+)", destination)) is not None:
        check_output_folder(Path(database[1]))
    if "://" in destination or destination.partition(":")[0] == "databricks":
        return destination, None
    folder = Path(destination).expanduser().resolve()
    check_output_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # MLflow has given up its format of plain files; a database needs no server either.
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()
