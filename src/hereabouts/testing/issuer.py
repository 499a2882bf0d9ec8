"""An issuer of tokens for tests: it has a key, shows the public half, and signs whatever it is given, good or not."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any, Final

import msgspec
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

SECRET: Final = "a secret for tests, of more than thirty-two bytes"


class Issuer:
    """Signs with one algorithm. `secret` is for HS256; every other algorithm gets a new key."""

    def __init__(self, algorithm: str, kid: str | None = "k1", *, secret: str = SECRET) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.key = _new_key(algorithm, secret)

    def public_jwk(self, **more: Any) -> dict[str, Any]:
        """The public half as a member of a JWKS, with `more` over it."""
        jwk: dict[str, Any] = {**self.key.as_dict(private=False)}
        if self.kid is not None:
            jwk["kid"] = self.kid
        return jwk | more

    def sign(self, claims: dict[str, Any] | bytes, **header: Any) -> str:
        """A token of these claims; `header` goes over `alg`, `typ` and `kid`, and `None` takes a field out."""
        fields = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid} | header
        kept = {field: value for field, value in fields.items() if value is not None}
        return self.sign_raw(
            msgspec.json.encode(kept), claims if isinstance(claims, bytes) else msgspec.json.encode(claims)
        )

    def sign_raw(self, header: bytes, payload: bytes) -> str:
        """A token of these very bytes, well signed."""
        signed = _base64(header) + b"." + _base64(payload)
        signature = JWSRegistry.algorithms[self.algorithm].sign(signed, self.key)
        return (signed + b"." + _base64(signature)).decode()


def jwks(*members: dict[str, Any]) -> bytes:
    """A JWKS of these keys."""
    return msgspec.json.encode({"keys": members})


def _base64(text: bytes) -> bytes:
    return urlsafe_b64encode(text).rstrip(b"=")


def _new_key(algorithm: str, secret: str) -> Key:
    if algorithm == "HS256":
        return OctKey.import_key(secret)
    if algorithm == "ES256":
        return ECKey.generate_key("P-256")
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519")
    return RSAKey.generate_key(2048)
