"""The certificates that the system trusts, also where one of them is damaged; standard library only."""

from __future__ import annotations

import contextlib
import ssl


def system_context() -> ssl.SSLContext:
    """What `ssl.create_default_context` gives, without the certificates that OpenSSL cannot read."""
    try:
        return ssl.create_default_context()
    except ssl.SSLError:
        # Python up to 3.11 hands over all of Windows' store at once, and one damaged certificate refuses the whole.
        return _one_by_one()


def _one_by_one() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(OSError):
        context.set_default_verify_paths()
    enumerate_store = getattr(ssl, "enum_certificates", None)  # Windows' own
    for store in ("CA", "ROOT") if enumerate_store else ():
        with contextlib.suppress(OSError):
            for certificate, encoding, trust in enumerate_store(store):  # pyright: ignore[reportOptionalCall]
                if encoding == "x509_asn" and (trust is True or ssl.Purpose.SERVER_AUTH.oid in trust):
                    with contextlib.suppress(ssl.SSLError):
                        context.load_verify_locations(cadata=certificate)
    return context
