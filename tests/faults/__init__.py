"""Real failures: processes killed by signals, disks that are full, files that are damaged."""
