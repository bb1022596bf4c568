"""A bundle that knows a few words by heart, so that every score is foreseeable, and a service around it."""

import html
import os
import re
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import uvicorn
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from onnx import TensorProto, helper, numpy_helper
from sqlalchemy import create_engine, make_url, select

from models import Scorer
from models.bundle import write
from models.ngrams import BUCKETS, hashed_ngrams
from models.policy import Quality
from models.taxonomy import Taxonomy
from serving.accounts import people
from serving.accounts.auth import ROLES, Identity, authenticate, create_token
from serving.api.application import create_app
from serving.queue import claims
from serving.queue.intake import keep, score
from serving.review import decisions
from serving.runtime import Runtime
from serving.schemas import DecisionIn
from serving.settings import Settings
from serving.store import Store, migrate
from serving.store.tables import cases

PASSWORD = "a sentence will do"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TAXONOMY = Path(__file__).parents[2] / "datasets" / "taxonomy.yaml"
WORDS = {
    "ambush": {"violation": 9, "violence_threat": 9, "severity_2": 9, "severity_3": 9, "severity_4": 1},
    "parcel": {"violation": 7, "scam_fraud": 7, "severity_2": 7, "severity_3": 5},
    "useless": {"violation": 6, "harassment": 6, "severity_2": 5},
    "discount": {"violation": 5, "spam": 6},
}


def _save(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: dict[str, Any]) -> Path:
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "keywords", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return path


def _ngrams(path: Path, outputs: list[str]) -> Path:
    table = np.zeros((BUCKETS, len(outputs)), dtype=np.float32)
    for word, effects in WORDS.items():
        bucket = int(hashed_ngrams(word)[0][0])  # the word's own n-gram comes first
        for output, weight in effects.items():
            table[bucket, outputs.index(output)] = weight
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "axes"], ["sentence_embedding"], keepdims=1),
    ]
    return _save(
        path,
        nodes,
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, [1, len(outputs)])],
        {"table": table, "axes": np.array([0], dtype=np.int64)},
    )


def _heads(path: Path, size: int) -> Path:
    nodes = [
        helper.make_node("Sub", ["embedding", "offset"], ["logits"]),
        helper.make_node("Mul", ["embedding", "zero"], ["nothing"]),
        helper.make_node("ReduceSum", ["nothing", "axes"], ["distance"], keepdims=0),
    ]
    return _save(
        path,
        nodes,
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", size])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", size]),
            helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["n"]),
        ],
        {"offset": np.float32(4), "zero": np.float32(0), "axes": np.array([1], dtype=np.int64)},
    )


def _metadata(path: Path) -> Path:
    """P(violation) from the text alone, but a tenth of a logit more per logarithm of earlier violations."""
    nodes = [
        helper.make_node("Gather", ["features", "columns"], ["both"], axis=1),
        helper.make_node("IsNaN", ["both"], ["absent"]),
        helper.make_node("Where", ["absent", "zero", "both"], ["known"]),
        helper.make_node("MatMul", ["known", "weights"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], ["yes"]),
        helper.make_node("Sub", ["one", "yes"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["probabilities"], axis=1),
    ]
    weights = {
        "columns": np.array([0, 2], dtype=np.int64),
        "zero": np.float32(0),
        "one": np.float32(1),
        "weights": np.array([[1], [0.2]], dtype=np.float32),
    }
    return _save(
        path,
        nodes,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 9])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])],
        weights,
    )


def write_keyword_bundle(path: Path, version: str = "1", slope: float = 1.0) -> Path:
    """Write a bundle that scores by the words above, the surer the greater the slope."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.parent / f"{path.name}-parts"
    scratch.mkdir()
    learned = Taxonomy.read(TAXONOMY).learned
    outputs = ["violation", *learned, "severity_2", "severity_3", "severity_4"]
    fields = {
        "name": "keywords",
        "version": version,
        "created": "2026-11-22T00:00:00Z",
        "text_model": "hashed-ngrams.v1",
        "languages": ["en"],
        "outputs": outputs,
        "calibration": {name: {"slope": slope, "intercept": 0.0} for name in outputs},
        "thresholds": {name: {"value": 0.5, "intent": "even odds"} for name in learned},
        "prevalence": {"violation": 0.1},
        "max_distance": 1.0,
        "metadata_cap": 2.0,
        "simulated": [],
        "evaluation": {},
        "training_data": [],
        "environment": {},
        "golden": [],
        "golden_tolerance": 0.01,
    }
    files = {
        "taxonomy.yaml": TAXONOMY,
        "ngrams.onnx": _ngrams(scratch / "ngrams.onnx", outputs),
        "heads.onnx": _heads(scratch / "heads.onnx", len(outputs)),
        "metadata.onnx": _metadata(scratch / "metadata.onnx"),
    }
    write(path, fields, files)
    return path


@pytest.fixture(scope="session")
def keyword_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keyword bundle, made once."""
    return write_keyword_bundle(tmp_path_factory.mktemp("bundles") / "keywords")


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Path]:
    """Another keyword bundle of a given version, and of a given slope."""
    return lambda version, slope=1.0: write_keyword_bundle(tmp_path / "made" / version, version, slope)


@pytest.fixture
def database_url() -> Iterator[str]:
    """An empty database: SQLite, or a new one on the PostgreSQL server that FRONTLINE_TEST_POSTGRES names."""
    server = os.environ.get("FRONTLINE_TEST_POSTGRES")
    if not server:
        yield ""
        return
    name = f"frontline_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    store = Store(url)
    migrate(store)
    store.close()
    yield url
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture
def settings(tmp_path: Path, keyword_bundle: Path, database_url: str) -> Settings:
    """Settings of a service with an empty home and no blind cases."""
    return Settings(home=tmp_path / "home", bundle=keyword_bundle, blind_share=0, database_url=database_url)


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    """A started runtime."""
    runtime = Runtime(settings)
    runtime.start()
    yield runtime
    runtime.stop()


@pytest.fixture
def tokens(runtime: Runtime) -> SimpleNamespace:
    """One token of each role, and a second reviewer's."""
    made = {role: create_token(runtime.store, role, role) for role in ROLES}
    return SimpleNamespace(**made, reviewer2=create_token(runtime.store, "reviewer2", "reviewer"))


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> Iterator[None]:
    """Password hashes that take no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture
def staff(runtime: Runtime) -> SimpleNamespace:
    """Someone of each role, named like it, and a second reviewer; PASSWORD is everyone's password."""
    roles = {**dict(zip(ROLES, ROLES, strict=True)), "reviewer2": "reviewer"}
    made = {name: people.create(runtime.store, name, role, PASSWORD, datetime.now(UTC)) for name, role in roles.items()}
    return SimpleNamespace(**made)


class Browser:
    """A client that keeps cookies, follows redirects and fills in the hidden fields of the page it is on."""

    def __init__(self, runtime: Runtime) -> None:
        self.client = TestClient(create_app(runtime), raise_server_exceptions=False)
        self.page = self.client.get("/console")

    def hidden(self) -> dict[str, str]:
        return {n: html.unescape(v) for n, v in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.text)}

    @property
    def text(self) -> str:
        return self.page.text

    def get(self, path: str) -> None:
        self.page = self.client.get(path)

    def submit(self, path: str, **fields: Any) -> None:
        self.page = self.client.post(path, data={**self.hidden(), **fields})

    def sign_in(self, name: str, password: str = PASSWORD) -> None:
        self.submit("/console/sign-in", name=name, password=password)


@pytest.fixture
def new_browser(runtime: Runtime, staff: SimpleNamespace) -> Callable[[], Browser]:
    """Makes browsers on the sign-in page, each with cookies of its own; `browser.sign_in("reviewer")` signs in."""
    return lambda: Browser(runtime)


@pytest.fixture
def browser(new_browser: Callable[[], Browser]) -> Browser:
    """A browser on the sign-in page."""
    return new_browser()


class Desk:
    """Claims and decides under a policy, a second later each time."""

    def __init__(self, runtime: Runtime, *, golden_share: float = 0, double_share: float = 0) -> None:
        self.runtime, self.store = runtime, runtime.store
        shares = Quality(golden_share=golden_share, double_share=double_share)
        self.scorer = runtime.scorer.under(runtime.scorer.policy.model_copy(update={"quality": shares}))
        self.policy = self.scorer.policy
        self.now, self.made, self.undo = NOON, 0, timedelta(0)

    def claim(self, who: Identity) -> claims.Claim | None:
        self.now += timedelta(seconds=1)
        return claims.claim(self.store, self.policy, who, lease=timedelta(minutes=15), now=self.now)

    def decide(self, who: Identity, held: claims.Claim, outcome: str = "no_violation", **fields: Any) -> Any:
        self.made, self.now = self.made + 1, self.now + timedelta(seconds=1)
        with self.store.read() as connection:
            row = connection.execute(select(cases).where(cases.c.id == held.case_id)).one()
        given = DecisionIn(
            decision_id=f"made-{self.made}",
            case_id=held.case_id,
            claim_id=held.id,
            token=held.token,
            content_version=row.content_version,
            outcome=outcome,
            **fields,
        )
        return decisions.decide(self.store, self.scorer, who, given, self.now, undo=self.undo)

    def case(self, case_id: str) -> Any:
        with self.store.read() as connection:
            return connection.execute(select(cases).where(cases.c.id == case_id)).one()


@pytest.fixture
def desk_of(runtime: Runtime) -> Callable[..., Desk]:
    """Makes desks, of golden and double shares."""
    return lambda **shares: Desk(runtime, **shares)


@pytest.fixture
def team(runtime: Runtime, tokens: SimpleNamespace) -> SimpleNamespace:
    """Whose tokens these are."""
    return SimpleNamespace(**{name: authenticate(runtime.store, token) for name, token in vars(tokens).items()})


@pytest.fixture
def client_of(runtime: Runtime) -> Callable[[str], TestClient]:
    """A client that sends a given token; server errors come as responses."""
    app = create_app(runtime)

    def make(token: str) -> TestClient:
        return TestClient(app, headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)

    return make


@pytest.fixture
def intake(client_of: Callable[[str], TestClient], tokens: SimpleNamespace) -> TestClient:
    """The intake system."""
    return client_of(tokens.intake)


@pytest.fixture
def reviewer(client_of: Callable[[str], TestClient], tokens: SimpleNamespace) -> TestClient:
    """A reviewer."""
    return client_of(tokens.reviewer)


@pytest.fixture
def address(runtime: Runtime) -> Iterator[str]:
    """Where a service around the runtime listens, for clients that want a real connection."""
    server = uvicorn.Server(uvicorn.Config(create_app(runtime), port=0, lifespan="off", ws="none", log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def node_packages(tmp_path: Path) -> Callable[..., Path]:
    """Installs npm packages into a folder, and returns it; skips where npm or its registry cannot be reached."""

    def install(*names: str) -> Path:
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("needs npm")
        folder = tmp_path / "node"
        folder.mkdir()
        (folder / "package.json").write_text('{"private": true, "type": "module"}', "utf-8")
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *names]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode and re.search("ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|E40[34]", done.stderr):
            pytest.skip("needs the npm registry, or a mirror that has " + ", ".join(names))
        assert not done.returncode, done.stderr
        return folder

    return install


@pytest.fixture(scope="session")
def accept() -> Callable[..., list[Any]]:
    """Scores and keeps reports without HTTP."""

    def run(store: Store, scorer: Scorer, items: Sequence[object], now: datetime, blind_share: float) -> list[Any]:
        return keep(store, scorer, [score(scorer, item, now) for item in items], now, blind_share)

    return run


@pytest.fixture
def report() -> Callable[..., dict[str, Any]]:
    """A report by id and text."""

    def make(report_id: str, text: str | None, **fields: Any) -> dict[str, Any]:
        content = {"text": text, **fields.pop("content", {})}
        return {"report_id": report_id, "content": content, **fields}

    return make
