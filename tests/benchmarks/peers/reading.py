"""One command over a study that is there, started as a user starts it: its seconds, and its memory at the most."""

import json
import resource
import subprocess
import sys
import time


def main() -> None:
    clock = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pipeline.cli.app", *sys.argv[1:]], stdout=sys.stderr, check=True)
    seconds = time.perf_counter() - clock
    print(json.dumps({"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
