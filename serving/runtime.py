"""What a running service holds: its settings, its store, and the scorer of the bundle in force."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from models import FrontlineError, Scorer, load_bundle
from models.errors import InvalidPolicy
from models.policy import Policy
from serving import memory, metrics
from serving.accounts.auth import Identities
from serving.champion import champion_path, stamp
from serving.errors import NotReady
from serving.executor import FairExecutor
from serving.logs import log, where
from serving.quality import notices
from serving.queue import policies
from serving.queue.on_call import Lookout
from serving.settings import Settings
from serving.store import Store, migrate
from serving.store.migrate import is_current

if TYPE_CHECKING:
    from serving.accounts.oidc import Provider

WATCH_SECONDS = 1.0
RETRY_SECONDS = 30.0  # after a bundle could not be loaded for another reason than that it is refused


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
        self._loaded: object = None  # the folder that was loaded or refused last, and what its files were
        self._again = 0.0  # when (`time.monotonic`) to try that folder once more
        self._policy: Policy | None = None
        self._policy_stamp: object = ()  # of the policy file that was read last
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

    @cached_property
    def provider(self) -> "Provider | None":
        """Where people sign on besides with a password, if the settings name a place."""
        if not self.settings.oidc_issuer:
            return None
        from serving.accounts.oidc import Provider  # its libraries are for those who use them

        return Provider(self.settings)

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
        """Load the policy and the bundle that should be in force; what is refused is logged, and the old goes on."""
        self._refresh_policy()
        if self._policy is not None:
            self._refresh_bundle(self._policy)

    def _refresh_policy(self) -> None:
        stamp = policies.stamp(self.settings)
        if stamp == self._policy_stamp:
            return
        self._policy_stamp = stamp
        old = self._policy
        try:
            self._policy = policies.in_force(self.settings)
        except InvalidPolicy as error:
            log.error("policy_refused", reason=error.message)
            return
        if self._scorer is not None:
            self._scorer = self._scorer.under(self._policy)
        if old is not None:
            self._announce(partial(notices.announce_policy, self.store, old, self._policy))
        log.info("policy_loaded", version=self._policy.version, digest=self._policy.digest)

    def _refresh_bundle(self, policy: Policy) -> None:
        try:
            path = champion_path(self.settings.home) or self.settings.bundle
            found = path, stamp(path)
            if found == self._loaded and time.monotonic() < self._again:
                return
            self._loaded, self._again = found, math.inf
            scorer = Scorer(
                load_bundle(path),
                policy=policy,
                metadata=self.settings.metadata,
                remembered=self.settings.remembered_texts,
                observer=metrics.MetricsObserver(),
            )
        except Exception as error:  # whatever it is, the watch goes on
            reason = str(error) if isinstance(error, FrontlineError | OSError) else type(error).__qualname__
            if not isinstance(error, FrontlineError) or error.__cause__:  # it may not be the bundle's fault
                self._again = time.monotonic() + RETRY_SECONDS
            if self._complaint != reason:
                log.error("bundle_refused", reason=reason, where=where(error))
            self._complaint = reason
            return
        old, self._scorer = self._scorer, scorer
        memory.give_back()
        metrics.bundle_changed(old.bundle if old else None, scorer.bundle)
        if old is not None:
            self._announce(partial(notices.announce_bundle, self.store, old.bundle, scorer.bundle, policy))
        log.info("bundle_loaded", version=scorer.bundle.version, bundle=scorer.bundle.digest)

    def _announce(self, announce: Callable[[datetime], None]) -> None:
        """Tell reviewers what changed; if that fails, what is in force is in force all the same."""
        try:
            announce(datetime.now(UTC))
        except Exception as error:
            log.error("notice_failed", error=type(error).__qualname__, where=where(error))

    def _watch(self) -> None:
        lookout = Lookout(self.settings.on_call_url)
        while not self._stopped.wait(WATCH_SECONDS):
            self.refresh()
            if self._policy is not None:
                lookout.look(self.store, self._policy)
