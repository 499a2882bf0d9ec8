"""The program as an operator uses it: in a process of its own, told what is wrong in a line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

SECRET = "q7Vx2Lk9ZpT4mWc8RbN1yHs6JdG3fAeU"


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEREABOUTS_")}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "200", **more}


def hereabouts(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hereabouts", *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=30,
    )


@contextmanager
def running(folder: Path, *arguments: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "hereabouts", *arguments, "--port", str(port)]
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                        break
                except httpx.TransportError:
                    assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_serve_without_a_key_says_what_to_set_and_stops(tmp_path: Path) -> None:
    done = hereabouts(tmp_path, "serve")
    assert done.returncode == 2
    assert done.stderr.startswith("hereabouts: no key to verify tokens with: set auth.secret")
    assert "Traceback" not in done.stderr


def test_serve_refuses_a_secret_that_can_be_guessed_on_an_open_address(tmp_path: Path) -> None:
    done = hereabouts(tmp_path, "serve", "--host", "0.0.0.0", HEREABOUTS_AUTH__SECRET="changeme" * 5)
    assert done.returncode == 2
    assert "can be guessed" in done.stderr
    assert "changemechangeme" not in done.stderr


def test_dev_refuses_an_open_address(tmp_path: Path) -> None:
    done = hereabouts(tmp_path, "dev", "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "loopback" in done.stderr


@pytest.mark.parametrize("key", ["PORT", "INTERNAL_PORT"])
def test_a_port_that_is_taken_is_told_before_the_node_that_has_it_loses_anything(tmp_path: Path, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"HEREABOUTS_SERVER__PORT": "0", f"HEREABOUTS_SERVER__{key}": str(taken.getsockname()[1])}
        done = hereabouts(tmp_path, "dev", **ports)
        doctor = hereabouts(tmp_path, "doctor", "--dev", **ports, HEREABOUTS_JOURNAL__URL="none")
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1:" in done.stderr
    assert "or take another: --port, server.port or server.internal_port" in done.stderr
    assert not list(tmp_path.iterdir()), "the journal was opened, and with it what another node has"
    assert f"FAIL {key.lower().replace('_', ' ')}: cannot listen on" in doctor.stdout


@pytest.mark.parametrize(
    ("host", "remedy"), [("192.0.2.1", "take an address of this machine"), ("nowhere.invalid", "")]
)
def test_an_address_that_is_not_of_this_machine_is_told(tmp_path: Path, host: str, remedy: str) -> None:
    done = hereabouts(tmp_path, "serve", "--host", host, HEREABOUTS_AUTH__SECRET=SECRET)
    assert done.returncode == 2
    assert f"cannot listen on {host}:8765" in done.stderr
    assert remedy in done.stderr


def test_an_installation_of_the_client_alone_says_how_the_server_is_installed(tmp_path: Path) -> None:
    program = "import sys; sys.modules['typer'] = None; from hereabouts.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith("hereabouts: typer is missing")
    assert "pip install 'hereabouts[server]'" in done.stderr and "Traceback" not in done.stderr


def test_the_version_is_told_by_the_option_that_every_program_has(tmp_path: Path) -> None:
    told = hereabouts(tmp_path, "--version")
    assert (told.returncode, told.stdout) == (0, hereabouts(tmp_path, "version").stdout)


def test_check_config_shows_the_bounds_and_every_fault(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[policy.default]\npreset = "test"\n[policy.roles.admin]\ngrace_seconds = 9\n')
    done = hereabouts(tmp_path, "check-config", "--config", "c.toml")
    assert done.returncode == 1
    assert "5 … 5.8 / 10.8" in done.stdout
    assert "error policy role admin: the shortest lease is 3 s" in done.stdout
    assert "error no key to verify tokens with" in done.stdout
    assert done.stdout.count("default sets ") == 1


def test_a_misspelt_key_is_told_with_what_was_meant(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[server]\nprot = 1\n")
    done = hereabouts(tmp_path, "serve", "--config", "c.toml")
    assert (done.returncode, done.stderr.strip()) == (2, "hereabouts: server.prot is not known; did you mean 'port'?")


def test_doctor_finds_everything_well_where_it_is(tmp_path: Path, port: int) -> None:
    done = hereabouts(tmp_path, "doctor", HEREABOUTS_AUTH__SECRET=SECRET, HEREABOUTS_SERVER__PORT=str(port))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ok") >= 6


def test_doctor_finds_a_journal_that_cannot_be_written(tmp_path: Path) -> None:
    done = hereabouts(tmp_path, "doctor", "--dev", HEREABOUTS_JOURNAL__URL="sqlite:////nowhere/at/all.db")
    assert done.returncode == 1
    assert "FAIL journal" in done.stdout


def test_a_new_key_is_shown_once_with_its_line(tmp_path: Path) -> None:
    done = hereabouts(tmp_path, "key", "new", "backend", "--scope", "read", "--scope", "tokens")
    key, _, line = done.stdout.partition("\n")
    assert key.startswith("hk_")
    assert key not in line
    (tmp_path / "c.toml").write_text(line)
    assert hereabouts(tmp_path, "check-config", "--dev", "--config", "c.toml").returncode == 0


def test_a_token_is_good_at_the_server_that_has_the_secret(tmp_path: Path, port: int) -> None:
    (tmp_path / "c.toml").write_text(f'[auth]\nsecret = "{SECRET}"\ndefault_watch = ["*"]\n[journal]\nurl = "none"\n')
    token = hereabouts(tmp_path, "token", "ada", "--config", "c.toml", "--role", "agent").stdout.strip()
    with running(tmp_path, "serve", "--config", "c.toml", port=port):
        url = f"http://127.0.0.1:{port}/v1/users/ada"
        assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}).json()["user_id"] == "ada"
        assert httpx.get(url, headers={"Authorization": "Bearer dev:ada"}).status_code == 401


def test_serve_logs_json_and_stops_with_0(tmp_path: Path, port: int) -> None:
    (tmp_path / "c.toml").write_text(f'[auth]\nsecret = "{SECRET}"\n[server]\ndrain_seconds = 0.1\ninternal_port = 0\n')
    with running(tmp_path, "serve", "--config", "c.toml", port=port) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    events = {line["event"]: line for line in lines if line["event"] != "settings"}
    assert list(events) == ["open", "serving", "drain", "closed"]
    assert events["serving"]["url"] == f"http://127.0.0.1:{port}"
    assert int(events["serving"]["internal_url"].removeprefix("http://127.0.0.1:")) not in (0, port)
    assert SECRET not in (tmp_path / "log").read_text()


def test_the_documents_are_printed(tmp_path: Path) -> None:
    assert json.loads(hereabouts(tmp_path, "openapi").stdout)["openapi"].startswith("3.1")
    assert json.loads(hereabouts(tmp_path, "asyncapi").stdout)["asyncapi"].startswith("3.")


def test_migrate_tells_the_version_of_the_tables(tmp_path: Path) -> None:
    assert hereabouts(tmp_path, "migrate", "up").returncode == 0
    done = hereabouts(tmp_path, "migrate", "status")
    assert done.returncode == 0
    assert "0001" in done.stdout
    assert hereabouts(tmp_path, "migrate", "sideways").returncode == 2


def test_doctor_leaves_a_report(tmp_path: Path, port: int) -> None:
    done = hereabouts(tmp_path, "doctor", "--dev", "--report", "found.json", HEREABOUTS_SERVER__PORT=str(port))
    told = json.loads((tmp_path / "found.json").read_text())
    assert told["is_ok"] == (done.returncode == 0)
    assert {"settings", "port", "journal"} <= {finding["what"] for finding in told["findings"]}
    assert all(finding["text"] for finding in told["findings"])
