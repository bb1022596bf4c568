"""What a running service holds: its settings, its store, and the scorer of the bundle in force."""

import threading
from dataclasses import dataclass
from pathlib import Path

from models import FrontlineError, Scorer, load_bundle
from serving import metrics
from serving.auth import Identities
from serving.champion import champion_path
from serving.errors import NotReady
from serving.executor import FairExecutor
from serving.logs import log, where
from serving.settings import Settings
from serving.store import Store, migrate
from serving.store.migrate import is_current

WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class _Parts:
    """What is there from the start on."""

    store: Store
    identities: Identities
    executor: FairExecutor


class Runtime:
    """Made when the program is imported, started in the process that serves; every attribute is safe to share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._started: _Parts | None = None
        self._scorer: Scorer | None = None
        self._loaded: Path | None = None
        self._complaint = ""
        self._stopped = threading.Event()

    @property
    def store(self) -> Store:
        """The store. Raises NotReady before the start."""
        return self._parts.store

    @property
    def identities(self) -> Identities:
        """Whose tokens are whose. Raises NotReady before the start."""
        return self._parts.identities

    @property
    def executor(self) -> FairExecutor:
        """What scores for all requests in turn. Raises NotReady before the start."""
        return self._parts.executor

    @property
    def _parts(self) -> _Parts:
        if self._started is None:
            raise NotReady("the service is starting; try again shortly")
        return self._started

    @property
    def scorer(self) -> Scorer:
        """The scorer in force; take it once per request, as it may be replaced. Raises NotReady if there is none."""
        if self._scorer is None:
            raise NotReady("no verified bundle is loaded yet; try again shortly")
        return self._scorer

    @property
    def is_ready(self) -> bool:
        """Whether the store is open and a verified bundle is loaded."""
        return self._started is not None and self._scorer is not None

    def start(self) -> None:
        """Open the store, load the bundle, and watch for another. Raises NotReady if the store's schema is old."""
        store = Store(self.settings.store_url)
        if store.is_sqlite:
            migrate(store)
        elif not is_current(store):
            raise NotReady("the store has an old schema; run `frontline migrate`")
        executor = FairExecutor(self.settings.threads, self.settings.max_wait_seconds, metrics.reports_wait)
        self._started = _Parts(store, Identities(store), executor)
        self.refresh()
        threading.Thread(target=self._watch, name="champion-watch", daemon=True).start()

    def stop(self) -> None:
        """Stop watching, score what waits and close the store."""
        self._stopped.set()
        if self._started is not None:
            self._started.executor.stop()
            self._started.store.close()

    def refresh(self) -> None:
        """Load the bundle that should be in force, if it is not; a refused one is logged and the old one goes on."""
        try:
            path = champion_path(self.settings.home) or self.settings.bundle
            if path == self._loaded:
                return
            self._loaded = path  # even if refused: an installed bundle does not change, so once is enough
            scorer = Scorer(
                load_bundle(path),
                metadata=self.settings.metadata,
                remembered=self.settings.remembered_texts,
                observer=metrics.MetricsObserver(),
            )
        except Exception as error:  # whatever it is, the watch goes on
            reason = str(error) if isinstance(error, FrontlineError | OSError) else type(error).__qualname__
            if self._complaint != reason:
                log.error("bundle_refused", reason=reason, where=where(error))
            self._complaint = reason
            return
        old, self._scorer = self._scorer, scorer
        metrics.bundle_changed(old.bundle if old else None, scorer.bundle)
        log.info("bundle_loaded", version=scorer.bundle.version, bundle=scorer.bundle.digest)

    def _watch(self) -> None:
        while not self._stopped.wait(WATCH_SECONDS):
            self.refresh()
