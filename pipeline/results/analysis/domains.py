"""The text of a value, until its last importer takes it from `parameters`."""

from pipeline.results.analysis.parameters import format_value as format_value
