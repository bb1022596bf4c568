"""Every setting of the service, declared once; set them as FRONTLINE_… environment variables."""

from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# Not said in `models`: reading the settings shall not take the import of all that scores.
SHIPPED_BUNDLE = Path(__file__).parents[1] / "models" / "bundles" / "default"


class Settings(BaseSettings):
    """Settings read from the environment, each as `FRONTLINE_` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="FRONTLINE_",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    home: Path = Field(
        default=Path(".frontline"), description="Folder of the SQLite store and of the installed bundles."
    )
    database_url: str = Field(
        default="", description="SQLAlchemy URL of the store; empty for SQLite in the home folder."
    )
    bundle: Path = Field(default=SHIPPED_BUNDLE, description="Bundle to serve while no champion is promoted.")
    policy: Path | None = Field(
        default=None, description="Policy file; empty for policy.yaml in the home folder, or else the shipped one."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=3000,
        ge=1,
        le=65535,
        validation_alias=AliasChoices("FRONTLINE_PORT", "PORT"),
        description="Port to listen on; a plain PORT is read as well.",
    )
    workers: int = Field(default=1, ge=1, le=256, description="Server processes; on two cores, two are fastest.")
    threads: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Threads of one worker that score; with two, a busy worker uses what others leave idle.",
    )
    max_wait_seconds: float = Field(
        default=5, gt=0, description="Longest that a report may wait for its turn; more load is refused with a 429."
    )
    remembered_texts: int = Field(
        default=4096, ge=0, description="Texts that a worker need not read again when they come once more; 0 for none."
    )
    lease_seconds: int = Field(default=900, ge=10, description="How long a reviewer holds a claimed case, in seconds.")
    max_body_bytes: int = Field(default=8 * 2**20, ge=1024, description="Largest request body, in bytes.")
    max_batch: int = Field(default=256, ge=1, description="Most reports in one batch.")
    max_in_flight: int = Field(
        default=256, ge=1, description="Requests one worker handles at once before it answers 429."
    )
    metadata: bool = Field(default=True, description="Score with the report's metadata; off, only its text counts.")
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="Least severe message logged."
    )
    traces_endpoint: str = Field(
        default="",
        description="Where traces go, OTLP over HTTP, such as http://collector:4318/v1/traces; empty for none.",
    )
    traces_share: float = Field(default=1, gt=0, le=1, description="Share of requests that are traced.")
    data: Path | None = Field(default=None, description="Folder of labelled data, for training commands.")
    perspective_mapping: Path | None = Field(
        default=None,
        description="Mapping onto Perspective's scale, as `frontline compare-perspective` writes it; empty for the "
        "shipped one.",
    )
    on_call_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Webhook that is told, in JSON without any text, of critical and specialist cases soon to be "
        "due while nobody who may take them is active; empty for none.",
    )
    blind_share: float = Field(default=0.1, ge=0, le=1, description="Share of cases that reviewers see without hints.")
    session_idle_seconds: int = Field(
        default=3600, ge=60, description="How long someone stays signed in to the console without using it, in seconds."
    )
    session_seconds: int = Field(
        default=12 * 3600, ge=60, description="How long someone stays signed in to the console at most, in seconds."
    )
    oidc_issuer: str = Field(
        default="",
        description="Issuer of an OpenID Connect provider for single sign-on, such as https://login.example.com; "
        "empty for none.",
    )
    oidc_client_id: str = Field(default="", description="What the provider knows Frontline as.")
    oidc_client_secret: SecretStr = Field(
        default=SecretStr(""), description="Frontline's secret at the provider; empty for a public client."
    )
    oidc_scope: str = Field(default="openid profile email", description="What the provider is asked for.")
    oidc_role_claim: str = Field(
        default="roles", description="Claim of the ID token that says what someone may do; a text or a list of texts."
    )
    oidc_roles: dict[str, str] = Field(
        default={},
        description='Role for each value of that claim, as JSON: {"t-and-s": "reviewer"}; of several that fit, the '
        "first here counts, and without one nobody comes in.",
    )

    @model_validator(mode="after")
    def _sign_on_is_complete(self) -> Self:
        if not self.oidc_issuer:
            return self
        from serving.accounts.auth import ROLES  # it takes the store, which others can do without

        if not self.oidc_client_id or not self.oidc_roles:
            raise ValueError("with FRONTLINE_OIDC_ISSUER set FRONTLINE_OIDC_CLIENT_ID and FRONTLINE_OIDC_ROLES as well")
        if unknown := sorted(set(self.oidc_roles.values()) - set(ROLES)):
            raise ValueError(f"FRONTLINE_OIDC_ROLES has no role at {', '.join(unknown)}; there are {', '.join(ROLES)}")
        return self

    @property
    def policy_file(self) -> Path:
        """Where the operator's own policy is, or would be."""
        return self.policy or self.home / "policy.yaml"

    @property
    def store_url(self) -> str:
        """The SQLAlchemy URL of the store in use."""
        return self.database_url or f"sqlite:///{self.home / 'frontline.db'}"
