"""What the operator sets: every key once, with its default, its unit and what it means.

Read from a TOML file and from the environment: the file wins over defaults, the environment over the file, the command
line over all. A key that is not known is an error, wherever it stands. `python -m hereabouts.settings` prints the
tables of `docs/configuration.md`.
"""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from hereabouts.engine.limits import Limits
from hereabouts.engine.policy import CLOCKS, NodeClocks, Policy, PolicyBook
from hereabouts.errors import ConfigError

PREFIX: Final = "HEREABOUTS_"
OWN_VARIABLES: Final = frozenset({"HEREABOUTS_CONFIG", "HEREABOUTS_URL", "HEREABOUTS_API_KEY"})
"""Variables that are no keys: the path of the file itself, and the server that `top` and `sweep` ask."""

Seconds = Annotated[float, Field(ge=0, le=31_536_000)]
Port = Annotated[int, Field(ge=0, le=65_535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class ServerSettings(_Section):
    """Where it listens and who may come."""

    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: Port = Field(default=8765, description="the port to listen on; 0 takes a free one")
    internal_host: str = Field(default="127.0.0.1", description="the address of the internal listener")
    internal_port: Port | None = Field(
        default=None, description="a second listener with `/metrics` and the checks alone"
    )
    console: Literal["internal", "public", "off"] = Field(
        default="internal",
        description="which listener has the console at `/console`; without `internal_port` the first is none",
    )
    public_url: str | None = Field(
        default=None, description="where browsers find this server; its origin is an allowed one"
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(), description="the exact origins of pages that may use this server"
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="addresses or networks whose `X-Forwarded-For` is believed"
    )
    region_header: str | None = Field(
        default=None, description="the header in which a proxy tells the client's region; a token's `region` wins"
    )
    drain_seconds: Seconds = Field(
        default=10, description="over how many seconds a stopping server asks its clients to move"
    )
    ready_needs_store: bool = Field(
        default=False, description="whether `/readyz` fails while the live store is out of reach"
    )
    node: str = Field(default="", description="this node's name, the same after a restart; empty: the host's name")


class LogSettings(_Section):
    """What is told to the operator as it happens."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="the least that is logged")
    format: Literal["json", "text"] = Field(default="json", description="one JSON object a line, or text for people")


class ApiKeySettings(_Section):
    """One API key, as `hereabouts key new` prints it."""

    name: str = Field(description="what the key is called in the log")
    hash: str = Field(description="the SHA-256 of the key in hex")
    scopes: tuple[str, ...] = Field(description="what the key may do: read, write, tokens, metrics, admin:read, admin")
    tenants: tuple[str, ...] = Field(default=("default",), description="the tenants that the key is for")


class AuthSettings(_Section):
    """Which tokens and keys are good."""

    algorithms: tuple[str, ...] = Field(
        default=("HS256",), description="the algorithms of tokens: HS256, ES256, EdDSA, RS256"
    )
    secret: str | None = Field(default=None, description="the HS256 secret; at least 32 random bytes")
    previous_secret: str | None = Field(
        default=None, description="the secret before: verifies while tokens signed with it live"
    )
    jwks_file: str | None = Field(default=None, description="a file with public keys (JWK Set)")
    jwks_url: str | None = Field(default=None, description="an HTTPS address with public keys (JWK Set)")
    signing_key_file: str | None = Field(
        default=None, description="a private key, PEM or JWK, with which tokens are minted"
    )
    signing_key_id: str | None = Field(default=None, description="the `kid` of that key")
    issuer: str | None = Field(default=None, description="the `iss` that tokens must have; needed with a JWK Set")
    audience: str | None = Field(default=None, description="the `aud` that tokens must have; needed with a JWK Set")
    admin_roles: tuple[str, ...] = Field(default=("admin",), description="roles whose tokens may make admin calls")
    default_rooms: dict[str, tuple[Literal["join", "watch"], ...]] = Field(
        default={}, description="rooms that a token without the claim `rooms` may join or watch: pattern → rights"
    )
    default_watch: tuple[str, ...] = Field(
        default=(), description="users that a token without the claim `watch` may watch"
    )
    resolver_url: str | None = Field(
        default=None, description="an HTTPS address of yours that says whom a user may watch; see docs/privacy.md"
    )
    resolver_secret: str | None = Field(default=None, description="sent to it as a bearer token")
    resolver_timeout_seconds: Annotated[float, Field(gt=0, le=30)] = Field(
        default=2, description="an answer that takes longer is none, and grants nothing"
    )
    resolver_cache_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=30, description="an answer is good for so long; then it is asked for again"
    )
    api_keys: tuple[ApiKeySettings, ...] = Field(default=(), description="the API keys of servers")


class JournalSettings(_Section):
    """Where what happened is kept."""

    url: str = Field(
        default="sqlite:///hereabouts.db",
        description="`sqlite:///FILE`, `postgresql://user:password@host/database` (see docs/postgresql.md), "
        'or `"none"`: nothing is kept',
    )
    flush_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=0.05, description="rows are written together so often"
    )
    keep_sessions_days: Annotated[float, Field(ge=0)] = Field(
        default=90, description="ended sessions are kept so long; 0: for ever"
    )
    keep_transitions_days: Annotated[float, Field(ge=0)] = Field(
        default=90, description="the same for changes of status"
    )
    keep_events_days: Annotated[float, Field(ge=0)] = Field(
        default=7, description="the same for events of webhooks, so long they can be replayed"
    )
    keep_occupancies_days: Annotated[float, Field(ge=0)] = Field(
        default=90, description="the same for what happened to resources; what is held is kept as long as it is held"
    )
    keep_audit_days: Annotated[float, Field(ge=0)] = Field(
        default=365, description="what admins did is kept so long; 0: for ever"
    )

    origins: bool = Field(
        default=False, description="whether the address and the program that sessions are reached from are kept"
    )
    keep_origins_days: Annotated[float, Field(gt=0)] = Field(
        default=7, description="and for how long; there is no for ever"
    )

    @property
    def keep_days(self) -> dict[str, float]:
        """How long each class of rows is kept; 0 is for ever."""
        return {
            "sessions": self.keep_sessions_days,
            "transitions": self.keep_transitions_days,
            "occupancies": self.keep_occupancies_days,
            "audit": self.keep_audit_days,
            "events": self.keep_events_days,
            "origins": self.keep_origins_days,
        }


class WebhookSettings(_Section):
    """One server that is told of events."""

    name: str = Field(description="what it is called in the log and in calls; what waits for it is kept under it")
    url: str = Field(description="where it takes events: HTTPS, or on this machine")
    secret: str = Field(description="what its events are signed with: `whsec_` and 24 to 64 random bytes in base64")
    previous_secret: str | None = Field(
        default=None, description="the secret before: signs too, until the receiver knows the new one"
    )
    events: tuple[str, ...] = Field(default=("*",), description="the types of events, as patterns: `user.*`")
    tenants: tuple[str, ...] = Field(default=("*",), description="the tenants, as patterns")
    rooms: tuple[str, ...] = Field(default=("*",), description="the rooms of `room.*` and `member.*`, as patterns")
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = Field(
        default=10, description="how long an attempt may take, answer included"
    )
    allow_private: bool = Field(
        default=False, description="whether it may be plain HTTP and at an address of a private network"
    )


class BackendSettings(_Section):
    """Where what is live is kept."""

    url: str = Field(
        default="memory://",
        description="`memory://`: in this process; for several nodes `valkey://HOST:PORT/0`, "
        "`valkey+sentinel://HOST,HOST/SERVICE` or `valkey+cluster://HOST,HOST`",
    )
    prefix: str = Field(default="hb", min_length=1, description="what every key in the store begins with")


class Settings(BaseSettings):
    """All of it. Raises `ConfigError` by `load` alone; made directly it raises pydantic's error."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__")

    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    journal: JournalSettings = JournalSettings()
    backend: BackendSettings = BackendSettings()
    log: LogSettings = LogSettings()
    webhooks: tuple[WebhookSettings, ...] = ()
    limits: dict[str, Any] = {}
    policy: dict[str, Any] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given wins over the environment; `load` merges the file below both."""
        return (init_settings,)

    @property
    def node_name(self) -> str:
        """The node's name: as set, or the host's."""
        return self.server.node or socket.gethostname()

    def engine_limits(self) -> Limits:
        """The limits in force. Raises `ConfigError`."""
        known = {field.name for field in msgspec.structs.fields(Limits)}
        for key in self.limits:
            if key not in known:
                raise ConfigError(unknown(f"limits.{key}", key, known))
        try:
            return msgspec.convert(self.limits, Limits, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigError(f"limits: {error}") from None

    def book(self) -> PolicyBook:
        """The policies in force. Raises `ConfigError`."""
        return PolicyBook(self.policy)


class _Environment(EnvSettingsSource):
    """The environment, by the rules of pydantic-settings, from a mapping that is given."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._given = {name.lower(): value for name, value in environment.items()}
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given


def load(
    file: Path | None = None, flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings from all their sources; `flags` has the same shape as the file.

    Raises `ConfigError` for a file that cannot be read, a key that is not known and a value that cannot be.
    """
    environment = os.environ if environment is None else environment
    named = environment.get("HEREABOUTS_CONFIG")
    path = file if file is not None else Path(named) if named else None
    merged = _read_toml(path) if path is not None else {}
    variables = _with_files({name: value for name, value in environment.items() if _is_key(name)})
    _check_variables(variables)
    for source in (_Environment(variables)(), flags or {}):
        merged = _merge(merged, source)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise ConfigError("\n".join(_told(error))) from None
    settings.engine_limits()
    for _ in settings.book().combinations():
        pass
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration {path} is not TOML: {error}") from None


def _is_key(name: str) -> bool:
    return name.startswith(PREFIX) and name not in OWN_VARIABLES and not name.startswith("HEREABOUTS_TEST_")


def _with_files(variables: dict[str, str]) -> dict[str, str]:
    """`NAME_FILE` gives NAME the content of a file: how secrets come from a mounted volume."""
    known = {variable(key) for key, *_ in keys()}
    read = dict(variables)
    for name, path in variables.items():
        target = name.removesuffix("_FILE")
        if name == target or name in known or target not in known:
            continue
        if target in variables:
            raise ConfigError(f"{name} and {target} are both set; set one of them")
        try:
            read[target] = Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name} is {path!r}, which cannot be read: {error}") from None
        del read[name]
    return read


def _check_variables(variables: Mapping[str, str]) -> None:
    known = {variable(key) for key, *_ in keys()}
    for name in variables:
        if name not in known and not name.startswith(f"{PREFIX}POLICY__"):
            raise ConfigError(unknown(name, name, known))


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merge(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged


def _told(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        where = ".".join(path)
        if problem["type"] == "extra_forbidden":
            yield unknown(where, path[-1], _names_in(path[:-1]))
            continue
        # A secret is never repeated.
        is_shown = problem["type"] != "missing" and "secret" not in where
        shown = f", not {problem['input']!r:.80}" if is_shown else ""
        yield f"{where}: {problem['msg'][0].lower()}{problem['msg'][1:]}{shown}"


def _names_in(section: list[str]) -> Iterable[str]:
    if not section:
        return Settings.model_fields
    if section[0] == "webhooks":
        return WebhookSettings.model_fields
    return (ApiKeySettings if section[:2] == ["auth", "api_keys"] else _SECTIONS[section[0]]).model_fields


def unknown(where: str, key: str, known: Iterable[str]) -> str:
    """The text for a key that is not known: what may have been meant, or what there is."""
    names = sorted(known)
    near = get_close_matches(key, names, 1)
    return f"{where} is not known" + (f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(names)}")


def variable(key: str) -> str:
    """The environment variable of a key."""
    return PREFIX + key.replace(".", "__").upper()


def keys() -> Iterator[tuple[str, Any, str]]:
    """Every key of the file outside `policy`: its name, its default, what it means."""
    for section, model in _SECTIONS.items():
        for name, field in model.model_fields.items():
            yield f"{section}.{name}", field.get_default(), field.description or ""
    yield "webhooks", (), "servers that are told of events, a table `[[webhooks]]` for each; see below"
    for limit in msgspec.inspect.type_info(Limits).fields:  # type: ignore[attr-defined]
        yield f"limits.{limit.name}", limit.default, _meaning(limit.type)


def _meaning(kind: Any) -> str:
    schema = getattr(kind, "extra_json_schema", None) or {}
    return str(schema.get("description", ""))


_SECTIONS: Final[dict[str, type[_Section]]] = {
    "server": ServerSettings,
    "auth": AuthSettings,
    "journal": JournalSettings,
    "backend": BackendSettings,
    "log": LogSettings,
}


def tables() -> str:
    """The keys as Markdown: what `docs/configuration.md` has between its marks."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    lines += [f"| `{key}` | {_shown(default)} | {meaning} |" for key, default, meaning in keys()]
    lines += ["", "| of each `[[webhooks]]` | default | meaning |", "|---|---|---|"]
    for name, field in WebhookSettings.model_fields.items():
        default = "required" if field.is_required() else _shown(field.get_default())
        lines.append(f"| `{name}` | {default} | {field.description} |")
    lines += ["", "| clock or rule | unit | default | may be set for | meaning |", "|---|---|---|---|---|"]
    scopes = {
        "all": "default, tenant, role, platform",
        "rooms": "the same and room kinds",
        "kinds": "the same and kinds of resources",
        "node": "default",
    }
    for clock in CLOCKS:
        source = NodeClocks if clock.scope == "node" else Policy
        default = _shown(getattr(source(), clock.field))
        lines.append(f"| `{clock.key}` | {clock.unit} | {default} | {scopes[clock.scope]} | {clock.help} |")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if value is None or value in ("", (), {}):
        return "–"
    return f"`{msgspec.json.encode(value).decode()}`"


if __name__ == "__main__":
    print(tables())
