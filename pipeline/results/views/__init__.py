"""What commands print: sentences, tables for a terminal, JSON."""
