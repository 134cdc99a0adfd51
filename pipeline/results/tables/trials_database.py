"""The table `trials` of one study or several in DuckDB, for repeated queries."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UsageError
from pipeline.results.tables.database import TimeLimit, fill_table, locked, open_database, run_select, suggested_column
from pipeline.results.tables.front import objective_column, objective_values, pareto_front
from pipeline.results.tables.load import Results
from pipeline.storage.schema import TABLES, arrow_schema
from pipeline.study import Objective
from pipeline.study.ranking import ranking_sql

OF_OBJECTIVE = ("objective", "last_objective")
"""Columns whose values cannot be compared across objectives."""

_FRONT = "front"
"""The column that says which trials are on the front of several objectives."""


class TrialsDatabase:
    """The table `trials` in a separate database, as long as the context is open or the object is in use.

    Several threads may select from it in parallel; a selection changes nothing. With several objectives, it also has
    their values, and which trials are on the front.
    """

    def __init__(self, studies: Mapping[str, Results], *, only: Mapping[str, Collection[str]] | None = None) -> None:
        parts = [
            _selected_trials(results, label, None if only is None else only[label])
            for label, results in studies.items()
        ]
        self._columns = list(dict.fromkeys(name for part in parts for name in part.column_names))
        self._group = _case_expression(
            {label: str(number) for number, group in enumerate(by_objective(studies)) for label in group}, "0"
        )
        rising = {label: "-objective" for label, results in studies.items() if results.objective.mode == "max"}
        self._ranking = [self._group, *ranking_sql(f"({_case_expression(rising, 'objective')})")]
        self._database = open_database()
        # The order of the rows is part of the table: trials come by id.
        fill_table(self._database, "trials", parts)
        locked(self._database)

    def __enter__(self) -> "TrialsDatabase":
        """The database itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._database.close()

    def select(
        self,
        *,
        where: str | None = None,
        sort: Sequence[str] = (),
        columns: Sequence[str] | None = None,
        best_first: bool = False,
        limit: TimeLimit | None = None,
    ) -> pa.Table:
        """Rows and columns; rows that tie are sorted by study and by trial."""
        if where is not None and not where.strip():
            raise UsageError("--where must be a condition, as in \"state = 'completed'\"; found nothing.")
        for name in sort:
            _check_column(name.removeprefix("-"), self._columns, "--sort")
        for name in columns or ():
            _check_column(name, self._columns, "--columns")
        chosen = ", ".join(f'"{name}"' for name in columns) if columns else "*"
        # On a separate line, a comment in the condition cannot swallow the bracket.
        condition = f"where (\n{where}\n)" if where is not None else ""
        sql = f"select {chosen} from trials {condition} order by {', '.join(self._order(sort, best_first=best_first))}"
        with run_select(self._database, sql, "--where", condition=where, columns=self._columns, limit=limit) as answer:
            return pa.Table.from_batches(answer.batches, answer.schema)

    def _order(self, sort: Sequence[str], *, best_first: bool) -> list[str]:
        if not sort:
            return [*(self._ranking if best_first else ()), "rowid"]
        order = []
        for name in sort:
            order += [self._group] if name.removeprefix("-") in OF_OBJECTIVE else []
            order.append(f'"{name.removeprefix("-")}" {"desc" if name.startswith("-") else "asc"} nulls last')
        return [*order, "rowid"]


def objective_columns(results: Results) -> dict[str, str]:
    """The columns in which a `TrialsDatabase` has a study's objectives, by metric."""
    first, *others = [objective.metric for objective in results.objectives]
    columns, taken = {first: "objective"}, {*(column.name for column in TABLES["trials"]), _FRONT}
    for metric in others:
        name = objective_column(metric, results)
        while name in taken:
            name = f"metric_{name}"
        columns[metric] = name
        taken.add(name)
    return columns


def by_objective(studies: Mapping[str, Results]) -> list[list[str]]:
    """The studies whose values can be compared, in the order given: one list for each objective."""
    groups: dict[Objective, list[str]] = {}
    for label, results in studies.items():
        groups.setdefault(results.objective, []).append(label)
    return list(groups.values())


def arrow_table(results: Results, name: str, label: str) -> pa.Table:
    """A table of a study with Arrow's types, which pandas may have changed."""
    frame: pd.DataFrame = getattr(results, name)
    metrics = [str(column) for column in frame.columns if name == "epochs" and not _fixed(str(column))]
    schema = arrow_schema(name, results.space, metrics)
    schema = pa.schema([field for field in schema if field.name in frame.columns])
    columns: dict[str, Any] = {field.name: frame[field.name] for field in schema}
    arrays = [pa.array(columns[field.name], field.type, from_pandas=True) for field in schema]
    table = pa.Table.from_arrays(arrays, schema=schema.remove_metadata())
    return table.set_column(table.column_names.index("study"), "study", pa.array([label] * len(frame), pa.string()))


def _selected_trials(results: Results, label: str, only: Collection[str] | None) -> pa.Table:
    table = _with_objectives(results, arrow_table(results, "trials", label))
    if only is None:
        return table
    return table.filter(pc.is_in(table["trial_id"], value_set=pa.array(list(only), pa.string())))


def _case_expression(by_study: Mapping[str, str], otherwise: str) -> str:
    """An SQL expression with its own value for each study."""
    whens = " ".join(f"when '{label.replace(chr(39), chr(39) * 2)}' then {then}" for label, then in by_study.items())
    return f"case study {whens} else {otherwise} end" if whens else otherwise


def _check_column(name: str, known: Sequence[str], option: str) -> None:
    if name in known:
        return
    near = suggested_column(name, known)
    hint = f" Did you mean {near}?" if near else ""
    raise UsageError(
        f"{option} must name columns of the table trials; found {name!r:.100}.{hint} Available: {', '.join(known)}."
    )


def _with_objectives(results: Results, trials: pa.Table) -> pa.Table:
    """Trials with what the leaderboard shows in addition to the first objective, where there is more than one."""
    if len(results.objectives) < 2:
        return trials
    values = objective_values(results)
    for metric, name in list(objective_columns(results).items())[1:]:
        trials = trials.append_column(name, pa.array(values[metric], pa.float64(), from_pandas=True))
    front = {point.trial_id for point in pareto_front(results)}
    return trials.append_column(_FRONT, pa.array([trial in front for trial in values.index], pa.bool_()))


def _fixed(column: str) -> bool:
    return bool(re.match("config_", column)) or column in {known.name for known in TABLES["epochs"]}
