"""Failures of TLS in the words that Go has for them, which users of docker search for. Both ends come in here."""

import re
import ssl

_UNKNOWN_AUTHORITY = frozenset({18, 19, 20, 21})  # X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT and its neighbours
_WRONG_TIME, _WRONG_NAME = frozenset({9, 10}), frozenset({62, 64})
_ALERT = re.compile(r"[A-Z0-9]+_ALERT_([A-Z_]+)")  # OpenSSL's names of what the other side says
_PLAIN_HTTP = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")


def certificate_reason(error: Exception, host: str) -> str:
    """Why the certificate of ``host`` is not taken."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return str(error)
    if error.verify_code in _UNKNOWN_AUTHORITY:
        reason = "certificate signed by unknown authority"
    elif error.verify_code in _WRONG_TIME:
        reason = "certificate has expired or is not yet valid"
    elif error.verify_code in _WRONG_NAME:
        reason = f"certificate is valid for other names, not {host}"
    else:
        reason = error.verify_message
    return f"tls: failed to verify certificate: x509: {reason}"


def alert(error: Exception) -> str:
    """What the other side said against us; "" where the failure is another."""
    found = _ALERT.search(str(error).upper().replace(" ", "_"))
    return f"remote error: tls: {found[1].lower().replace('_', ' ')}" if found else ""


def plain_http(error: Exception) -> bool:
    """Whether the other side does not speak TLS at all."""
    return any(word in str(error).upper().replace(" ", "_") for word in _PLAIN_HTTP)


PLAIN_HTTP = "http: server gave HTTP response to HTTPS client"
