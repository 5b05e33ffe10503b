"""TLS as NBD uses it: certificates, or a key that both sides know."""

from __future__ import annotations

import ssl
from pathlib import Path

from blockstrata.naming.nbd import Tls
from blockstrata.protocols.nbd.stream import reason
from blockstrata.protocols.nbd.wire import WireError


def tls_context(tls: Tls, host: str | None) -> tuple[ssl.SSLContext, str | None]:
    """Return how TLS is to be spoken to a server, and the name that its certificate must have if any.

    ``host`` is None for a unix socket: there is no name to compare then, unless the address states one; the
    authority is checked all the same.  ``WireError`` if files are missing or wrong, or this Python cannot do
    it.
    """
    hostname = tls.hostname or host
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.psk_file is not None:
        _share_key(context, tls)
        return context, hostname
    context.check_hostname = tls.verify and hostname is not None
    if not tls.verify:
        context.verify_mode = ssl.CERT_NONE
    try:
        if tls.certificates is None:
            context.load_default_certs()
            return context, hostname
        directory = Path(tls.certificates)
        certificate = directory / "client-cert.pem"
        if tls.verify:
            context.load_verify_locations(directory / "ca-cert.pem")
        if certificate.exists():
            # an encrypted key must not ask at the terminal
            context.load_cert_chain(certificate, directory / "client-key.pem", password=lambda: "")
    except (OSError, ValueError) as error:
        raise WireError(f"TLS certificates: {reason(error)}") from None
    return context, hostname


def _share_key(context: ssl.SSLContext, tls: Tls) -> None:
    """Use a key of a PSK file, a line ``user:hexadecimal key`` each."""
    set_callback = getattr(context, "set_psk_client_callback", None)
    if set_callback is None:
        raise WireError("TLS with a shared key needs Python 3.13 or later")
    user, key = _key_of(str(tls.psk_file), tls.username)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # the list of ciphers says nothing about TLS 1.3, whose own would take a server without the key
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers("PSK")
    except ssl.SSLError:
        raise WireError("TLS with a shared key: this Python's OpenSSL has no ciphers for it") from None
    set_callback(lambda _hint: (user, key))


def _key_of(file: str, wanted: str | None) -> tuple[str, bytes]:
    try:
        for line in Path(file).read_text("utf-8").splitlines():
            user, colon, key = line.partition(":")
            if colon and wanted in (None, user):
                return user, bytes.fromhex(key)
    except (OSError, ValueError) as error:
        raise WireError(f"tls-psk-file: {reason(error)}") from None
    raise WireError("tls-psk-file: holds no key" + (f" for user '{wanted}'" if wanted else ""))
