"""Single sign-on at one OpenID Connect provider: the authorization code flow with PKCE, state and nonce.

What a sign-in must remember is derived from one secret in a cookie of the browser that began it, so nothing is kept
here. Messages and logs say what was wrong, and never what was sent.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ValidationError

from serving.accounts.auth import Role, role_of
from serving.errors import Forbidden, ProviderFailed, Unauthenticated
from serving.logs import log
from serving.settings import Settings

# Signatures that the provider alone can make; neither "none" nor those that the client secret could make.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
LEEWAY_SECONDS = 60  # that clocks may differ by
REMEMBERED_SECONDS = 3600.0  # after which a key that the provider withdrew counts no more
WAIT_SECONDS = 5.0
LARGEST_ANSWER = 2**20  # bytes
_SUBJECT = re.compile(r"[\x20-\x7e]{1,255}")  # as OpenID Connect Core 1.0, 2 has it
_REFUSALS = ("invalid_client", "invalid_request", "unauthorized_client", "unsupported_grant_type", "invalid_scope")


class Visitor(NamedTuple):
    """Someone the provider vouches for."""

    subject: str  # unique among all providers
    name: str
    role: Role


@dataclass(frozen=True)
class Attempt:
    """One sign-in: what ties its end to the browser that began it."""

    secret: str

    @property
    def state(self) -> str:
        """What comes back with the browser, so that nobody can be signed in as another by a link."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """What comes back inside the ID token, so that none from another sign-in is taken."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What redeems the code (RFC 7636)."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """What the provider compares the verifier with."""
        return _base64(hashlib.sha256(self.verifier.encode()).digest())

    def _derived(self, purpose: str) -> str:
        return _base64(hmac.new(self.secret.encode(), purpose.encode(), hashlib.sha256).digest())


class _Discovery(BaseModel):
    """What is read of the provider's discovery document (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


class _Known(NamedTuple):
    document: _Discovery
    keys: KeySet
    until: float


class Provider:
    """The provider that the settings name; safe to share between threads. It waits for another machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def attempt(self, secret: str | None = None) -> Attempt:
        """A new attempt, or the one that a browser began with this secret."""
        return Attempt(secrets.token_urlsafe(32) if secret is None else secret)

    def address(self, attempt: Attempt, back: str) -> str:
        """Where to send the browser so that someone signs in; `back` is our address that it returns to.

        Raises ProviderFailed.
        """
        endpoint = self._learnt().document.authorization_endpoint
        query = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": back,
            "scope": self._settings.oidc_scope,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    def redeem(self, attempt: Attempt, answer: Mapping[str, str], back: str) -> Visitor:
        """Who came back with this answer in the address.

        Raises Unauthenticated if it proves nothing, Forbidden for someone without a role, ProviderFailed.
        """
        # Without a secret, as in a browser that began nothing, everyone can know the state.
        if not attempt.secret or not hmac.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
            raise _refused("state")
        if not answer.get("code"):
            raise _refused("denied")
        return self._visitor(self._verified(self._id_token(answer["code"], attempt, back), attempt))

    def _id_token(self, code: str, attempt: Attempt, back: str) -> str:
        document, settings = self._learnt().document, self._settings
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
        form["code_verifier"] = attempt.verifier
        client, secret, basic = settings.oidc_client_id, settings.oidc_client_secret.get_secret_value(), None
        if not secret:
            form["client_id"] = client
        elif "client_secret_post" in document.token_endpoint_auth_methods_supported:
            form |= {"client_id": client, "client_secret": secret}
        else:
            basic = httpx.BasicAuth(quote_plus(client), quote_plus(secret))  # as RFC 6749, 2.3.1 has it
        token = _fetched("POST", document.token_endpoint, data=form, auth=basic).get("id_token")
        if not isinstance(token, str):
            raise _failed("it gave no ID token")
        return token

    def _verified(self, token: str, attempt: Attempt) -> dict[str, Any]:
        """The claims of an ID token (OpenID Connect Core 1.0, 3.1.3.7)."""
        try:
            claims = self._decoded(token)
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY_SECONDS,
                iss={"essential": True, "value": self._settings.oidc_issuer},
                sub={"essential": True},
                aud={"essential": True, "value": self._settings.oidc_client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": attempt.nonce},
            ).validate(claims)
        except JoseError as error:
            raise _refused(f"{error.error} {getattr(error, 'claim', '')}".strip()) from None
        except ValueError:
            raise _refused("malformed") from None
        if claims.get("azp", self._settings.oidc_client_id) != self._settings.oidc_client_id:
            raise _refused("azp")
        if not _SUBJECT.fullmatch(claims["sub"]):
            raise _refused("sub")
        return claims

    def _decoded(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(token, self._learnt().keys, algorithms=ALGORITHMS).claims
        except JoseError as error:
            if error.error not in ("invalid_key_id", "bad_signature"):
                raise
        # The provider may have changed its keys since.
        return jwt.decode(token, self._learnt(anew=True).keys, algorithms=ALGORITHMS).claims

    def _visitor(self, claims: dict[str, Any]) -> Visitor:
        given = claims.get(self._settings.oidc_role_claim)
        values = given if isinstance(given, list) else [given]
        role = next((role for value, role in self._settings.oidc_roles.items() if value in values), None)
        if role is None:
            log.warning("sign_on_refused", reason="role")
            raise Forbidden("your account has no role in Frontline; ask whoever runs it to give it one")
        names = (claims.get(claim) for claim in ("preferred_username", "email", "name", "sub"))
        name = next(name for name in names if isinstance(name, str) and name.strip())
        return Visitor(f"{self._settings.oidc_issuer} {claims['sub']}", name, role_of(role))

    def _learnt(self, *, anew: bool = False) -> _Known:
        """The discovery document and the keys, fetched if need be."""
        with self._lock:
            known = self._known
            if known is None or anew or time.monotonic() > known.until:
                document = self._discovered()
                keys = _keys(_fetched("GET", document.jwks_uri))
                known = self._known = _Known(document, keys, time.monotonic() + REMEMBERED_SECONDS)
            return known

    def _discovered(self) -> _Discovery:
        issuer = self._settings.oidc_issuer
        _check_address(issuer)
        found = _fetched("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            document = _Discovery.model_validate(found)
        except ValidationError:
            raise _failed("its discovery document lacks what is needed") from None
        if document.issuer != issuer:
            raise _failed("its discovery document names another issuer than FRONTLINE_OIDC_ISSUER")
        for address in (document.authorization_endpoint, document.token_endpoint, document.jwks_uri):
            _check_address(address)
        return document


def _keys(found: Any) -> KeySet:
    try:
        return KeySet.import_key_set(found)
    except (JoseError, KeyError, TypeError, ValueError):
        raise _failed("its keys cannot be read") from None


def _check_address(address: str) -> None:
    try:
        parts = urlsplit(address)
        local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    except ValueError:
        raise _failed("an address of it is none") from None
    if parts.scheme != "https" and not local:
        raise _failed("an address of it is not https")


def _fetched(method: str, address: str, **how: Any) -> dict[str, Any]:
    """A JSON object from the provider. Raises ProviderFailed, or Unauthenticated for a code that it does not take."""
    content = b""
    try:
        with (
            httpx.Client(verify=_trusted(), timeout=WAIT_SECONDS) as client,
            client.stream(method, address, **how) as response,
        ):
            for piece in response.iter_bytes():
                content += piece
                if len(content) > LARGEST_ANSWER:
                    raise _failed("its answer is too long")
        found = json.loads(content)
    except (httpx.HTTPError, httpx.InvalidURL):
        raise _failed("it cannot be reached") from None
    except (ValueError, RecursionError):
        raise _failed(f"its answer with status {response.status_code} is not JSON") from None
    if not isinstance(found, dict):
        raise _failed("its answer is not a JSON object")
    if found.get("error") == "invalid_grant":
        raise _refused("code")
    if not response.is_success:
        known = next((f" and {reason}" for reason in _REFUSALS if reason == found.get("error")), "")
        raise _failed(f"it answers with status {response.status_code}{known}")
    return found


@cache
def _trusted() -> SSLContext:
    return httpx.create_ssl_context()  # it takes longer than all the rest


def _failed(what: str) -> ProviderFailed:
    log.error("sign_on_failed", reason=what)
    return ProviderFailed(f"the sign-on provider does not work: {what}; try again, or tell whoever runs Frontline")


def _refused(reason: str) -> Unauthenticated:
    log.warning("sign_on_refused", reason=reason)
    return Unauthenticated("the sign-on did not succeed; try again from the start")


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
