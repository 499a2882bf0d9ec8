"""Minted tokens: good where they are meant to be, and impossible where no verifier would take them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from hereabouts.auth.api_keys import ApiKey
from hereabouts.auth.config import AuthConfig
from hereabouts.auth.minting import LONGEST_SECONDS, TokenRequest, minter, permitted, read_signing_key
from hereabouts.auth.tokens import jwt_verifier
from hereabouts.engine.identity import Grants
from hereabouts.errors import ConfigError, Refusal
from hereabouts.testing.issuer import SECRET, Issuer, jwks

NOW = 1_800_000_000
CONFIG = AuthConfig(secret=SECRET)


def wall() -> float:
    return NOW + 0.75


def refusal_of(**wrong: Any) -> Refusal:
    made = minter(CONFIG, wall)
    assert made is not None
    with pytest.raises(Refusal) as caught:
        made.mint(TokenRequest(**({"user_id": "ada"} | wrong)))
    return caught.value


async def test_what_is_asked_for_comes_back() -> None:
    made = minter(CONFIG, wall)
    assert made is not None
    token, expires_at = made.mint(
        TokenRequest(
            user_id="ada",
            name="Ada",
            role="agent",
            info={"team": 7},
            rooms={"doc:*": ("join", "watch")},
            watch=("bob",),
            tenant="acme",
            expires_in_seconds=90,
            jti="t1",
            region="eu",
        )
    )
    identity = await jwt_verifier(CONFIG, wall).verify(token)
    assert (identity.tenant, identity.user_id, identity.name, identity.role) == ("acme", "ada", "Ada", "agent")
    assert identity.grants == Grants({"doc:*": ("join", "watch")}, ("bob",), is_watch_claimed=True)
    assert identity.expires_at == expires_at == (NOW + 90) * 1000
    assert (identity.issued_at, identity.token_id, identity.region) == (NOW * 1000, "t1", "eu")
    assert identity.info is not None
    assert json.loads(bytes(identity.info)) == {"team": 7}


async def test_what_is_left_out_is_left_to_the_server() -> None:
    config = AuthConfig(secret=SECRET, default_grants=Grants(watch=("*",)))
    made = minter(config, wall)
    assert made is not None
    identity = await jwt_verifier(config, wall).verify(made.mint(TokenRequest(user_id="ada")).token)
    assert identity.grants == config.default_grants
    assert (identity.tenant, identity.name, identity.role, identity.info) == ("default", None, None, None)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"user_id": ""}, "sub"),
        ({"user_id": "a b"}, "sub"),
        ({"user_id": "\ud800"}, "cannot be written"),
        ({"info": {"a": object()}}, "cannot be written"),
        ({"name": "x" * 201}, "name"),
        ({"role": ""}, "role"),
        ({"tenant": "a\nb"}, "tenant"),
        ({"info": {"a": "x" * 1024}}, "info"),
        ({"info": {"a": 2**60}}, "2^53"),
        ({"rooms": {"a b": ("join",)}}, "rooms"),
        ({"rooms": {"a": ("own",)}}, "rooms"),
        ({"watch": ("",)}, "watch"),
        ({"jti": "x" * 201}, "jti"),
        ({"expires_in_seconds": 0}, "expires_in_seconds"),
        ({"expires_in_seconds": -1}, "expires_in_seconds"),
        ({"expires_in_seconds": LONGEST_SECONDS + 1}, "expires_in_seconds"),
        ({"watch": tuple(f"user-{n}" for n in range(2000))}, "the token would be"),
    ],
)
def test_what_no_verifier_would_take_is_not_minted(wrong: dict[str, Any], word: str) -> None:
    refusal = refusal_of(**wrong)
    assert refusal.code == "bad_request"
    assert word in refusal.message


def test_a_request_is_also_a_body() -> None:
    body = b'{"user_id":"ada","rooms":{"a":["join"]},"expires_in_seconds":5,"later":1}'
    request = msgspec.json.decode(body, type=TokenRequest)
    assert request == TokenRequest(user_id="ada", rooms={"a": ("join",)}, expires_in_seconds=5)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("form", ["pem", "jwk"])
async def test_a_private_key_file_signs_what_its_jwks_verifies(tmp_path: Path, algorithm: str, form: str) -> None:
    issuer = Issuer(algorithm)
    assert not isinstance(issuer.key, OctKey)
    private, public = tmp_path / "private", tmp_path / "public"
    text = issuer.key.as_pem(private=True)
    private.write_bytes(text if form == "pem" else msgspec.json.encode(issuer.key.as_dict(private=True)))
    public.write_bytes(jwks(issuer.public_jwk()))
    config = AuthConfig(
        algorithms=(algorithm,),
        jwks_file=str(public),
        signing_key_file=str(private),
        signing_key_id="k1",
        issuer="us",
        audience="here",
    )
    made = minter(config, wall)
    assert made is not None
    assert (await jwt_verifier(config, wall).verify(made.mint(TokenRequest(user_id="ada")).token)).user_id == "ada"


def test_without_anything_to_sign_with_there_is_no_minter() -> None:
    config = AuthConfig(algorithms=("ES256",), jwks_url="https://id.example/k", issuer="i", audience="a")
    assert minter(config, wall) is None


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_key_files_that_cannot_sign_are_refused_without_being_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    ec = ECKey.generate_key("P-256")
    texts = [
        b"",
        b"secret nonsense",
        b"{",
        b"{}",
        b'{"kty":"EC"}',
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ec.as_pem(private=False),
        msgspec.json.encode(ec.as_dict(private=False)),
        ec.as_pem(private=True, password="locked"),
        msgspec.json.encode(ec.as_dict(private=True) | {"use": "enc"}),
        msgspec.json.encode(OctKey.generate_key(256).as_dict()),
        RSAKey.generate_key(1024).as_pem(private=True),
        ECKey.generate_key("P-384").as_pem(private=True),
        OKPKey.generate_key("X25519").as_pem(private=True),
    ]
    with pytest.raises(ConfigError, match="cannot be read"):
        read_signing_key(str(path))
    for text in texts:
        path.write_bytes(text)
        with pytest.raises(ConfigError) as caught:
            read_signing_key(str(path))
        assert "signing_key_file" in str(caught.value)
        assert "nonsense" not in str(caught.value)


def test_a_signing_key_must_be_of_a_configured_algorithm(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    with pytest.raises(ConfigError, match=r"ES256, which auth\.algorithms does not have"):
        minter(AuthConfig(algorithms=("RS256",), signing_key_file=str(path)), wall)


def key(*scopes: str, tenant: str = "acme") -> ApiKey:
    return ApiKey("k", frozenset(scopes), tenant)


def test_minting_needs_its_scope_and_stays_in_the_tenant() -> None:
    request = TokenRequest(user_id="ada", role="agent")
    assert permitted(request, key("tokens"), ("admin",)).tenant == "acme"
    assert permitted(TokenRequest(user_id="ada", tenant="acme"), key("tokens"), ()).tenant == "acme"
    for caller in (key("read", "write"), key("admin")):
        with pytest.raises(Refusal, match="forbidden"):
            permitted(request, caller, ("admin",))
    with pytest.raises(Refusal, match="another"):
        permitted(TokenRequest(user_id="ada", tenant="umbrella"), key("tokens", "admin"), ())


def test_minting_an_admin_needs_the_scope_admin() -> None:
    request = TokenRequest(user_id="ada", role="root")
    with pytest.raises(Refusal, match="'admin'"):
        permitted(request, key("tokens", "admin:read"), ("admin", "root"))
    assert permitted(request, key("tokens", "admin"), ("admin", "root")).role == "root"
