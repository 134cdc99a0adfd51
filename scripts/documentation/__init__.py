"""The documentation's commands: found in its pages, run, and compared with what the pages show."""
