"""A study's stored parts → clean tables → frames."""
