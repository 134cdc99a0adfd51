"""Write docs/tables.md from the schema: python scripts/document_tables.py."""

from pathlib import Path

from pipeline.storage import schema

HEAD = """# The tables

A study is a folder, and its results are three Parquet tables in it. They are whole at any moment, also while the study runs:

| table | where | read it with |
| --- | --- | --- |
| `trials` | `trials.parquet` | `pd.read_parquet("studies/NAME/trials.parquet")` |
| `epochs` | `epochs/` | `duckdb.sql("select * from 'studies/NAME/epochs/*.parquet'")` |
| `decisions` | `decisions/` | `pl.read_parquet("studies/NAME/decisions/*.parquet")` |

While a study runs, `epochs/` and `decisions/` hold parts; at its end one file each. Where a worker was lost, raw parts may hold an
epoch twice; `pipeline.load_results("studies/NAME")` gives clean pandas frames: `.trials`, `.epochs`, `.decisions`.

Beside the columns below, `trials` and `epochs` have a column `config_<name>` for each parameter, empty where a trial
does not have it, and `epochs` one for each metric, named as Keras names it, in lower case. Names are flat, in lower case and need no quotes in SQL.

The files carry `schema_version` {version} in their metadata. This file is made from `pipeline/storage/schema.py`.
"""


def document() -> str:
    """The whole text."""
    parts = [HEAD.format(version=schema.SCHEMA_VERSION)]
    for name, columns in schema.TABLES.items():
        rows = "\n".join(f"| `{column.name}` | {column.type} | {column.meaning} |" for column in columns)
        parts.append(f"## {name}\n\n| column | type | meaning |\n| --- | --- | --- |\n{rows}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parents[1] / "docs/tables.md").write_text(document(), encoding="utf-8")
