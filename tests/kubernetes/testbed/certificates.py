"""Identities: one authority, and a client certificate for each part, whose organisation is its group."""

import base64

from tests.kubernetes.testbed.place import BED, Addresses
from tests.kubernetes.testbed.room import call

FOLDER = BED / "certificates"
AUTHORITY = FOLDER / "ca.crt"
_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]


def authority() -> None:
    """Create the authority that signs all other certificates."""
    FOLDER.mkdir(parents=True)
    FOLDER.chmod(0o700)
    (FOLDER / "openssl.cnf").write_text("[req]\ndistinguished_name = name\n[name]\n")
    _request("ca", "/CN=tunepipe test bed", "-addext", "basicConstraints=critical,CA:TRUE")


def certificate(name: str, user: str, group: str | None = None, alternatives: str | None = None) -> None:
    """Create a key and a certificate, NAME.key and NAME.crt."""
    subject = (f"/O={group}" if group else "") + f"/CN={user}"
    names = ["-addext", f"subjectAltName={alternatives}"] if alternatives else []
    signed = ["-CA", str(AUTHORITY), "-CAkey", str(FOLDER / "ca.key")]
    _request(name, subject, *signed, "-addext", "basicConstraints=critical,CA:FALSE", *names)


def service_account_key() -> None:
    """Create the key that signs the tokens of service accounts."""
    call("openssl", "genrsa", "-out", str(FOLDER / "accounts.key"), "2048")
    call("openssl", "rsa", "-in", str(FOLDER / "accounts.key"), "-pubout", "-out", str(FOLDER / "accounts.pub"))


def kubeconfig(name: str, user: str, group: str | None = None, server: str | None = None) -> str:
    """Create a kubeconfig with its own certificate; return its path."""
    certificate(name, user, group)
    held = {each: base64.b64encode((FOLDER / each).read_bytes()).decode() for each in (f"{name}.crt", f"{name}.key")}
    there = server or f"https://{Addresses.BRIDGE}:6443"
    signed = base64.b64encode(AUTHORITY.read_bytes()).decode()
    path = BED / f"{name}.kubeconfig"
    path.touch(0o600)
    path.write_text(
        f"""apiVersion: v1
kind: Config
clusters: [{{name: testbed, cluster: {{server: "{there}", certificate-authority-data: {signed}}}}}]
users:
  - name: {name}
    user: {{client-certificate-data: {held[f"{name}.crt"]}, client-key-data: {held[f"{name}.key"]}}}
contexts: [{{name: testbed, context: {{cluster: testbed, user: {name}}}}}]
current-context: testbed
"""
    )
    return str(path)


def _request(name: str, subject: str, *more: str) -> None:
    files = ["-keyout", str(FOLDER / f"{name}.key"), "-out", str(FOLDER / f"{name}.crt")]
    call("openssl", "req", "-x509", "-config", str(FOLDER / "openssl.cnf"), *_CURVE, *files, "-subj", subject, *more)
