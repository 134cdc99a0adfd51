"""What users decided about a whole study while it ran: a pause, its end, another budget."""

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.results.tables.load import Results


def study_decisions(results: Results) -> pa.Table:
    """The decisions about the whole study, in order; those of an older tunepipe were not recorded."""
    decisions = results.table("decisions")
    return decisions.filter(pc.is_null(decisions["trial_id"]))
