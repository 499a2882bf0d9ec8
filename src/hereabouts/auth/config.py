"""What the operator settles about tokens, as plain values, and what of it can never be served."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from hereabouts.auth.claims import Rules, check_grants
from hereabouts.engine.identity import Grants
from hereabouts.errors import ConfigError, Refusal

ALGORITHMS: Final = ("HS256", "ES256", "EdDSA", "RS256")
SECRET_BYTES: Final = 32
"""The shortest secret: as long as the hash (RFC 7518, section 3.2)."""


class AuthConfig(Struct, frozen=True, kw_only=True):
    """Which tokens are good, and what one that does not say it grants.

    Keys come from `secret` (HS256 alone; `previous_secret` still verifies while it is being replaced), from
    `jwks_file` or from `jwks_url`. `signing_key_file` is a private key, PEM or JWK, with which this server itself
    mints tokens where there is no secret.
    """

    algorithms: tuple[str, ...] = ("HS256",)
    secret: str | None = None
    previous_secret: str | None = None
    jwks_file: str | None = None
    jwks_url: str | None = None
    signing_key_file: str | None = None
    signing_key_id: str | None = None
    issuer: str | None = None
    audience: str | None = None
    admin_roles: tuple[str, ...] = ("admin",)
    default_grants: Grants = Grants()
    id_bytes: int = 200
    info_bytes: int = 1024

    @property
    def rules(self) -> Rules:
        """What the claims of a token are measured by."""
        return Rules(
            issuer=self.issuer,
            audience=self.audience,
            default_grants=self.default_grants,
            id_bytes=self.id_bytes,
            info_bytes=self.info_bytes,
        )


def check_config(config: AuthConfig) -> None:
    """Raise `ConfigError` for settings that would let in what must stay out, or that contradict each other."""
    _check_algorithms(config)
    _check_sources(config)
    for key, secret in (("auth.secret", config.secret), ("auth.previous_secret", config.previous_secret)):
        if secret is not None:
            check_secret(key, secret)
    if config.jwks_url is not None:
        check_url(config.jwks_url)
    if config.jwks_url or config.jwks_file:
        _check_named(config)
    try:
        check_grants(config.default_grants, config.id_bytes)
    except Refusal as refusal:
        raise ConfigError(f"auth.default_rooms or auth.default_watch: {refusal.message}") from None


def check_secret(key: str, secret: str) -> None:
    """Raise `ConfigError` unless `secret` may be an HMAC key (RFC 8725, sections 2.2 and 3.5)."""
    if "-----BEGIN" in secret:
        raise ConfigError(f"{key} is a PEM key; HS256 needs random text. Public keys belong in auth.jwks_file")
    size = len(secret.encode("utf-8", "surrogatepass"))
    if size < SECRET_BYTES:
        raise ConfigError(f"{key} is {size} bytes; HS256 needs at least {SECRET_BYTES} random ones")


def check_url(url: str, key: str = "auth.jwks_url") -> None:
    """Raise `ConfigError`, naming the setting `key`, unless `url` is HTTPS, or HTTP on this very machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise ConfigError(f"{key} is {url!r}, which is no URL: {error}") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise ConfigError(f"{key} is {url!r}; it must be https:// (http:// only on a loopback address)")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{key} carries a user name or password, which would be in every log; leave it out")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_algorithms(config: AuthConfig) -> None:
    if not config.algorithms:
        raise ConfigError(f"auth.algorithms is empty; name one or more of {', '.join(ALGORITHMS)}")
    for name in config.algorithms:
        if name not in ALGORITHMS:
            raise ConfigError(f"auth.algorithms has {name!r}; it may have {', '.join(ALGORITHMS)}")


def _check_sources(config: AuthConfig) -> None:
    has_set = bool(config.jwks_file or config.jwks_url)
    if config.jwks_file and config.jwks_url:
        raise ConfigError("auth.jwks_file and auth.jwks_url are both set; keys come from one place")
    if has_set and ("HS256" in config.algorithms or config.secret or config.previous_secret):
        raise ConfigError(
            "HS256 or auth.secret is set together with a JWKS; a public key could then be tried as a secret. "
            'With a JWKS set auth.algorithms to some of "ES256", "EdDSA", "RS256" and leave auth.secret out'
        )
    if has_set:
        return
    if not config.secret:
        raise ConfigError("no key to verify tokens with: set auth.secret, auth.jwks_file or auth.jwks_url")
    if config.algorithms != ("HS256",):
        raise ConfigError(f'auth.secret serves "HS256" alone, and auth.algorithms is {list(config.algorithms)}')


def _check_named(config: AuthConfig) -> None:
    for key, value in (("auth.issuer", config.issuer), ("auth.audience", config.audience)):
        if not value:
            raise ConfigError(
                f"{key} is not set; with a JWKS it must be, or tokens made for another service would be good here"
            )
