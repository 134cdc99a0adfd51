"""Write the RECORD of each library of an environment again, for the files that slim.sh has left and changed.

Scanners then find what the image has, and pip removes or replaces a library without a file too many. Run by the Python
of the environment.
"""

import base64
import csv
import hashlib
import sysconfig
from pathlib import Path


def write_record(site: Path, record: Path) -> None:
    """Write a RECORD again, whose paths are relative to the folder of all libraries."""
    rows = []
    with record.open(newline="", encoding="utf-8") as file:
        for path, digest, *size in csv.reader(file):
            if not (found := site / path).is_file():
                continue
            if digest:
                content = found.read_bytes()
                digest = "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
                size = [str(len(content))]
            rows.append([path, digest, *size])
    with record.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    libraries = Path(sysconfig.get_path("purelib"))
    for found in libraries.glob("*.dist-info/RECORD"):
        write_record(libraries, found)
