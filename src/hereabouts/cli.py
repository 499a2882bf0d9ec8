"""The command line: what one process does, and what is asked of a server that runs."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hereabouts.errors import ConfigError, HereaboutsError
from hereabouts.settings import Settings, load
from hereabouts.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A self-hosted presence server: who is online, idle, away, in which room, typing, last seen.",
)
keys = typer.Typer(no_args_is_help=True, help="API keys of servers.")
app.add_typer(keys, name="key")

Config = Annotated[Path | None, typer.Option("--config", help="the TOML file; also HEREABOUTS_CONFIG")]
Host = Annotated[str | None, typer.Option(help="the address to listen on; wins over the file")]
Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="the port to listen on; wins over the file")]

LOCAL: Final = "http://127.0.0.1:8765"
Url = Annotated[str, typer.Option(envvar="HEREABOUTS_URL", help="the address of the server")]
ApiKey = Annotated[
    str,
    typer.Option(
        "--api-key",
        envvar="HEREABOUTS_API_KEY",
        help="a key of the scope `admin:read` (to sweep: `admin`); the variable keeps it out of the list of processes",
    ),
]

out = Console(highlight=False, soft_wrap=True)


def _flags(host: str | None, port: int | None) -> dict[str, Any]:
    given = {"host": host, "port": port}
    return {"server": {key: value for key, value in given.items() if value is not None}}


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        version()
        raise typer.Exit


@app.callback()
def program(
    _: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    """Take what stands before the command."""


@app.command()
def serve(config: Config = None, host: Host = None, port: Port = None) -> None:
    """Serve for production. Stops on SIGTERM: asks its clients to move, keeps their sessions, exits with 0."""
    from hereabouts.serving import run

    run(load(config, flags := _flags(host, port)), read=lambda: load(config, flags))


@app.command()
def dev(config: Config = None, host: Host = None, port: Port = None) -> None:
    """Serve on this machine alone, with a demo page; the token `dev:ada` is user ada."""
    from hereabouts.serving import run

    run(load(config, flags := _flags(host, port)), is_dev=True, read=lambda: load(config, flags))


@app.command("check-config")
def check_config(
    config: Config = None, is_dev: Annotated[bool, typer.Option("--dev", help="check for `dev`")] = False
) -> None:
    """Say what is wrong, which rule wins for whom, and how late anybody is shown as gone. Exits with 1 on errors."""
    from hereabouts.checks import check_settings

    settings = load(config)
    found = check_settings(settings, is_dev=is_dev)
    out.print(_bounds(settings))
    for origin in _origins_of_values(settings):
        out.print(origin)
    for warning in found.warnings:
        out.print(f"[yellow]warning[/] {escape(warning)}")
    for error in found.errors:
        out.print(f"[red]error[/] {escape(error)}")
    if found.errors:
        raise typer.Exit(1)
    out.print("[green]ok[/]")


def _bounds(settings: Settings) -> Table:
    from hereabouts.engine.relations import ghost_bound

    table = Table(
        "for", "beat", "lease", "grace", "silent: gone within", "closed: gone within", title="The ghost bound (s)"
    )
    book = settings.book()
    for name, policy in book.combinations():
        bound = ghost_bound(policy, book.node, policy.fanout_window_seconds)
        hidden_beat = "pause" if policy.beat_hidden_seconds is None else f"{policy.beat_hidden_seconds:g}"
        table.add_row(
            escape(name),
            f"{policy.beat_visible_seconds:g} / {hidden_beat}",
            f"{policy.lease_visible_seconds:g} / {policy.lease_hidden_seconds:g}",
            f"{policy.grace_seconds:g}",
            f"{bound.silent_earliest:g} … {bound.silent_visible:g} / {bound.silent_hidden:g}",
            f"{policy.grace_seconds:g} … {bound.closed:g}",
        )
    return table


def _origins_of_values(settings: Settings) -> list[str]:
    """Which layer set what, for whom more than one might have."""
    book = settings.book()
    lines: dict[str, None] = {}  # a preset is a layer of the same name as the one that it is in
    for layer in book.layers:
        where: dict[str, Any] = {} if layer.kind == "default" else {layer.kind: layer.name}
        won = book.explain(**where)
        name = f"{layer.kind} {layer.name}".strip()
        mine = [key for key, winner in won.items() if winner == name]
        lines[f"[bold]{escape(name)}[/] sets {escape(', '.join(mine)) or 'nothing'}"] = None
    return list(lines)


@app.command()
def token(
    user_id: Annotated[str, typer.Argument(help="the user that the token is for")],
    config: Config = None,
    name: Annotated[str | None, typer.Option(help="the name that others see")] = None,
    role: Annotated[str | None, typer.Option(help="the role, as the policy knows it")] = None,
    tenant: Annotated[str | None, typer.Option(help="the tenant")] = None,
    room: Annotated[
        list[str] | None, typer.Option(help="a room, or a pattern, to join and watch; may be repeated")
    ] = None,
    watch: Annotated[list[str] | None, typer.Option(help="a user, or a pattern, to watch; may be repeated")] = None,
    expires_in_seconds: Annotated[int, typer.Option(min=1)] = 3600,
) -> None:
    """Print a token for a user, signed with the configured key."""
    from hereabouts.auth.minting import TokenRequest, minter
    from hereabouts.checks import auth_config

    minting = minter(auth_config(load(config)), time.time)
    if minting is None:
        raise ConfigError("nothing to sign with: set auth.secret, or auth.signing_key_file")
    request = TokenRequest(
        user_id=user_id,
        name=name,
        role=role,
        tenant=tenant,
        rooms=dict.fromkeys(room, ("join", "watch")) if room else None,
        watch=tuple(watch) if watch else None,
        expires_in_seconds=expires_in_seconds,
    )
    typer.echo(minting.mint(request).token)


@keys.command("new")
def new_key(
    name: Annotated[str, typer.Argument(help="what the key is called in the log")],
    scope: Annotated[list[str], typer.Option(help="what it may do; may be repeated")],
    tenant: Annotated[list[str] | None, typer.Option(help="a tenant that it is for; may be repeated")] = None,
) -> None:
    """Print a new API key, once, and the line of the configuration that makes it good."""
    from hereabouts.auth import api_keys

    made = api_keys.new_key(name, scope, tenant or ["default"], secrets.token_bytes)
    typer.echo(f"{made.key}\n\n[auth]\napi_keys = [\n  {made.line},\n]")


@app.command()
def migrate(
    action: Annotated[str, typer.Argument(help="status, up, down or verify")] = "status",
    config: Config = None,
    to: Annotated[int | None, typer.Option(help="the number to go to; default: the newest, or one back")] = None,
) -> None:
    """See or change the version of the journal's tables. `serve` brings them up by itself."""
    from hereabouts.journal.opening import migrations

    runner = migrations(load(config).journal.url)
    actions = {
        "status": runner.status,
        "up": lambda: runner.up(to),
        "down": lambda: runner.down(to),
        "verify": runner.verify,
    }
    if action not in actions:
        raise ConfigError(f"migrate {action!r} is not known; it is one of {', '.join(actions)}")
    for line in actions[action]():
        typer.echo(line)


@app.command("import-last-seen")
def import_last_seen(
    file: Annotated[Path, typer.Argument(help="CSV: user_id, last_seen_at and, if you have it, last_active_at")],
    config: Config = None,
    tenant: Annotated[str, typer.Option(help="whose users they are")] = "default",
) -> None:
    """Bring "last seen" from a table of your own into the journal. Who was seen by Hereabouts stays as is."""
    from hereabouts.importing import import_last_seen as bring
    from hereabouts.journal.opening import open_journal

    url = load(config).journal.url
    if url == "none":
        raise ConfigError('journal.url is "none", which keeps nothing; name a journal to import into')

    async def run() -> None:
        journal = open_journal(url)
        await journal.open()
        try:
            done = await bring(journal, file, tenant)
        finally:
            await journal.close()
        out.print(f"{done.written} users written, {done.known} left as they are")

    asyncio.run(run())


@app.command()
def doctor(
    config: Config = None,
    is_dev: Annotated[bool, typer.Option("--dev", help="check for `dev`")] = False,
    file: Annotated[Path | None, typer.Option("--report", help="write the findings as JSON, too")] = None,
) -> None:
    """Try what serving needs: settings, port, journal, keys, the machine's limits. Exits with 1 if one fails."""
    from hereabouts.doctor import examine, report

    findings = examine(load(config), is_dev=is_dev)
    if file is not None:
        file.write_bytes(report(findings, int(time.time() * 1000)))
    for finding in findings:
        mark = "[green]ok  [/]" if finding.is_ok else "[red]FAIL[/]"
        out.print(f"{mark} {finding.what}: {escape(finding.text)}")
    if not all(finding.is_ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def top(
    api_key: ApiKey,
    url: Url = LOCAL,
    interval_seconds: Annotated[float, typer.Option(min=0.2, help="between two looks")] = 2.0,
    sessions: Annotated[int, typer.Option(min=0, max=500, help="how many sessions to list")] = 20,
    user_id: Annotated[str | None, typer.Option("--user", help="only this user's sessions")] = None,
    room: Annotated[str | None, typer.Option(help="only sessions in this room")] = None,
    is_once: Annotated[bool, typer.Option("--once", help="look once and print it")] = False,
) -> None:
    """Who is here, which rooms are full and how the server is, drawn anew until Ctrl-C."""
    from hereabouts import top as table
    from hereabouts.remote import Remote

    async def run() -> None:
        async with Remote(url, api_key) as remote:
            if is_once:
                look = await remote.look(sessions=sessions, rooms=table.ROOMS, user_id=user_id, room=room)
                out.print(table.drawn(look), soft_wrap=False)
                return
            await table.watch(
                remote, out, interval_seconds=interval_seconds, sessions=sessions, user_id=user_id, room=room
            )

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


@app.command()
def sweep(
    api_key: ApiKey,
    url: Url = LOCAL,
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be done")] = False,
    reason: Annotated[str | None, typer.Option(help="why, for the audit")] = None,
) -> None:
    """Let a server that runs do now what is due, and say what was removed, by cause."""
    from hereabouts.remote import Remote

    async def run() -> None:
        async with Remote(url, api_key) as remote:
            swept = await remote.sweep(is_dry_run=is_dry_run, reason=reason)
        removed = ", ".join(f"{count} by {cause}" for cause, count in sorted(swept.removed.items())) or "nobody"
        out.print(f"{'would be removed' if is_dry_run else 'removed'}: {escape(removed)}")
        out.print(f"{swept.sessions} sessions judged, {swept.lost} newly lost, {swept.ghosts} left by an earlier life")

    asyncio.run(run())


@app.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document of the HTTP calls."""
    from hereabouts.gateway.openapi import openapi_document

    _print_json(openapi_document())


@app.command()
def asyncapi() -> None:
    """Print the AsyncAPI 3 document of the WebSocket messages."""
    from hereabouts.gateway.asyncapi import asyncapi_document

    _print_json(asyncapi_document())


def _print_json(document: dict[str, Any]) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> NoReturn:
    """The program. What the operator can mend is told in a line, without a traceback; exit status 2."""
    try:
        app()
    except HereaboutsError as error:
        for line in str(error).splitlines():
            print(f"hereabouts: {line}", file=sys.stderr)
    sys.exit(2)
