"""What tunepipe runs in the benchmarks. The peers take space, epochs and factor from here."""
