"""An OpenID Connect provider over HTTP for tests: it has its own keys, signs, and checks PKCE."""

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from serving.accounts import oidc

BACK = "https://frontline.example/back"
CLIENT, SECRET = "frontline", "s+cret/of%the client"


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class Provider:
    """An OpenID Connect provider at which someone is always signed in; a test may make it lie."""

    def __init__(self, key: RSAKey) -> None:
        self.keys: list[Any] = [key]
        self.algorithm = "RS256"
        self.asks = False  # whether someone has to do something there
        self.claims: dict[str, Any] = {}  # what the ID token says besides, or instead; None leaves a claim out
        self.document: dict[str, Any] = {}  # the same of the discovery document
        self.sign: Callable[[dict[str, Any]], str] = self._sign
        self.answers: dict[str, tuple[int, bytes]] = {}  # instead of what a path would say
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.spent: list[str] = []
        self.issued: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self, parse_qs(urlsplit(self.path).query))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.answer(self, parse_qs(body))

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler, given: dict[str, list[str]]) -> None:
        path = urlsplit(request.path).path
        self.asked.append(path)
        form = {name: values[0] for name, values in given.items()}
        headers: dict[str, str] = {}
        if path in self.answers:
            status, content = self.answers[path]
        elif path == "/.well-known/openid-configuration":
            status, content = 200, json.dumps(self._document()).encode()
        elif path == "/jwks":
            status, content = 200, json.dumps(KeySet(self.keys).as_dict(private=False)).encode()
        elif path == "/authorize":
            code = secrets.token_urlsafe()
            self.codes[code] = form
            back = f"{form['redirect_uri']}?{urlencode({'code': code, 'state': form['state']})}"
            if self.asks:
                page = f'<!doctype html><a href="{html.escape(back)}">Yes, it is me</a>'
                status, content, headers = 200, page.encode(), {"Content-Type": "text/html"}
            else:
                status, content, headers = 302, b"", {"Location": back}
        else:
            status, found = self._token(form, request.headers.get("Authorization", ""))
            content = json.dumps(found).encode()
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)

    def _document(self) -> dict[str, Any]:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            **self.document,
        }
        return {name: value for name, value in document.items() if value is not None}

    def _token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        basic = base64.b64encode(urlencode({CLIENT: SECRET}).replace("=", ":").encode()).decode()
        posted = (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        if authorization != f"Basic {basic}" and not posted:
            return 401, {"error": "invalid_client"}
        self.spent.append(form["code"])
        asked = self.codes.pop(form["code"], None)
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if encoded(hashlib.sha256(form["code_verifier"].encode()).digest()) != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "4711",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "preferred_username": "Ada",
            "roles": ["t-and-s"],
            **self.claims,
        }
        token = self.sign({name: value for name, value in claims.items() if value is not None})
        self.issued.append(token)
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": token}

    def _sign(self, claims: dict[str, Any]) -> str:
        key = self.keys[-1]
        return jwt.encode({"alg": self.algorithm, "kid": key.kid}, claims, key, algorithms=[self.algorithm])


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


def returned(address: str) -> str:
    """Where the provider sends the browser that comes to this address."""
    with httpx.Client(verify=oidc._trusted()) as client:
        location: str = client.get(address).headers["location"]
    return location


def by_another_key(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, new_key("first"), algorithms=["RS256"])
