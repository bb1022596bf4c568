"""The OpenAPI document: committed as it is served, followed by the service, and good enough to make clients from."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
Values = st.SearchStrategy[Any]


def test_the_committed_document_is_the_one_served(address: str) -> None:
    served = httpx.get(f"{address}/openapi.json", timeout=120).json()
    assert json.loads(COMMITTED.read_text("utf-8")) == served, "run `make openapi`"


class Following:
    """Makes requests that follow a document."""

    def __init__(self, document: dict[str, Any], known_ids: list[str]) -> None:
        self._schemas = document["components"]["schemas"]
        self._ids = known_ids
        self.operations = [
            (method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()
        ]

    def requests(self) -> Values:
        """Any operation: its method, address, query and body, and the statuses that it documents."""
        return st.sampled_from(self.operations).flatmap(lambda operation: self._request(*operation))

    def _request(self, method: str, path: str, operation: dict[str, Any]) -> Values:
        parameters = operation.get("parameters", [])
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        return st.fixed_dictionaries(
            {
                "method": st.just(method.upper()),
                "path": st.just(path),
                "in_path": self._parameters(parameters, "path"),
                "query": self._parameters(parameters, "query"),
                "body": self.values(body) if body else st.none(),
                "documented": st.just({int(status) for status in operation["responses"]}),
            }
        )

    def _parameters(self, parameters: list[dict[str, Any]], where: str) -> Values:
        mine = [one for one in parameters if one["in"] == where]
        needed = {one["name"]: self.values(one["schema"], one["name"]) for one in mine if one.get("required")}
        others = {one["name"]: self.values(one["schema"], one["name"]) for one in mine if not one.get("required")}
        return st.fixed_dictionaries(needed, optional=others)

    def values(self, schema: dict[str, Any], name: str = "") -> Values:
        """Values that fit a schema; of fields that hold an id, also those that are known."""
        if "$ref" in schema:
            return st.deferred(lambda: self.values(self._schemas[schema["$ref"].rpartition("/")[2]]))
        if "anyOf" in schema:
            return st.one_of([self.values(one, name) for one in schema["anyOf"]])
        if "const" in schema or "enum" in schema:
            return st.sampled_from(schema.get("enum") or [schema["const"]])
        return getattr(self, f"_{schema.get('type', 'any')}")(schema, name)

    def _object(self, schema: dict[str, Any], _: str) -> Values:
        fields = {key: self.values(inner, key) for key, inner in schema.get("properties", {}).items()}
        required = {key: fields.pop(key) for key in schema.get("required", [])}
        return st.fixed_dictionaries(required, optional=fields)

    def _array(self, schema: dict[str, Any], name: str) -> Values:
        items = self.values(schema.get("items", {}), name)
        return st.lists(items, min_size=schema.get("minItems", 0), max_size=min(schema.get("maxItems", 3), 3))

    def _string(self, schema: dict[str, Any], name: str) -> Values:
        if schema.get("format") == "date-time":
            return st.datetimes(timezones=st.just(None)).map(lambda time: f"{time.isoformat()}Z")
        if "pattern" in schema:
            found = st.from_regex(
                re.compile(schema["pattern"].replace("\\x7f", "\\x7f\\ud800-\\udfff")), fullmatch=True
            )
            found = found.filter(lambda text: len(text) <= schema.get("maxLength", 100))
        else:
            characters = st.characters(exclude_categories=["Cs"])
            longest = min(schema.get("maxLength", 30), 30)
            found = st.text(characters, min_size=schema.get("minLength", 0), max_size=longest)
        return found | st.sampled_from(self._ids) if name == "id" or name.endswith("_id") else found

    def _integer(self, schema: dict[str, Any], _: str) -> Values:
        return st.integers(schema.get("minimum"), schema.get("maximum"))

    def _number(self, schema: dict[str, Any], _: str) -> Values:
        return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False)

    def _boolean(self, _schema: dict[str, Any], _: str) -> Values:
        return st.booleans()

    def _null(self, _schema: dict[str, Any], _: str) -> Values:
        return st.none()

    def _any(self, _schema: dict[str, Any], _: str) -> Values:
        return st.none() | st.integers() | st.text(max_size=5)


def known_ids(admin: TestClient, report: Callable[..., Any]) -> list[str]:
    """The ids of a few reports and cases, and of one that is claimed."""
    for i in range(4):
        assert admin.post(
            "/v1/reports", json=report(f"r-{i}", "We will ambush you", content={"id": f"c-{i}"})
        ).is_success
    claimed = admin.post("/v1/queue/claim", json={}).json()
    return ["r-1", "c-1", admin.get("/v1/reports/r-1").json()["case_id"], claimed["case"]["id"], claimed["claim"]["id"]]


def test_what_follows_the_document_is_answered_as_it_says(
    client_of: Callable[[str], TestClient], tokens: SimpleNamespace, report: Callable[..., Any]
) -> None:
    admin = client_of(tokens.admin)
    following = Following(admin.get("/openapi.json").json(), known_ids(admin, report))

    @settings(max_examples=300, suppress_health_check=list(HealthCheck))
    @given(asked=following.requests())
    def check(asked: dict[str, Any]) -> None:
        path = asked["path"]
        for name, value in asked["in_path"].items():
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
        response = admin.request(asked["method"], path, params=asked["query"], json=asked["body"])
        assert response.status_code != 500, response.text
        # An id with a slash in it leads elsewhere.
        assert response.status_code in asked["documented"] or response.status_code in (404, 405), response.text

    check()


USE = """
import createClient from "openapi-fetch";
import type { components, paths } from "./frontline";

const frontline = createClient<paths>({ baseUrl: "http://127.0.0.1:3000", headers: { Authorization: "Bearer fl_x" } });
const report: components["schemas"]["Report"] = { report_id: "r-1", source: "user", content: { text: "hello" } };

const { data, error } = await frontline.POST("/v1/reports", { body: report });
export const lane: "specialist" | "critical" | "high" | "standard" | "low" | undefined = data?.priority.lane;
export const said: string | undefined = error?.error.message;

const params = { query: { explain: "spans" as const } };
const many = await frontline.POST("/v1/score/batch", { body: { reports: [report] }, params });
for (const result of many.data?.results ?? []) if ("error" in result) console.log(result.error.code);

const feed = await frontline.GET("/v1/decisions", { params: { query: { after: 7 } } });
export const cursor: number | undefined = feed.data?.next;

// @ts-expect-error  a report needs its id
await frontline.POST("/v1/reports", { body: { content: {} } });
// @ts-expect-error  there is no such call
await frontline.POST("/v1/remove", {});
"""
OPTIONS = {
    "strict": True,
    "noEmit": True,
    "target": "es2022",
    "module": "esnext",
    "moduleResolution": "bundler",
    "lib": ["es2022", "dom", "dom.iterable"],
    "types": [],
}


@pytest.mark.slow
def test_a_generated_typescript_client_checks(node_packages: Callable[..., Path]) -> None:
    folder = node_packages("openapi-typescript@7", "openapi-fetch@0.17", "typescript@5")
    (folder / "use.ts").write_text(USE, "utf-8")
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS, "files": ["use.ts"]}), "utf-8")
    # What has a default may be left out of a report.
    generate = ["openapi-typescript", str(COMMITTED), "-o", "frontline.ts", "--default-non-nullable", "false"]
    for command in (generate, ["tsc", "-p", "."]):
        given = [shutil.which("npx") or "npx", "--no-install", *command]
        said = subprocess.run(given, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert not said.returncode, said.stdout + said.stderr
