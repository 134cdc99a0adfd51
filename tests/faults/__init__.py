"""Things that go wrong, for real: processes killed by signals, disks that are full, files that are damaged."""
