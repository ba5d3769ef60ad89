"""Tokens of another token server: signed by keys of a certificate bundle or a JWKS file, as docker-registry takes them.

A key is trusted because it was configured, or because a certificate chain in the token (``x5c``) ends at a configured
certificate. What else a token names (``jwk``, ``jku``, ``x5u``) is never used, and the algorithm must be one of those
that fit the kind of key: a public key can never serve as the secret of an HMAC.
"""

import base64
import binascii
import datetime
import hashlib
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from havre.errors import InvalidParameter
from havre.registry.access.scopes import from_claim
from havre.registry.access.tokens import MALFORMED, BadToken, Claims, check_times
from havre.registry.identity import ANONYMOUS, USER, Identity

Key = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}
_LONGEST_CHAIN = 5
_LONGEST_TOKEN = 32_768


@dataclass(frozen=True, slots=True)
class Trust:
    """What tokens are checked against; ``keys`` are found by any of the names in ``kid`` that are usual for them."""

    keys: tuple[tuple[Key, frozenset[str]], ...]
    roots: tuple[x509.Certificate, ...]


class ForeignTokens:
    """Reads the tokens that ``issuer`` signs for ``service``."""

    def __init__(self, trust: Trust, issuer: str, service: str, clock: Callable[[], float] = time.time) -> None:
        self._trust = trust
        self._issuer = issuer
        self._service = service
        self._clock = clock

    def read_access(self, token: str) -> Claims:
        """What the token says. BadToken when it may not be believed."""
        if len(token) > _LONGEST_TOKEN:
            raise BadToken("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
        except MALFORMED as error:
            raise BadToken(str(error)) from error
        claims = self._verified(token, self._candidates(header))
        expires = check_times(claims, self._clock())
        subject = claims.get("sub") or ""
        if not isinstance(subject, str):
            raise BadToken("the subject is no text")
        identity = Identity(USER, subject) if subject else ANONYMOUS
        return Claims(identity, from_claim(claims.get("access")), expires=expires)

    def _verified(self, token: str, keys: list[Key]) -> dict[str, Any]:
        reason = "no key that is trusted has signed it"
        for key in keys:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=list(_algorithms(key)),
                    audience=self._service,
                    issuer=self._issuer,
                    options={
                        "require": ["iss", "aud", "exp"],
                        "verify_exp": False,
                        "verify_nbf": False,
                        "verify_iat": False,
                    },
                )
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
                continue
            except MALFORMED as error:
                reason = str(error)
        raise BadToken(reason)

    def _candidates(self, header: dict[str, Any]) -> list[Key]:
        if (chain := header.get("x5c")) is not None:
            return [_leaf_key(chain, self._trust.roots, self._clock())]
        kid = header.get("kid")
        named = [key for key, names in self._trust.keys if isinstance(kid, str) and kid in names]
        # Servers name keys in many ways: any trusted key may have signed it.
        return named or [key for key, _names in self._trust.keys]


def load_trust(certificates: Path | None, jwks: Path | None) -> Trust:
    """What these files hold. InvalidParameter when one cannot be used, or there is no key in them."""
    keys: list[tuple[Key, frozenset[str]]] = []
    roots: list[x509.Certificate] = []
    try:
        if certificates is not None:
            roots = x509.load_pem_x509_certificates(certificates.read_bytes())
            keys += [(key, _names(key)) for key in (_usable(root.public_key(), certificates) for root in roots)]
        if jwks is not None:
            for entry in jwt.PyJWKSet.from_dict(json.loads(jwks.read_bytes())).keys:
                key = _usable(entry.key, jwks)
                keys.append((key, _names(key) | ({entry.key_id} if entry.key_id else set())))
    except (OSError, ValueError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise InvalidParameter(f"cannot use {certificates or jwks} to verify tokens: {error}") from error
    if not keys:
        raise InvalidParameter("there is no key to verify tokens with")
    return Trust(tuple(keys), tuple(roots))


def _usable(key: object, where: Path) -> Key:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        raise InvalidParameter(f"{where}: an RSA key of {key.key_size} bits is too short")
    if isinstance(key, Key) and _algorithms(key):
        return key
    raise InvalidParameter(f"{where}: only public RSA, EC (P-256, P-384, P-521) and Ed25519 keys verify tokens")


def _algorithms(key: Key) -> tuple[str, ...]:
    if isinstance(key, rsa.RSAPublicKey):
        return _RSA
    return _CURVES.get(key.curve.name, ()) if isinstance(key, ec.EllipticCurvePublicKey) else ("EdDSA",)


def _names(key: Key) -> frozenset[str]:
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    # The fingerprint Docker's libtrust made: 240 bits in base32, in groups of four.
    word = base64.b32encode(digest[:30]).decode()
    return frozenset({":".join(word[i : i + 4] for i in range(0, len(word), 4)), digest.hex()})


def _leaf_key(chain: object, roots: tuple[x509.Certificate, ...], now: float) -> Key:
    if not isinstance(chain, list) or not 1 <= len(chain) <= _LONGEST_CHAIN:
        raise BadToken("malformed certificate chain")
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    try:
        certificates = [x509.load_der_x509_certificate(base64.b64decode(entry, validate=True)) for entry in chain]
        for certificate, issuer in itertools.pairwise(certificates):
            _check_issued(certificate, issuer)
        last = certificates[-1]
        if last not in roots:
            certificates.append(_root_of(last, roots))
        for certificate in certificates:
            if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
                raise BadToken("a certificate of the chain has expired or is not valid yet")
        key = certificates[0].public_key()
    except (ValueError, TypeError, binascii.Error, x509.ExtensionNotFound) as error:
        raise BadToken(f"malformed certificate chain: {error}") from error
    if not isinstance(key, Key):
        raise BadToken("the certificate's key verifies no tokens")
    return key


def _root_of(certificate: x509.Certificate, roots: tuple[x509.Certificate, ...]) -> x509.Certificate:
    for root in roots:
        try:
            _check_issued(certificate, root)
        except (BadToken, ValueError, TypeError, x509.ExtensionNotFound):
            continue
        return root
    raise BadToken("the certificate chain ends at nothing that is trusted")


def _check_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    if not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise BadToken("a certificate of the chain was issued by one that may issue none")
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature as error:
        raise BadToken("a certificate of the chain is not signed by the next") from error
