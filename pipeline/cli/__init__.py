"""The command line: one file for each group of commands; a command imports what it needs when it runs."""
