"""Write docs/tables.md from the schema: python scripts/document_tables.py."""

from pathlib import Path

from pipeline.storage import schema

HEAD = """# The tables

A study is a folder with three Parquet tables. They can be read at any time, even while the study runs:

| table | where | read it with |
| --- | --- | --- |
| `trials` | `trials.parquet` | `pd.read_parquet("studies/NAME/trials.parquet")` |
| `epochs` | `epochs/` | `duckdb.sql("select * from 'studies/NAME/epochs/*.parquet'")` |
| `decisions` | `decisions/` | `pl.read_parquet("studies/NAME/decisions/*.parquet")` |

While a study runs, `epochs/` and `decisions/` hold several files; a finished study has one file in each. After a lost worker, these files can hold an
epoch twice, and a plain `select` returns both rows. `pipeline.load_results("studies/NAME")` (`.trials`, `.epochs` and `.decisions` as pandas DataFrames) and
`tunepipe sql` remove duplicates.

`trials` and `epochs` also have a column `config_<name>` for each hyperparameter, which is null for trials without it. `epochs` has a column for
each metric: its name in lower case, with `_` for what a column cannot hold (`val-acc` → `val_acc`); non-Latin letters are kept. If another metric of the
study already has that column, six digits of a digest follow (`val_acc_805d30`). The original name is in the Parquet field's metadata (`metric`) and, where
it differs from the column, in `results --json`. All column names are lower-case and need no quotes in SQL.

- **Missing values** are null: pandas shows NaN, NaT or None. In a metric's column, null means that the epoch did not report the metric, for example because
  it was not validated; NaN and infinite values are what the training reported. `load_results` and `tunepipe sql` show NaN as missing, too. `objective` is
  never NaN or infinite.
- **Types**: metrics are `double`. A hyperparameter's column is `double` if it draws fractions, `int64` for whole numbers, `bool` for `True` and `False`, and
  `string` for texts and mixed values, with lists, dicts and `None` as JSON. `pd.read_parquet` turns `int64` columns with nulls into floats;
  `dtype_backend="pyarrow"` keeps them, as `load_results` does.
- **Times** are in UTC with microseconds, and durations in seconds.
- **Trial ids** have four digits, and more from trial 10000 on: sort by `cast(trial_id as int)`.
- **Several studies**: `study` names each row's study. The columns of hyperparameters and metrics differ between studies, and one of the same name may have
  another type: `pd.concat` and, in DuckDB, `read_parquet('studies/*/trials.parquet', union_by_name = true)` fill missing columns with null. `tunepipe sql A B …`
  does the same.

The files carry `schema_version` {version} in their metadata.
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
