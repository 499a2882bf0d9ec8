"""Every verifier against the one suite: each algorithm, each source of keys, and the tokens of dev."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest

from hereabouts.auth.config import AuthConfig
from hereabouts.auth.tokens import DevVerifier, Verifier, jwt_verifier
from hereabouts.testing.issuer import SECRET, Issuer, jwks
from hereabouts.testing.verifier_contract import VerifierContract

NOW = 1_800_000_000
KEY_URL = "https://id.example/keys"


def wall() -> float:
    return float(NOW)


class JwtContract(VerifierContract):
    """What the JWT verifiers share: `issuer` is trusted, `stranger` has a key of the same kind that is not."""

    issuer: Issuer
    stranger: Issuer

    def claims(self, user_id: str = "ada", role: str | None = None) -> dict[str, object]:
        return {
            "sub": user_id,
            "role": role,
            "exp": NOW + 60,
            "iss": "https://id.example",
            "aud": ["hereabouts", "other"],
        }

    def token(self, user_id: str, role: str | None = None) -> str:
        return self.issuer.sign(self.claims(user_id, role))

    def forged(self) -> Iterable[str]:
        good = self.token("ada")
        header, payload, signature = good.split(".")
        other = self.issuer.sign(self.claims("eve")).split(".")
        yield self.stranger.sign(self.claims())
        yield f"{header}.{other[1]}.{signature}"
        yield f"{header}.{payload}.{other[2]}"
        yield f"{header}.{payload}."
        yield f"{header}..{signature}"
        yield f"{header}.{payload}.{signature}="
        yield f"{good}.{signature}"
        yield self.issuer.sign(self.claims(), alg="none")
        yield self.issuer.sign(self.claims(), alg="none").rpartition(".")[0] + "."
        for algorithm in ("HS384", "HS512", "RS512", "PS256", "ES384", "ES256K", "Ed448", "None", "", "hs256"):
            yield self.issuer.sign(self.claims(), alg=algorithm)
        yield self.issuer.sign(self.claims() | {"exp": NOW - 1})
        yield self.issuer.sign({"sub": "ada"})


class TestSecret(JwtContract):
    issuer = Issuer("HS256", kid=None)
    stranger = Issuer("HS256", kid=None, secret=SECRET[::-1])

    def verifier(self) -> Verifier:
        return jwt_verifier(AuthConfig(secret=SECRET), wall)


class JwksContract(JwtContract):
    def config(self, *, jwks_file: str | None = None, jwks_url: str | None = None) -> AuthConfig:
        return AuthConfig(
            algorithms=("ES256", "EdDSA", "RS256"),
            jwks_file=jwks_file,
            jwks_url=jwks_url,
            issuer="https://id.example",
            audience="hereabouts",
        )

    def forged(self) -> Iterable[str]:
        yield from super().forged()
        public = self.issuer.public_jwk()
        # The public key as it is published must never do as an HMAC secret.
        for text in (str(public.get("n") or public["x"]), self.issuer.key.as_dict(private=False)["kty"] * 16):
            yield Issuer("HS256", kid=self.issuer.kid, secret=str(text)).sign(self.claims())
        yield self.stranger.sign(self.claims(), jwk=self.stranger.public_jwk())
        yield self.stranger.sign(self.claims(), jku=KEY_URL, kid="k2")
        yield self.issuer.sign(self.claims(), kid="../../etc/passwd")
        yield self.issuer.sign(self.claims(), kid="k1' OR '1'='1")
        yield self.issuer.sign(self.claims() | {"iss": "https://id.example/"})
        yield self.issuer.sign(self.claims() | {"aud": "hereabouts2"})


class KeyFileContract(JwksContract):
    @pytest.fixture(autouse=True)
    def _key_file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "keys.json"
        self.path.write_bytes(jwks(self.issuer.public_jwk()))

    def verifier(self) -> Verifier:
        return jwt_verifier(self.config(jwks_file=str(self.path)), wall)


class TestKeyFileES256(KeyFileContract):
    issuer, stranger = Issuer("ES256"), Issuer("ES256")


class TestKeyFileEdDSA(KeyFileContract):
    issuer, stranger = Issuer("EdDSA"), Issuer("EdDSA")


class TestKeyFileRS256(KeyFileContract):
    issuer, stranger = Issuer("RS256"), Issuer("RS256")


class TestKeyUrl(JwksContract):
    issuer, stranger = Issuer("ES256"), Issuer("ES256")

    def verifier(self) -> Verifier:
        text = jwks(self.issuer.public_jwk())
        keys = httpx.MockTransport(lambda request: httpx.Response(200, stream=httpx.ByteStream(text)))
        return jwt_verifier(self.config(jwks_url=KEY_URL), wall, transport=keys)


class TestDev(VerifierContract):
    def verifier(self) -> Verifier:
        return DevVerifier(wall)

    def token(self, user_id: str, role: str | None = None) -> str:
        return f"dev:{user_id}" if role is None else f"dev:{user_id}:{role}"

    def forged(self) -> Iterable[str]:
        yield Issuer("HS256", kid=None).sign({"sub": "ada", "exp": NOW + 60})


class TestDevBesideSecret(TestSecret):
    def verifier(self) -> Verifier:
        return DevVerifier(wall, otherwise=super().verifier())
