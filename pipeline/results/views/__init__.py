"""The output of commands: sentences, tables for a terminal, JSON."""
