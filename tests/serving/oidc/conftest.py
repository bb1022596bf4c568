"""A provider to sign on at, and settings that name it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey

from serving.accounts import oidc
from serving.settings import Settings
from tests.serving.oidc.provider import CLIENT, SECRET, Provider, new_key


@pytest.fixture(scope="module")
def first_key() -> RSAKey:
    return new_key("first")


@pytest.fixture
def provider(first_key: RSAKey) -> Iterator[Provider]:
    provider = Provider(first_key)
    yield provider
    provider.server.shutdown()
    provider.server.server_close()


@pytest.fixture
def settings(tmp_path: Path, keyword_bundle: Path, database_url: str, provider: Provider) -> Settings:
    return Settings(
        home=tmp_path / "home",
        bundle=keyword_bundle,
        database_url=database_url,
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=SECRET,
        oidc_roles={"heads": "qa", "t-and-s": "reviewer", "programs": "intake"},
    )


@pytest.fixture
def ours(settings: Settings) -> oidc.Provider:
    """Our side of it, without a store and pages."""
    return oidc.Provider(settings)
