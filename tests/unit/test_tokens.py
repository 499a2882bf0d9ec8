"""JWTs against the checklist of RFC 8725, and the tokens of dev. The shared behaviour is in the contract suite."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from hereabouts.auth.config import AuthConfig
from hereabouts.auth.tokens import EVERYTHING, DevVerifier, JwtVerifier, jwt_verifier
from hereabouts.engine.identity import Identity
from hereabouts.errors import Refusal
from hereabouts.testing.issuer import SECRET, Issuer, jwks
from hereabouts.testing.verifier_contract import taken_or_refused

NOW = 1_800_000_000
CLAIMS: dict[str, Any] = {"sub": "ada", "exp": NOW + 60, "iss": "idp", "aud": "here"}

HMAC = Issuer("HS256", kid=None)
RSA = Issuer("RS256", kid="rsa")
EC = Issuer("ES256", kid="ec")
ED = Issuer("EdDSA", kid="ed")


def wall() -> float:
    return float(NOW)


@pytest.fixture
def by_secret() -> JwtVerifier:
    return jwt_verifier(AuthConfig(secret=SECRET), wall)


@pytest.fixture
def by_keys(tmp_path: Path) -> JwtVerifier:
    return key_file(tmp_path, *(issuer.public_jwk() for issuer in (RSA, EC, ED)))


def key_file(folder: Path, *members: dict[str, Any]) -> JwtVerifier:
    path = folder / "keys.json"
    path.write_bytes(jwks(*members))
    config = AuthConfig(algorithms=("RS256", "ES256", "EdDSA"), jwks_file=str(path), issuer="idp", audience="here")
    return jwt_verifier(config, wall)


async def refusal_of(verifier: JwtVerifier | DevVerifier, token: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await verifier.verify(token)
    return caught.value


async def test_each_algorithm_has_its_key(by_keys: JwtVerifier) -> None:
    for issuer in (RSA, EC, ED):
        assert (await by_keys.verify(issuer.sign(CLAIMS))).user_id == "ada"


async def test_no_signature_is_no_token(by_secret: JwtVerifier, by_keys: JwtVerifier) -> None:
    payload = HMAC.sign(CLAIMS).split(".")[1]
    for name in ("none", "None", "NONE", "nOnE", ""):
        header = urlsafe_b64encode(json.dumps({"alg": name}).encode()).rstrip(b"=").decode()
        token = f"{header}.{payload}."
        for verifier in (by_secret, by_keys):
            assert "alg" in (await refusal_of(verifier, token)).message


async def test_a_public_key_is_never_a_secret(by_keys: JwtVerifier) -> None:
    """The classic confusion: an RS256 server is given HS256, keyed with its own published key."""
    assert isinstance(RSA.key, RSAKey)
    for secret in (RSA.key.as_pem(private=False), RSA.key.as_der(private=False), jwks(RSA.public_jwk())):
        forger = Issuer("HS256", kid="rsa")
        forger.key = type(HMAC.key)(secret, secret, None)  # type: ignore[arg-type]
        refusal = await refusal_of(by_keys, forger.sign(CLAIMS))
        assert "this server takes RS256, ES256, EdDSA" in refusal.message


async def test_a_kid_leads_to_no_key_of_another_family(by_keys: JwtVerifier) -> None:
    for signer, other in ((EC, RSA), (RSA, ED), (ED, EC)):
        assert "no" in (await refusal_of(by_keys, signer.sign(CLAIMS, kid=other.kid))).message
        # The header lies about the algorithm so that key and kid fit.
        refusal = await refusal_of(by_keys, signer.sign(CLAIMS, kid=other.kid, alg=other.algorithm))
        assert "signature" in refusal.message


async def test_an_algorithm_that_is_not_configured_is_refused_although_its_key_is_there(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(jwks(RSA.public_jwk(), EC.public_jwk()))
    config = AuthConfig(algorithms=("ES256",), jwks_file=str(path), issuer="idp", audience="here")
    verifier = jwt_verifier(config, wall)
    assert (await verifier.verify(EC.sign(CLAIMS))).user_id == "ada"
    assert "RS256" in (await refusal_of(verifier, RSA.sign(CLAIMS))).message


@pytest.mark.parametrize("kid", ["", "RSA", "rsa ", "/dev/null", "../keys.json", "' OR 1=1 --", "x" * 3000, "é"])
async def test_an_unknown_kid_is_refused(by_keys: JwtVerifier, kid: str) -> None:
    assert (await refusal_of(by_keys, RSA.sign(CLAIMS, kid=kid))).code == "unauthenticated"


async def test_without_a_kid_there_must_be_one_key_to_choose(tmp_path: Path) -> None:
    other = Issuer("ES256", kid="ec2")
    alone = key_file(tmp_path, EC.public_jwk(), RSA.public_jwk())
    assert (await alone.verify(EC.sign(CLAIMS, kid=None))).user_id == "ada"
    two = key_file(tmp_path, EC.public_jwk(), other.public_jwk())
    assert "names no kid" in (await refusal_of(two, EC.sign(CLAIMS, kid=None))).message


async def test_keys_that_come_with_the_token_are_ignored(by_keys: JwtVerifier) -> None:
    """`jwk`, `jku`, `x5u` and `x5c` neither help a forger nor hurt an honest token."""
    stranger = Issuer("RS256", kid="rsa")
    brought = {"jwk": stranger.public_jwk(), "jku": "https://evil.example/keys", "x5u": "https://evil.example/c"}
    assert "signature" in (await refusal_of(by_keys, stranger.sign(CLAIMS, **brought))).message
    assert (await by_keys.verify(RSA.sign(CLAIMS, **brought, x5c=["AAAA"], made_up=1))).user_id == "ada"


@pytest.mark.parametrize("crit", [["b64"], ["exp"], ["alg"], [], None, "x", {}, ["http://x/unknown"]])
async def test_critical_extensions_are_refused(by_secret: JwtVerifier, crit: Any) -> None:
    for more in ({}, {"b64": False}, {"b64": True}, {"exp": 1}, {"http://x/unknown": 1}):
        fields = {"alg": "HS256", "crit": crit} | more
        token = HMAC.sign_raw(json.dumps(fields).encode(), b'{"sub":"ada","exp":1800000060}')
        assert (await refusal_of(by_secret, token)).code == "unauthenticated"


async def test_unencoded_payloads_are_refused(by_secret: JwtVerifier) -> None:
    assert (await refusal_of(by_secret, HMAC.sign(CLAIMS, b64=False))).code == "unauthenticated"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"alg":5}',
        b'{"alg":["HS256"]}',
        b'{"alg":null}',
        b'{"alg":"HS256","alg":"HS256"}',
        b'{"alg":"none","alg":"HS256"}',
        b'{"alg":"HS256","kid":5}',
        b'{"alg":"HS256","typ":5}',
        b'{"alg":"HS256","typ":"dpop+jwt"}',
        b'{"alg":"HS256","typ":"JWE"}',
        b'{"alg":"HS256","x":' + b"[" * 3000 + b"]" * 3000 + b"}",
        b'{"alg":"HS256","x":' + b"1" * 5000 + b"}",
        b'{"alg":"HS256","x":NaN}',
    ],
)
async def test_bad_headers_are_refused_although_they_are_signed(by_secret: JwtVerifier, header: bytes) -> None:
    token = HMAC.sign_raw(header, b'{"sub":"ada","exp":1800000060}')
    assert (await refusal_of(by_secret, token)).code == "unauthenticated"


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "at+jwt", "application/at+jwt"])
async def test_types_that_are_user_tokens(by_secret: JwtVerifier, typ: str | None) -> None:
    assert (await by_secret.verify(HMAC.sign(CLAIMS, typ=typ))).user_id == "ada"


async def test_only_strict_base64url_is_read(by_secret: JwtVerifier) -> None:
    header, payload, signature = HMAC.sign(CLAIMS).split(".")
    for bad in (
        f"{header}=.{payload}.{signature}",
        f"{header}.{payload}==.{signature}",
        f"{header}.{payload}.{signature}=",
        f"{header}.{payload}.{signature[:-1]}",
        f"{header}.{payload}.{signature}A",
        f"{header}.{payload} .{signature}",
        f"{header}\n.{payload}.{signature}",
        f"{header}.{payload}.{signature}\n",
        f"+{header}.{payload}.{signature}",
        f"{header}.{payload}/.{signature}",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature}.",
        f".{header}.{payload}.{signature}",
        f"{header}.x.{payload}.x.{signature}",
    ):
        assert (await refusal_of(by_secret, bad)).code == "unauthenticated", bad


async def test_size_is_judged_before_anything_is_decoded(by_secret: JwtVerifier) -> None:
    fits = HMAC.sign(CLAIMS | {"padding": "x" * 12_000})
    assert len(fits) <= 16 * 1024
    assert (await by_secret.verify(fits)).user_id == "ada"
    refusal = await refusal_of(by_secret, HMAC.sign(CLAIMS | {"padding": "x" * 13_000}))
    assert (refusal.code, refusal.limit) == ("unauthenticated", "token_bytes")


async def test_a_bad_signature_says_nothing_of_expiry(by_secret: JwtVerifier) -> None:
    expired = CLAIMS | {"exp": NOW - 1}
    assert (await refusal_of(by_secret, HMAC.sign(expired))).code == "token_expired"
    stranger = Issuer("HS256", kid=None, secret=SECRET[::-1])
    assert (await refusal_of(by_secret, stranger.sign(expired))).code == "unauthenticated"


async def test_a_secret_can_be_replaced_while_its_tokens_live() -> None:
    old = Issuer("HS256", kid=None, secret="the older secret, also of more than 32 bytes")
    config = AuthConfig(secret=SECRET, previous_secret="the older secret, also of more than 32 bytes")
    verifier = jwt_verifier(config, wall)
    for issuer in (HMAC, old):
        assert (await verifier.verify(issuer.sign(CLAIMS, kid="any"))).user_id == "ada"
    only_new = jwt_verifier(AuthConfig(secret=SECRET), wall)
    assert "signature" in (await refusal_of(only_new, old.sign(CLAIMS))).message


async def test_the_clock_is_the_one_that_was_given() -> None:
    now = [NOW + 0.0]
    verifier = jwt_verifier(AuthConfig(secret=SECRET), lambda: now[0])
    token = HMAC.sign(CLAIMS)
    assert (await verifier.verify(token)).user_id == "ada"
    now[0] += 60
    assert (await refusal_of(verifier, token)).code == "token_expired"
    now[0] -= 3600
    assert (await verifier.verify(token)).user_id == "ada"


@given(token=st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}"))
async def test_any_text_is_refused(token: str) -> None:
    assert await taken_or_refused(jwt_verifier(AuthConfig(secret=SECRET), wall), token) is None


@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "cty"]),
        st.none() | st.integers() | st.text() | st.lists(st.text(), max_size=2) | st.sampled_from(["HS256", "JWT"]),
    ),
    payload=st.binary(max_size=60),
)
async def test_any_signed_header_and_payload_are_refused_or_good(header: dict[str, Any], payload: bytes) -> None:
    verifier = jwt_verifier(AuthConfig(secret=SECRET), wall)
    for fields in (header, {"alg": "HS256"} | header):
        text = json.dumps(fields).encode()
        await taken_or_refused(verifier, HMAC.sign_raw(text, payload))
        await taken_or_refused(verifier, HMAC.sign_raw(text, b'{"sub":"ada","exp":1800000060}'))


async def test_dev_tokens_grant_everything() -> None:
    verifier = DevVerifier(wall)
    assert await verifier.verify("dev:ada") == Identity("default", "ada", grants=EVERYTHING, issued_at=NOW * 1000)
    admin = await verifier.verify("dev:ada:admin")
    assert (admin.user_id, admin.role, admin.expires_at) == ("ada", "admin", None)
    assert admin.grants.may("join", "any:room")
    assert admin.grants.may_watch_user("anybody")


async def test_dev_leaves_other_tokens_to_another_verifier(by_secret: JwtVerifier) -> None:
    both = DevVerifier(wall, otherwise=by_secret)
    assert (await both.verify(HMAC.sign(CLAIMS))).user_id == "ada"
    assert (await both.verify("dev:eve")).user_id == "eve"
    assert "this server takes" not in (await refusal_of(DevVerifier(wall), HMAC.sign(CLAIMS))).message


async def test_a_dev_token_is_nothing_to_a_jwt_verifier(by_secret: JwtVerifier) -> None:
    refusal = await refusal_of(by_secret, "dev:ada:admin")
    assert (refusal.code, refusal.message.rpartition("; ")[2]) == (
        "unauthenticated",
        "dev tokens are for `hereabouts dev`",
    )
