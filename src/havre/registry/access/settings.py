"""What the operator says about access."""

import ipaddress
from dataclasses import dataclass

from havre.errors import InvalidParameter
from havre.registry.settings import setting

MODES = ("none", "basic", "token", "external")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """``auth`` "" means token with a ``htpasswd``, else none."""

    auth: str = setting(
        "",
        "none, basic, token (this registry's own token server), external (another token server); default: token with "
        "--htpasswd, else none",
        "MODE",
    )
    htpasswd: str = setting("", "users and their passwords, as htpasswd -B writes them; read again on change", "FILE")
    access: str = setting("", "rules: who may do what where (TOML or JSON); read again on change", "FILE")
    anonymous_read: bool = setting(False, "let everybody pull everything")
    insecure_open: bool = setting(False, "serve without any authentication on an address that others reach")
    token_service: str = setting("havre-registry", "what tokens are for: their audience", "NAME")
    token_realm: str = setting("", "where clients get tokens (external)", "URL")
    token_issuer: str = setting("", "who issues tokens: their iss (external)", "NAME")
    token_certs: str = setting("", "certificates whose keys, or issuers of keys, sign tokens (external)", "FILE")
    token_jwks: str = setting("", "keys that sign tokens, as a JWK set (external)", "FILE")
    client_ca: str = setting("", "let in only clients with a certificate of this authority (needs TLS)", "FILE")
    public_url: str = setting("", "what clients call the registry, if not what their requests say", "URL")
    trusted_proxy: tuple[str, ...] = setting((), "believe the X-Forwarded headers of these; repeatable", "NETWORK")
    rate_limit: str = setting("", "most requests for each identity or address, as in 600/1m", "RATE")
    pull_limit: str = setting("", "most pulls of images for each identity or address, as in 100/6h", "RATE")

    @property
    def mode(self) -> str:
        """Which of ``MODES`` it is."""
        return self.auth or ("token" if self.htpasswd else "none")

    def check(self, host: str, *, tls: bool) -> None:
        """InvalidParameter for what makes no sense together, or would open the registry ``host`` unintended."""
        if self.mode not in MODES:
            raise InvalidParameter(f"invalid auth {self.auth!r}: must be one of {', '.join(MODES)}")
        if self.mode == "none" and (self.htpasswd or self.anonymous_read):
            raise InvalidParameter("auth none asks nobody who they are: htpasswd and anonymous-read mean nothing then")
        if self.mode == "basic" and self.anonymous_read:
            raise InvalidParameter(
                "docker asks a registry that wants Basic authorization for nothing without a password: anonymous-read "
                "needs auth token"
            )
        external = {
            "token-realm": self.token_realm,
            "token-issuer": self.token_issuer,
            "token-certs or token-jwks": self.token_certs or self.token_jwks,
        }
        for name, value in external.items():
            if self.mode == "external" and not value:
                raise InvalidParameter(f"auth external needs {name}")
            if self.mode != "external" and value:
                raise InvalidParameter(f"{name} is for auth external")
        if self.mode in ("none", "basic") and self.token_service != AccessSettings().token_service:
            raise InvalidParameter("token-service is for auth token and external")
        if self.mode == "external" and (self.htpasswd or self.access or self.anonymous_read):
            raise InvalidParameter(
                "with auth external the token server alone decides: no htpasswd, access, anonymous-read"
            )
        if '"' in self.token_service + self.token_realm or "\n" in self.token_service + self.token_realm:
            raise InvalidParameter("token-service and token-realm go into a header: no quotes or line breaks")
        if self.client_ca and not tls:
            raise InvalidParameter("client-ca needs tls-cert and tls-key")
        self._check_open(host)

    def _check_open(self, host: str) -> None:
        guarded = self.mode != "none" or self.client_ca
        if not guarded and not self.insecure_open and not _is_loopback(host):
            raise InvalidParameter(
                f"whoever reaches {host or 'this machine'} could read and change everything: set htpasswd (or auth, or "
                "client-ca), or say insecure-open if that is meant"
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
