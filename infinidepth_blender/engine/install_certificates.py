"""Certificates for a pip that knows its own alone; standard library only.

Studios and schools often look into encrypted connections, with a certificate that only the system knows.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from .install_commands import Commands
from .process import isolated
from .system_certificates import system_context

_NAMED = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables by which the user tells pip which certificates to trust."""
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where Linux and macOS keep what the system trusts: a Python that was built elsewhere looks in other places."""
_OWN = "from pip._vendor import certifi; print(certifi.where())"


def write_certificates(commands: Commands, python: Path) -> Path | None:
    """Writes all certificates that pip, the system and the user trust into one file for pip.

    Args:
        commands: Whose folder for temporary files takes it.
        python: Interpreter whose pip it is for.

    Returns:
        The file; None: the user has named another one, or pip's own cannot be found.

    Raises:
        OSError: it cannot be written.
        Cancelled: the user did not want to wait.
    """
    if any(map(os.environ.get, _NAMED)) or _set_in_file(commands, python):
        return None
    code, lines = commands.outcome([*isolated(python), "-c", _OWN])
    own = _text(lines[-1]) if code == 0 and lines else ""
    if not own:
        return None
    known = map(ssl.DER_cert_to_PEM_cert, system_context().get_ca_certs(binary_form=True))
    named = os.environ.get("SSL_CERT_FILE", "")
    file = commands.temporary / "certificates.pem"
    file.write_text("\n".join([own, *known, *map(_text, filter(None, (named, *_BUNDLES)))]), encoding="utf-8")
    return file


def _set_in_file(commands: Commands, python: Path) -> bool:
    """Whether pip's configuration file names certificates, which a variable would overrule."""
    asked = ([*isolated(python), "-m", "pip", "config", "get", f"{part}.cert"] for part in ("global", "install"))
    return any(commands.outcome(command)[0] == 0 for command in asked)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
