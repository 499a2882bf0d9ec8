"""OpenAPI 3.1 of every call, from the same declarations that serve them."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Struct

from hereabouts.errors import ERROR_CODES
from hereabouts.gateway.admin import ADMIN
from hereabouts.gateway.analytics import ANALYTICS
from hereabouts.gateway.beating import BEATING
from hereabouts.gateway.legacy import OLD_NAMES
from hereabouts.gateway.lookups import LOOKUPS
from hereabouts.gateway.occupying import OCCUPYING
from hereabouts.gateway.problems import Problem
from hereabouts.gateway.relations import RELATIONS
from hereabouts.gateway.sse import EVENTS, EVENTS_TYPE
from hereabouts.gateway.subjects import SUBJECTS
from hereabouts.gateway.webhook_calls import CALLS as WEBHOOKS
from hereabouts.protocol.messages import SERVER_MESSAGES, Member, MemberStatus
from hereabouts.routes import JSON, Call, Nothing
from hereabouts.runtime.callers import Access
from hereabouts.version import __version__

CALLS: Final[tuple[Call[Any, Any], ...]] = (
    *BEATING, *LOOKUPS, EVENTS, *OCCUPYING, *RELATIONS, *SUBJECTS, *ADMIN, *WEBHOOKS, *ANALYTICS, *OLD_NAMES,
)  # fmt: skip

_TEMPLATE: Final = "#/components/schemas/{name}"
_PROBLEM: Final = "application/problem+json"

_SECURITY: Final[dict[Access, list[dict[str, list[str]]]]] = {
    "anybody": [],
    "user": [{"userToken": []}],
    "reader": [{"userToken": []}, {"apiKey": ["read"]}, {"apiKeyHeader": ["read"]}],
    "server": [{"apiKey": ["read"]}, {"apiKeyHeader": ["read"]}],
    "writer": [{"apiKey": ["write"]}, {"apiKeyHeader": ["write"]}],
    "holder": [{"userToken": []}, {"apiKey": ["write"]}, {"apiKeyHeader": ["write"]}],
    "minter": [{"apiKey": ["tokens"]}, {"apiKeyHeader": ["tokens"]}],
    "admin": [{"userToken": []}, {"apiKey": ["admin"]}, {"apiKeyHeader": ["admin"]}],
    "admin:read": [{"userToken": []}, {"apiKey": ["admin:read"]}, {"apiKeyHeader": ["admin:read"]}],
}

_SCHEMES: Final = {
    "userToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A user's token."},
    "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key, `hk_…`; scopes are named as roles."},
    "apiKeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same, in its header."},
}

_ETAG: Final = {"ETag": {"description": "Names what the answer tells.", "schema": {"type": "string"}}}

Json = dict[str, Any]


def openapi_document() -> Json:
    """The document of `/v1/openapi.json`."""
    paths: dict[str, Json] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    for path, summary in _PLAIN.items():
        paths[path] = {"get": _plain(path, summary)}
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Hereabouts",
            "version": __version__,
            "summary": "Presence: who is online, idle, away, in which room, typing, last seen.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": _SCHEMES},
    }


_PLAIN: Final = {
    "/healthz": "The process is alive.",
    "/readyz": "Whether the node is fit for traffic, one line a check.",
    "/metrics": "Prometheus. On the public listener with an API key of the scope `metrics`, in dev without.",
    "/v1/openapi.json": "This document.",
    "/v1/asyncapi.json": "The WebSocket and the event streams, in AsyncAPI.",
}


def _operation(call: Call[Any, Any]) -> Json:
    operation: Json = {
        "operationId": call.name,
        "summary": call.summary,
        "security": _SECURITY[call.access],
        "responses": {str(call.status): _success(call), **_refusals(call)},
    }
    if call.params is not Nothing or call.media_type == EVENTS_TYPE:
        operation["parameters"] = _parameters(call)
    if call.takes_body:
        operation["requestBody"] = _request_body(call)
    if call.told_apart_by is not None:
        operation["parameters"].append(_header("If-None-Match"))
        operation["responses"]["304"] = {"description": "The caller has this answer already.", "headers": _ETAG}
    if call.is_deprecated:
        operation["deprecated"] = True
    return operation


def _parameters(call: Call[Any, Any]) -> list[Json]:
    in_path = set(re.findall(r"{(\w+)}", call.path))
    schema = _resolved(call.params)
    required = set(schema.get("required", ()))
    found: list[Json] = [
        {
            "name": name,
            "in": "path" if name in in_path else "query",
            "required": name in in_path or name in required,
            "schema": _text_schema(held, name in in_path),
        }
        for name, held in schema["properties"].items()
    ]
    if call.media_type == EVENTS_TYPE:
        found.append(_header("Last-Event-ID"))
    return found


def _header(name: str) -> Json:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}


def _text_schema(schema: Json, in_path: bool) -> Json:
    """A parameter is there or not; it is never null."""
    if "anyOf" in schema:
        schema = next(choice for choice in schema["anyOf"] if choice != {"type": "null"})
    return {**schema, "minLength": 1} if in_path else schema


def _request_body(call: Call[Any, Any]) -> Json:
    reference = {"$ref": _TEMPLATE.format(name=call.body.__name__)}
    required = bool(_resolved(call.body).get("required"))
    content = {kind: {"schema": reference if kind == JSON else {"type": "string"}} for kind in call.body_types}
    return {"required": required, "content": content}


def _success(call: Call[Any, Any]) -> Json:
    if call.status == 204:
        return {"description": "Done; there is nothing to say."}
    schema: Json = {"type": "string"}
    if call.answer is not None:
        schema = {"$ref": _TEMPLATE.format(name=call.answer.__name__)}
    others: Json = {kind: {"schema": {"type": "string"}} for kind in call.formats}
    done: Json = {"description": "Done.", "content": {call.media_type: {"schema": schema}, **others}}
    return done if call.told_apart_by is None else {**done, "headers": _ETAG}


def _refusals(call: Call[Any, Any]) -> dict[str, Json]:
    by_status: dict[str, list[str]] = {}
    for code in call.all_codes:
        by_status.setdefault(str(ERROR_CODES[code].status), []).append(code)
    return {
        status: {
            "description": " ".join(f"`{code}`: {ERROR_CODES[code].meaning}" for code in codes),
            "content": {_PROBLEM: {"schema": {"$ref": _TEMPLATE.format(name="Problem")}}},
        }
        for status, codes in sorted(by_status.items())
    }


def _plain(path: str, summary: str) -> Json:
    kind = JSON if path.endswith(".json") else "text/plain"
    schema: Json = {"type": "object"} if kind == JSON else {"type": "string"}
    responses: Json = {"200": {"description": "Done.", "content": {kind: {"schema": schema}}}}
    operation: Json = {"operationId": re.sub(r"\W+", "_", path).strip("_"), "summary": summary, "responses": responses}
    if path == "/readyz":
        responses["503"] = {"description": "Not fit.", "content": responses["200"]["content"]}
    if path == "/metrics":
        operation["security"] = [{}, {"apiKey": ["metrics"]}, {"apiKeyHeader": ["metrics"]}]
        problem = {_PROBLEM: {"schema": {"$ref": _TEMPLATE.format(name="Problem")}}}
        responses.update({status: {"description": "No such key.", "content": problem} for status in ("401", "403")})
    return operation


def _resolved(kind: type[Struct]) -> Json:
    _, components = msgspec.json.schema_components((kind,), ref_template=_TEMPLATE)
    return dict(components[kind.__name__])


def _schemas() -> Json:
    kinds: list[type[Struct]] = [Problem, Member, MemberStatus, *SERVER_MESSAGES]
    for call in CALLS:
        kinds += [call.body] if call.takes_body else []
        kinds += [call.answer] if call.answer is not None else []
    _, components = msgspec.json.schema_components(tuple(dict.fromkeys(kinds)), ref_template=_TEMPLATE)
    return dict(sorted(components.items()))
