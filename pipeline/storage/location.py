"""Where a storage is: a folder of this machine, or a URI of an object store."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
from pyarrow import fs

from pipeline.errors import StorageError, StorageUnreachable
from pipeline.storage.local_files import LocalFiles
from pipeline.storage.object_files import ObjectFiles, file_system, with_defaults
from pipeline.storage.os_errors import is_unreachable
from pipeline.storage.paths import refuse_unwritable

_URI = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ONE_SLASH = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_PLAIN = "/:@!$&'()*+,;="
"""Characters that a path in a URI may have, besides letters and digits."""
_UNWRITABLE = re.compile(r"[^!-~]|%(?![0-9a-f]{2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Location:
    """A storage's URI and its files."""

    uri: str
    files: LocalFiles | ObjectFiles

    @classmethod
    def of(cls, text: str) -> "Location":
        """The location that a user names."""
        refuse_unwritable(text, "The storage")
        is_uri = _URI.match(text) is not None
        if not is_uri and _ONE_SLASH.match(text):
            raise StorageError(f"The storage {text!r} cannot be used: a URI has two slashes, as in s3://bucket/folder.")
        try:
            if not is_uri:
                folder = Path(text).expanduser().absolute()
                if ".." in folder.parts:
                    folder = folder.resolve()
                return cls(str(folder), LocalFiles(folder))
            system, root = file_system(text)
            is_local = isinstance(system, fs.LocalFileSystem)
            head, mark, options = text.partition("?")
            uri = f"{head.rstrip('/')}{mark}{options}"
            return cls(uri, LocalFiles(Path(root)) if is_local else ObjectFiles(system, root))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, RuntimeError) as error:
            reason = str(error).replace(with_defaults(text), text).rstrip(".")
            advice = ". In a URI, a space is %20 and a percent sign %25" if is_uri and _UNWRITABLE.search(text) else ""
            kind = StorageUnreachable if is_unreachable(error) else StorageError
            raise kind(f"The storage {text!r} cannot be used: {reason}{advice}.") from None

    def uri_of(self, path: str) -> str:
        """The URI of a path in the storage; the options of an object store's URI stay at the end."""
        if not path:
            return self.uri
        if isinstance(self.files, LocalFiles):
            # A question mark in a path is part of a name.
            return f"{self.uri}/{path}"
        head, mark, options = self.uri.partition("?")
        return f"{head}/{quote(path, _PLAIN)}{mark}{options}"
