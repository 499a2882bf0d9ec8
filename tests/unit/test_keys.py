"""Which keys of a JWKS are taken, for which algorithm, and which secrets are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey

from hereabouts.auth.keys import FixedKeys, VerifyingKey, file_keys, import_secret, read_key_set, secret_keys
from hereabouts.errors import ConfigError
from hereabouts.testing.issuer import Issuer, jwks

ALL = ("RS256", "ES256", "EdDSA")
RSA, EC, ED = Issuer("RS256", kid="r"), Issuer("ES256", kid="e"), Issuer("EdDSA", kid="d")


def short_rsa() -> dict[str, Any]:
    return {"kty": "RSA", "n": "w" * 171 + "x", "e": "AQAB", "kid": "short"}


def reason(*members: Any, algorithms: tuple[str, ...] = ALL) -> str:
    with pytest.raises(ConfigError) as caught:
        read_key_set(msgspec.json.encode({"keys": members}), algorithms)
    return str(caught.value)


def test_each_key_has_the_algorithm_of_its_shape() -> None:
    keys = read_key_set(jwks(RSA.public_jwk(), EC.public_jwk(), ED.public_jwk()), ALL)
    assert [(key.kid, key.algorithm) for key in keys] == [("r", "RS256"), ("e", "ES256"), ("d", "EdDSA")]


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ({"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U", "alg": "HS256"}, "no kind of public key"),
        ({"kty": "oct", "k": "c2VjcmV0", "alg": "RS256"}, "no kind of public key"),
        ({"kty": "new"}, "no kind of public key"),
        ({"kty": ["RSA"]}, "cannot be read"),
        ({}, "no kind of public key"),
        (RSA.public_jwk(use="enc"), "not for signatures"),
        (RSA.public_jwk(key_ops=["encrypt"]), "not for signatures"),
        (RSA.public_jwk(key_ops="verify"), "not for signatures"),
        (RSA.public_jwk(alg="PS256"), "is for 'PS256'"),
        (RSA.public_jwk(alg="HS256"), "is for 'HS256'"),
        (RSA.public_jwk(alg=None), "is for None"),
        (RSA.public_jwk(kid=5), "kid that is not text"),
        (RSA.public_jwk(n="!!"), "cannot be read"),
        (RSA.public_jwk(n=5), "cannot be read"),
        (short_rsa(), "an RSA key of 1032 bits; at least 2048"),
        ({"kty": "RSA", "e": "AQAB"}, "cannot be read"),
        (EC.public_jwk(x="AAAA"), "cannot be read"),
        (EC.public_jwk(crv="P-999"), "cannot be read"),
        (ED.public_jwk(crv="X25519"), "cannot be read"),
        (ED.public_jwk(x="AAAA"), "cannot be read"),
        (dict(ECKey.generate_key("P-384").as_dict(private=False)), "P-256"),
        (dict(OKPKey.generate_key("Ed448").as_dict(private=False)), "Ed25519"),
        ("key", "not an object"),
    ],
)
def test_keys_that_are_left_out(member: Any, why: str) -> None:
    assert why in reason(member)
    assert len(read_key_set(msgspec.json.encode({"keys": [member, EC.public_jwk(kid="good")]}), ALL)) == 1


def test_algorithms_that_are_not_configured_have_no_keys() -> None:
    assert "is for RS256" in reason(RSA.public_jwk(), algorithms=("ES256",))


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b"{}", b'{"keys":{}}', b'{"keys":null}', b'{"keys":[]}', b'{"keys":[],"keys":[]}', b"\xff"],
)
def test_what_is_no_key_set(text: bytes) -> None:
    with pytest.raises(ConfigError):
        read_key_set(text, ALL)


def test_the_choice_between_keys_is_never_chance() -> None:
    assert "have the kid 'e'" in reason(EC.public_jwk(), Issuer("ES256", kid="e").public_jwk())
    assert len(read_key_set(jwks(EC.public_jwk(kid="same"), RSA.public_jwk(kid="same")), ALL)) == 2


def test_a_private_key_in_the_set_serves_by_its_public_half() -> None:
    private = {**EC.key.as_dict(private=True), "key_ops": ["sign"]}
    (key,) = read_key_set(jwks(private), ALL)
    assert not key.key.is_private


def test_a_key_is_found_by_kid_and_algorithm() -> None:
    keys = FixedKeys(read_key_set(jwks(RSA.public_jwk(), EC.public_jwk()), ALL))
    assert len(keys.find("r", "RS256")) == 1
    assert len(keys.find(None, "RS256")) == 1
    for kid, algorithm in (("r", "ES256"), ("r", "HS256"), ("x", "RS256"), (None, "HS256"), (None, "EdDSA")):
        assert keys.find(kid, algorithm) == ()


def test_a_key_without_kid_serves_only_tokens_without_one() -> None:
    nameless = Issuer("EdDSA", kid=None)
    keys = FixedKeys(read_key_set(jwks(nameless.public_jwk(), EC.public_jwk()), ALL))
    assert len(keys.find(None, "EdDSA")) == 1
    assert keys.find("d", "EdDSA") == ()


def test_secrets_serve_hs256_alone_whatever_kid_is_named() -> None:
    keys = secret_keys("a" * 32, "b" * 32)
    assert len(keys.find(None, "HS256")) == len(keys.find("any", "HS256")) == 2
    assert keys.find(None, "RS256") == ()


async def test_fixed_keys_have_nothing_newer() -> None:
    keys = FixedKeys([VerifyingKey("r", "RS256", RSA.key)])
    assert not await keys.renew()
    assert keys.health().is_ok
    assert not FixedKeys(()).health().is_ok


def test_a_public_key_is_no_secret() -> None:
    assert not isinstance(RSA.key, str)
    for text in (RSA.key.as_pem(private=False).decode(), EC.key.as_pem(private=True).decode(), ""):  # type: ignore[union-attr]
        with pytest.raises(ConfigError):
            import_secret(text)


def test_a_key_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    for text in (None, b"", b"{", jwks(), jwks(short_rsa())):
        if text is not None:
            path.write_bytes(text)
        with pytest.raises(ConfigError, match=r"auth\.jwks_file .*keys\.json"):
            file_keys(str(path), ALL)
    path.write_bytes(jwks(EC.public_jwk()))
    assert file_keys(str(path), ALL).health().keys == 1


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops", "d"]),
            st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "AQAB", "sig", "RS256"])
            | st.text()
            | st.none()
            | st.integers(-1, 5)
            | st.lists(st.text(), max_size=2),
        )
        | st.text(),
        max_size=3,
    )
)
def test_any_key_set_is_read_or_refused(members: list[Any]) -> None:
    try:
        assert read_key_set(msgspec.json.encode({"keys": members}), ALL)
    except ConfigError:
        pass
