"""Studies played over learning curves with a clock of their own: what a study would come to, before it is run."""
