"""Every setting of the service, declared once; set them as FRONTLINE_… environment variables."""

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

# Not said in `models`: reading the settings shall not take the import of all that scores.
SHIPPED_BUNDLE = Path(__file__).parents[1] / "models" / "bundles" / "default"


class Settings(BaseSettings):
    """Settings read from the environment, each as `FRONTLINE_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="FRONTLINE_", frozen=True, populate_by_name=True)

    home: Path = Field(
        default=Path(".frontline"), description="Folder of the SQLite store and of the installed bundles."
    )
    database_url: str = Field(
        default="", description="SQLAlchemy URL of the store; empty for SQLite in the home folder."
    )
    bundle: Path = Field(default=SHIPPED_BUNDLE, description="Bundle to serve while no champion is promoted.")
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
    blind_share: float = Field(default=0.1, ge=0, le=1, description="Share of cases that reviewers see without hints.")

    @property
    def store_url(self) -> str:
        """The SQLAlchemy URL of the store in use."""
        return self.database_url or f"sqlite:///{self.home / 'frontline.db'}"
