"""Whom downloads trust, and the token that they send."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest

from infinidepth_blender.engine import hub
from infinidepth_blender.errors import DownloadError


@pytest.mark.parametrize(
    ("platform", "has_roots", "adds"), [("win32", True, True), ("linux", True, False), ("linux", False, True)]
)
def test_roots_are_added_where_the_system_has_none_or_not_all(
    platform: str, has_roots: bool, adds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has a root in its store only after one of its own programs has met it."""
    loaded: list[str] = []
    context = SimpleNamespace(cert_store_stats=lambda: {"x509_ca": int(has_roots)}, load_verify_locations=loaded.append)
    monkeypatch.setattr(hub.ssl, "create_default_context", lambda: context)
    monkeypatch.setattr(hub.ssl, "get_default_verify_paths", lambda: SimpleNamespace(capath=None))
    monkeypatch.setattr(hub, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setitem(sys.modules, "certifi", SimpleNamespace(where=lambda: "roots.pem"))
    hub._tls_context.cache_clear()
    try:
        hub._tls_context()
    finally:
        hub._tls_context.cache_clear()
    assert loaded == ["roots.pem"] * adds


def test_a_certificate_that_is_not_trusted_has_two_causes() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "unable to get local issuer certificate"
    with pytest.raises(DownloadError) as caught, hub._connection_errors():
        raise URLError(error)
    assert "SSL_CERT_FILE" in caught.value.remedy and "update the system" in caught.value.remedy


def test_who_has_no_home_has_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_HOME", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert hub._token() == ""
    monkeypatch.setenv("HF_TOKEN_PATH", "~nobody-of-this-name/token")
    assert hub._token() == ""
