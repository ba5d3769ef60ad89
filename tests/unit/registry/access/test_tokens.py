"""Tokens: what is issued reads back, and none of the known attacks on JWT gets through."""

import base64
import datetime
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from havre.errors import InvalidParameter
from havre.registry.access import scopes
from havre.registry.access.foreign import ForeignTokens, Trust, _names, load_trust
from havre.registry.access.scopes import Scope, covers
from havre.registry.access.signing import signing_key
from havre.registry.access.tokens import BadToken, Tokens
from havre.registry.identity import ANONYMOUS, Identity

NOW = 1_800_000_000
ALICE = Identity("user", "alice")
READ_APP = Scope("repository", "team/app", frozenset({"pull"}))


class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


def encoded(data: Any) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def pem(key: Any) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(tmp_path: Path, clock: Clock) -> Tokens:
    return Tokens(signing_key(tmp_path), "registry.test", clock)


def test_an_access_token_says_who_and_what(tokens: Tokens) -> None:
    claims = tokens.read_access(tokens.access_token(ALICE, "f", [READ_APP]))
    assert claims.identity == ALICE and claims.fingerprint == "f"
    assert covers(claims.access, "repository", "team/app", "pull")
    assert not covers(claims.access, "repository", "team/app", "push")
    assert not covers(claims.access, "repository", "team/other", "pull")
    assert not covers(claims.access, "registry", "team/app", "pull")
    assert tokens.read_access(tokens.access_token(ANONYMOUS, "", [])).identity == ANONYMOUS


def test_the_key_stays_over_a_restart_and_is_nobody_elses(tmp_path: Path, tokens: Tokens, clock: Clock) -> None:
    token = tokens.access_token(ALICE, "f", [])
    assert Tokens(signing_key(tmp_path), "registry.test", clock).read_access(token).identity == ALICE
    key = tmp_path / "token-key.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    with pytest.raises(InvalidParameter, match="others"):
        signing_key(tmp_path)
    key.write_text("junk")
    key.chmod(0o600)
    with pytest.raises(InvalidParameter, match="no private key"):
        signing_key(tmp_path)


def test_a_token_ends(tokens: Tokens, clock: Clock) -> None:
    token, refresh = tokens.access_token(ALICE, "f", []), tokens.refresh_token(ALICE, "f")
    clock.now += 299
    tokens.read_access(token)
    clock.now += 1
    with pytest.raises(BadToken, match="expired"):
        tokens.read_access(token)
    tokens.read_refresh(refresh)
    clock.now += 90 * 86400
    with pytest.raises(BadToken, match="expired"):
        tokens.read_refresh(refresh)
    clock.now = NOW - 3600
    with pytest.raises(BadToken, match="not valid yet"):
        tokens.read_access(token)


def test_access_and_refresh_do_not_stand_for_each_other(tokens: Tokens) -> None:
    with pytest.raises(BadToken):
        tokens.read_access(tokens.refresh_token(ALICE, "f"))
    with pytest.raises(BadToken):
        tokens.read_refresh(tokens.access_token(ALICE, "f", []))


def forgeries(token: str, public: Any) -> dict[str, str]:
    """What attackers make of a token they hold and a public key they know."""
    head, body, tail = token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    claims = json.loads(base64.urlsafe_b64decode(body + "==="))
    wide = encoded({**claims, "access": [{"type": "repository", "name": "team/app", "actions": ["*"]}]})
    own = ec.generate_private_key(ec.SECP256R1())
    own_jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(own.public_key()))
    made = {
        "widened": f"{head}.{wide}.{tail}",
        "no signature": f"{head}.{wide}.",
        "other key": jwt.encode(claims, own, "ES256", headers={"kid": header.get("kid", "")}),
        "key brought along": jwt.encode(claims, own, "ES256", headers={"jwk": own_jwk, "jku": "http://127.0.0.1:1/"}),
        "empty": "",
        "two parts": f"{head}.{body}",
        "binary": "\udce4.\x00.é",
        "deep": f"{encoded(b'[' * 6000)}.{body}.{tail}",
        "no object": f"{encoded([1])}.{body}.{tail}",
    }
    for name in ("none", "None", "NONE", ""):
        made[f"alg {name!r}"] = f"{encoded({**header, 'alg': name})}.{wide}."
        made[f"alg {name!r}, signed"] = f"{encoded({**header, 'alg': name})}.{wide}.{tail}"
    for secret in (
        pem(public),
        pem(public).strip(),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):
        start = f"{encoded({**header, 'alg': 'HS256'})}.{wide}"
        made[f"HS256 {len(secret)}"] = f"{start}.{encoded(hmac.digest(secret, start.encode(), 'sha256'))}"
    return made


def test_forged_tokens_of_our_own(tokens: Tokens, tmp_path: Path) -> None:
    for name, forged in forgeries(
        tokens.access_token(ALICE, "f", [READ_APP]), signing_key(tmp_path).public_key()
    ).items():
        with pytest.raises(BadToken):
            tokens.read_access(forged)
            pytest.fail(name)


def test_tokens_of_another_service_are_not_ours(tmp_path: Path, tokens: Tokens, clock: Clock) -> None:
    other = Tokens(signing_key(tmp_path), "elsewhere.test", clock)
    with pytest.raises(BadToken):
        tokens.read_access(other.access_token(ALICE, "f", [READ_APP]))


@pytest.mark.parametrize("missing", ["iss", "sub", "aud", "exp", "nbf", "iat"])
def test_each_claim_is_needed(tmp_path: Path, tokens: Tokens, missing: str) -> None:
    claims = {
        "iss": "registry.test",
        "sub": "user:alice",
        "aud": "registry.test",
        "exp": NOW + 9,
        "nbf": NOW,
        "iat": NOW,
    }
    key = signing_key(tmp_path)
    tokens.read_access(jwt.encode(claims, key, "ES256"))
    del claims[missing]
    with pytest.raises(BadToken):
        tokens.read_access(jwt.encode(claims, key, "ES256"))


# Another token server -------------------------------------------------------------------------------------------------


def foreign(clock: Clock, *keys: Any, roots: tuple[x509.Certificate, ...] = ()) -> ForeignTokens:
    trust = Trust(tuple((key, _names(key)) for key in keys), roots)
    return ForeignTokens(trust, "auth.test", "registry.test", clock)


def claims(**more: Any) -> dict[str, Any]:
    access = [{"type": "repository", "name": "team/app", "actions": ["pull"]}]
    return {"iss": "auth.test", "aud": "registry.test", "sub": "alice", "exp": NOW + 60, "access": access, **more}


def certificate(
    key: Any, name: str, issuer: tuple[str, Any] | None = None, *, ca: bool = False, days: int = 30
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issued_by = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer[0] if issuer else name)])
    begin = datetime.datetime.fromtimestamp(NOW, datetime.UTC) - datetime.timedelta(days=60)
    return (
        x509.CertificateBuilder(issued_by, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=60 + days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )


def x5c(*certificates: x509.Certificate) -> dict[str, Any]:
    return {"x5c": [base64.b64encode(entry.public_bytes(Encoding.DER)).decode() for entry in certificates]}


@pytest.mark.parametrize("algorithm", ["RS256", "PS512"])
def test_rsa(clock: Clock, rsa_key: rsa.RSAPrivateKey, algorithm: str) -> None:
    reader = foreign(clock, rsa_key.public_key())
    read = reader.read_access(jwt.encode(claims(), rsa_key, algorithm))
    assert read.identity == ALICE
    assert covers(read.access, "repository", "team/app", "pull")


def test_curves_and_audiences_in_a_list(clock: Clock) -> None:
    for key, algorithm in (
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ):
        token = jwt.encode(claims(aud=["other", "registry.test"], sub=""), key, algorithm)
        assert foreign(clock, key.public_key()).read_access(token).identity == ANONYMOUS


def test_a_key_id_picks_the_key_and_an_unknown_one_does_no_harm(clock: Clock, rsa_key: rsa.RSAPrivateKey) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    reader = foreign(clock, other.public_key(), rsa_key.public_key())
    libtrust = next(name for name in _names(rsa_key.public_key()) if ":" in name)
    for kid in (libtrust, "never heard of"):
        reader.read_access(jwt.encode(claims(), rsa_key, "RS256", headers={"kid": kid}))


def test_forged_tokens_of_a_token_server(clock: Clock, rsa_key: rsa.RSAPrivateKey) -> None:
    reader = foreign(clock, rsa_key.public_key())
    for name, forged in forgeries(jwt.encode(claims(), rsa_key, "RS256"), rsa_key.public_key()).items():
        with pytest.raises(BadToken):
            reader.read_access(forged)
            pytest.fail(name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "other.test"},
        {"aud": "elsewhere"},
        {"aud": []},
        {"exp": NOW - 31},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": None},
        {"nbf": NOW + 31},
        {"sub": ["alice"]},
        {"sub": 7},
    ],
)
def test_claims_that_do_not_hold(clock: Clock, rsa_key: rsa.RSAPrivateKey, wrong: dict[str, Any]) -> None:
    reader = foreign(clock, rsa_key.public_key())
    good = claims()
    reader.read_access(jwt.encode(good, rsa_key, "RS256"))
    # PyJWT's own encode refuses some of these.
    start = f"{encoded({'alg': 'RS256', 'typ': 'JWT'})}.{encoded({**good, **wrong})}"
    signed = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(start.encode(), rsa_key)
    with pytest.raises(BadToken):
        reader.read_access(f"{start}.{encoded(signed)}")


def test_a_chain_in_the_token(clock: Clock) -> None:
    root, middle, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root_cert = certificate(root, "root", ca=True)
    middle_cert = certificate(middle, "middle", ("root", root), ca=True)
    leaf_cert = certificate(leaf, "leaf", ("middle", middle))
    reader = foreign(clock, root.public_key(), roots=(root_cert,))
    for chain in ((leaf_cert, middle_cert), (leaf_cert, middle_cert, root_cert)):
        reader.read_access(jwt.encode(claims(), leaf, "ES256", headers=x5c(*chain)))
    reader.read_access(jwt.encode(claims(), root, "ES256", headers=x5c(root_cert)))

    rogue = ec.generate_private_key(ec.SECP256R1())
    from_leaf = certificate(rogue, "rogue", ("leaf", leaf))
    bad = {
        "its own root": (rogue, (certificate(rogue, "root", ca=True),)),
        "the leaf alone": (leaf, (leaf_cert,)),
        "issued by a leaf": (rogue, (from_leaf, leaf_cert, middle_cert)),
        "another's certificate": (rogue, (leaf_cert, middle_cert)),
        "expired": (leaf, (certificate(leaf, "leaf", ("middle", middle), days=-1), middle_cert)),
        "too long": (leaf, (leaf_cert, *[middle_cert] * 5)),
        "none": (leaf, ()),
    }
    for name, (key, chain) in bad.items():
        with pytest.raises(BadToken):
            reader.read_access(jwt.encode(claims(), key, "ES256", headers=x5c(*chain)))
            pytest.fail(name)
    for junk in ("x", [1], ["!"], [{}], ["AAAA"]):
        with pytest.raises(BadToken):
            reader.read_access(jwt.encode(claims(), leaf, "ES256", headers={"x5c": junk}))


def test_trust_is_read_from_files(tmp_path: Path, clock: Clock, rsa_key: rsa.RSAPrivateKey) -> None:
    (tmp_path / "ca.pem").write_bytes(certificate(rsa_key, "auth", ca=True).public_bytes(Encoding.PEM))
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key.public_key()))
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [{**jwk, "kid": "one", "alg": "RS256"}]}))
    for trust in (load_trust(tmp_path / "ca.pem", None), load_trust(None, tmp_path / "jwks.json")):
        reader = ForeignTokens(trust, "auth.test", "registry.test", clock)
        reader.read_access(jwt.encode(claims(), rsa_key, "RS256", headers={"kid": "one"}))


def test_keys_that_are_secrets_or_weak_are_not_trusted(tmp_path: Path) -> None:
    weak = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key()))
    for text, named in (
        (json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}), "only public"),
        (json.dumps({"keys": [weak]}), "too short"),
        (json.dumps({"keys": []}), "."),
        ("{", "."),
        ("[]", "."),
    ):
        (tmp_path / "jwks.json").write_text(text)
        with pytest.raises(InvalidParameter, match=named):
            load_trust(None, tmp_path / "jwks.json")
    with pytest.raises(InvalidParameter, match="no key"):
        load_trust(None, None)


def test_scopes() -> None:
    words = ["repository:team/app:pull,push registry:catalog:*", "repository(plugin):host:5000/x:pull"]
    assert [str(scope) for scope in scopes.parse(words)] == [
        "repository:team/app:pull,push",
        "registry:catalog:*",
        "repository:host:5000/x:pull",
    ]
    assert scopes.parse([]) == []
    for bad in (
        "repository",
        "repository:app",
        "Repository:a:pull",
        "repository:a:pull;push",
        'repository:a"b:pull',
        "::",
    ):
        with pytest.raises(ValueError, match="malformed"):
            scopes.parse([bad])
    with pytest.raises(ValueError, match="more than"):
        scopes.parse(["repository:a:pull"] * 101)
    junk: list[Any] = [
        None,
        1,
        {},
        {"type": "repository", "name": "a", "actions": "pull"},
        {"type": [], "name": "a", "actions": []},
    ]
    assert not scopes.from_claim(junk) and not scopes.from_claim("x") and not scopes.from_claim(None)
