"""The key that signs the registry's own tokens: made on the first start, kept in ``token-key.pem`` under the root."""

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from havre.errors import InvalidParameter
from havre.store.files import write_atomic

FILE = "token-key.pem"
ALGORITHM = "ES256"


def signing_key(root: Path) -> ec.EllipticCurvePrivateKey:
    """The key under ``root``, made if there is none. InvalidParameter when what is there is not such a key."""
    path = root / FILE
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_atomic(path, pem, 0o600)
        return key
    if os.stat(path).st_mode & 0o077:
        raise InvalidParameter(f"{path} may be read by others than its owner: anybody who did can sign tokens")
    try:
        key_there = load_pem_private_key(path.read_bytes(), None)
    except ValueError as error:
        raise InvalidParameter(f"{path} is no private key: {error}") from error
    if not isinstance(key_there, ec.EllipticCurvePrivateKey) or not isinstance(key_there.curve, ec.SECP256R1):
        raise InvalidParameter(f"{path} is not a key on the curve P-256")
    return key_there


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """The ``kid`` tokens name it by."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:32]
