"""Single sign-on: what the provider is asked, and which of its answers count."""

import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from pydantic import ValidationError

from serving.accounts import oidc
from serving.errors import Forbidden, ProviderFailed, Unauthenticated
from serving.settings import Settings
from tests.serving.oidc.provider import BACK, CLIENT, SECRET, Provider, by_another_key, encoded, new_key, returned

NONE = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}


def answer_of(ours: oidc.Provider, attempt: oidc.Attempt) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(returned(ours.address(attempt, BACK))).query))


def sign_on(ours: oidc.Provider) -> oidc.Visitor:
    attempt = ours.attempt()
    return ours.redeem(attempt, answer_of(ours, attempt), BACK)


def test_what_the_provider_is_asked(ours: oidc.Provider, provider: Provider) -> None:
    attempt = ours.attempt()
    address = urlsplit(ours.address(attempt, BACK))
    assert address.path == "/authorize"
    asked = dict(parse_qsl(address.query))
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": BACK,
        "scope": "openid profile email",
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": encoded(hashlib.sha256(attempt.verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    assert len({attempt.secret, attempt.state, attempt.nonce, attempt.verifier}) == 4
    assert ours.attempt().secret != attempt.secret
    provider.document = {"authorization_endpoint": f"{provider.issuer}/authorize?tenant=1"}
    assert "authorize?tenant=1&response_type" in oidc.Provider(ours._settings).address(attempt, BACK)


def test_who_comes_back(ours: oidc.Provider, provider: Provider) -> None:
    assert sign_on(ours) == (f"{provider.issuer} 4711", "Ada", "reviewer")
    provider.claims = {"preferred_username": None, "email": "ada@example.com", "roles": "t-and-s"}
    assert sign_on(ours).name == "ada@example.com"
    provider.claims = {
        "preferred_username": 7,
        "aud": [CLIENT, "another"],
        "azp": CLIENT,
        "roles": ["t-and-s", "heads"],
    }
    assert sign_on(ours) == (f"{provider.issuer} 4711", "4711", "qa")
    for answer in provider.issued:
        assert answer.count(".") == 2


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"iss": "https://login.example.com"},
        {"iss": None},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"exp": "never"},
        {"iat": 9_999_999_999},
        {"nbf": 9_999_999_999},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"sub": None},
        {"sub": 4711},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": "a\0b"},
    ],
    ids=str,
)
def test_claims_that_are_refused(ours: oidc.Provider, provider: Provider, claims: dict[str, Any]) -> None:
    provider.claims = claims
    with pytest.raises(Unauthenticated):
        sign_on(ours)
    assert len(provider.issued) == 1


def unsigned(claims: dict[str, Any]) -> str:
    return f"{NONE}.{encoded(json.dumps(claims).encode())}."


def by_the_client_secret(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET), algorithms=["HS256"])


@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        by_the_client_secret,
        by_another_key,
        lambda claims: "not a token",
        lambda claims: f"{unsigned(claims)}AA",
        lambda claims: "a.b.c.d.e",
        lambda claims: "\ud800.\0.",
    ],
)
def test_signatures_that_are_refused(ours: oidc.Provider, provider: Provider, sign: Callable[[Any], str]) -> None:
    provider.sign = sign
    with pytest.raises(Unauthenticated):
        sign_on(ours)
    assert len(provider.issued) == 1


def test_the_public_key_is_no_secret_to_sign_with(ours: oidc.Provider, provider: Provider) -> None:
    public = provider.keys[0].as_pem(private=False)

    def forged(claims: dict[str, Any]) -> str:
        signed = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "first"}, claims))
        return f"{signed}.{encoded(hmac.new(public, signed.encode(), hashlib.sha256).digest())}"

    provider.sign = forged
    with pytest.raises(Unauthenticated):
        sign_on(ours)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS512", lambda: RSAKey.generate_key(2048, {"kid": "k"})),
        ("PS256", lambda: RSAKey.generate_key(2048, {"kid": "k"})),
        ("ES256", lambda: ECKey.generate_key("P-256", {"kid": "k"})),
        ("ES512", lambda: ECKey.generate_key("P-521", {"kid": "k"})),
        ("Ed25519", lambda: OKPKey.generate_key("Ed25519", {"kid": "k"})),
        pytest.param(
            "EdDSA",
            lambda: OKPKey.generate_key("Ed25519", {"kid": "k"}),
            marks=pytest.mark.filterwarnings("ignore:EdDSA is deprecated"),  # as a name, and providers use it
        ),
    ],
)
def test_signatures_that_are_taken(
    ours: oidc.Provider, provider: Provider, algorithm: str, key: Callable[[], Any]
) -> None:
    provider.keys, provider.algorithm = [key()], algorithm
    assert sign_on(ours).name == "Ada"


@pytest.mark.parametrize("kid", ["second", "first"])
def test_keys_rotate(ours: oidc.Provider, provider: Provider, kid: str) -> None:
    sign_on(ours)
    sign_on(ours)
    assert provider.asked.count("/jwks") == 1
    old, provider.keys = provider.keys[0], [new_key(kid)]
    sign_on(ours)
    assert provider.asked.count("/jwks") == 2
    provider.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, old, algorithms=["RS256"])
    with pytest.raises(Unauthenticated):
        sign_on(ours)


def test_a_key_that_was_withdrawn_counts_no_more_in_an_hour(
    ours: oidc.Provider, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_on(ours)
    monkeypatch.setattr(oidc.time, "monotonic", lambda moment=time.monotonic() + oidc.REMEMBERED_SECONDS + 1: moment)
    sign_on(ours)
    assert provider.asked.count("/jwks") == 2


def test_pkce_binds_the_code(ours: oidc.Provider, provider: Provider) -> None:
    stolen, attempt = answer_of(ours, ours.attempt()), ours.attempt()
    with pytest.raises(Unauthenticated):
        ours.redeem(attempt, {"code": stolen["code"], "state": attempt.state}, BACK)
    assert not provider.issued


def test_the_state_binds_the_browser(ours: oidc.Provider, provider: Provider) -> None:
    answer = answer_of(ours, ours.attempt())
    for attempt in (ours.attempt(), ours.attempt("")):
        for state in (answer["state"], "", "\xe4", oidc.Attempt("").state):
            with pytest.raises(Unauthenticated):
                ours.redeem(attempt, {**answer, "state": state}, BACK)
    assert "/token" not in provider.asked


@pytest.mark.parametrize("answer", [{}, {"code": ""}, {"error": "access_denied"}, {"code": "made-up"}, {"code": "\0"}])
def test_answers_that_prove_nothing(ours: oidc.Provider, answer: dict[str, str]) -> None:
    attempt = ours.attempt()
    with pytest.raises(Unauthenticated):
        ours.redeem(attempt, {"state": attempt.state, **answer}, BACK)


@pytest.mark.parametrize("roles", [None, [], "", "T-AND-S", ["others"], {"t-and-s": True}, [["t-and-s"]], 7])
def test_without_a_role_nobody_comes_in(ours: oidc.Provider, provider: Provider, roles: Any) -> None:
    provider.claims = {"roles": roles}
    with pytest.raises(Forbidden, match="your account has no role in Frontline"):
        sign_on(ours)


@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post"], None])
def test_ways_to_show_the_client_secret(ours: oidc.Provider, provider: Provider, methods: list[str] | None) -> None:
    provider.document = {"token_endpoint_auth_methods_supported": methods}
    assert sign_on(ours).name == "Ada"


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/token", (500, b"{}"), "status 500;"),
        ("/token", (401, b'{"error": "invalid_client"}'), "status 401 and invalid_client;"),
        ("/token", (400, b'{"error": "<b>"}'), "status 400;"),
        ("/token", (200, b"<html>"), "not JSON"),
        ("/token", (200, b"[]"), "not a JSON object"),
        ("/token", (200, b"{}"), "no ID token"),
        ("/token", (200, b'{"id_token": 7}'), "no ID token"),
        ("/token", (200, b'"' + b"x" * 2**20 + b'"'), "too long"),
        ("/jwks", (200, b'{"keys": []}'), "keys cannot be read"),
        ("/jwks", (200, b'{"keys": [{"kty": "RSA"}]}'), "keys cannot be read"),
        ("/jwks", (200, b'{"keys": 7}'), "keys cannot be read"),
        ("/.well-known/openid-configuration", (302, b""), "not JSON"),
        ("/.well-known/openid-configuration", (302, b"{}"), "status 302;"),
        ("/.well-known/openid-configuration", (200, b"{}"), "lacks what is needed"),
    ],
)
def test_a_provider_that_does_not_work(
    ours: oidc.Provider, provider: Provider, path: str, answer: tuple[int, bytes], words: str
) -> None:
    provider.answers[path] = answer
    with pytest.raises(ProviderFailed, match=words):
        sign_on(ours)
    del provider.answers[path]
    assert sign_on(ours).name == "Ada"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"issuer": "https://login.example.com"}, "another issuer"),
        ({"jwks_uri": "http://login.example.com/jwks"}, "not https"),
        ({"jwks_uri": "http://127.0.0.1:1/jwks"}, "cannot be reached"),
        ({"jwks_uri": "no address"}, "not https"),
        ({"jwks_uri": "https://[/"}, "is none"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "not https"),
        ({"token_endpoint": None}, "lacks what is needed"),
    ],
)
def test_discovery_documents_that_will_not_do(
    ours: oidc.Provider, provider: Provider, document: dict[str, Any], words: str
) -> None:
    provider.document = document
    with pytest.raises(ProviderFailed, match=words):
        sign_on(ours)


def test_settings_are_checked(settings: Settings) -> None:
    whole = {"oidc_issuer": "https://login.example.com", "oidc_client_id": "x", "oidc_roles": {"a": "qa"}}
    Settings(**whole)
    for wrong in ({"oidc_client_id": ""}, {"oidc_roles": {}}, {"oidc_roles": {"a": "root"}}):
        with pytest.raises(ValidationError, match="FRONTLINE_OIDC") as refused:
            Settings(**{**whole, **wrong}, oidc_client_secret=SECRET)
        assert SECRET not in str(refused.value)
    assert SECRET not in repr(settings)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTLINE_OIDC_ISSUER", "https://login.example.com")
    monkeypatch.setenv("FRONTLINE_OIDC_CLIENT_ID", CLIENT)
    monkeypatch.setenv("FRONTLINE_OIDC_ROLES", '{"t-and-s": "reviewer"}')
    assert Settings().oidc_roles == {"t-and-s": "reviewer"}


def test_without_a_provider_its_libraries_are_not_loaded() -> None:
    code = "import sys, serving.api.application; assert not {'joserfc', 'serving.accounts.oidc'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
