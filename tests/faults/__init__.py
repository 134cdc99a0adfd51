"""Real failures: processes that are killed by signals, full disks, damaged files."""
