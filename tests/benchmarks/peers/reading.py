"""One command over a study that is there: its memory at the most. Its seconds are those of this process."""

import json
import resource
import sys
from contextlib import redirect_stdout

from pipeline.cli.app import app


def main() -> None:
    with redirect_stdout(sys.stderr):
        app(sys.argv[1:], standalone_mode=False)
    print(json.dumps({"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
