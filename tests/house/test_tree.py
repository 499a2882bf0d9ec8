"""What stands where in the repository, and what must stand nowhere."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
import typer
from typer.core import TyperGroup

import hereabouts
from hereabouts.cli import app

ROOT: Final = Path(__file__).parents[2]

MIRRORED: Final = ("protocol", "engine", "fanout", "backends", "journal", "auth", "webhooks")

ELSEWHERE: Final = {
    "backends/base.py": "the seam; tests/contract/test_backends.py runs its suite",
    "backends/memory.py": "tests/contract/test_backends.py",
    "backends/opening.py": "tests/unit/test_valkey_parts.py",
    "engine/effects.py": "values only",
    "engine/records.py": "values only; their one rule is in tests/contract/test_backends.py",
    "fanout/kind_stream.py": "tests/unit/test_kind_fan.py",
    "fanout/occupancy.py": "tests/unit/test_kind_fan.py",
    "journal/audit.py": "the seam; tests/contract/test_administration_contract.py",
    "journal/base.py": "the seam; tests/contract runs its suite",
    "journal/cooldowns.py": "tests/contract/test_administration_contract.py",
    "journal/events.py": "tests/contract/test_outbox_contract.py",
    "journal/history.py": "the seam; tests/contract/test_history_contract.py runs its suite",
    "journal/none.py": "tests/contract",
    "journal/occupancies.py": "tests/contract/test_occupancies_contract.py",
    "journal/opening.py": "tests/contract opens each journal by its address",
    "journal/outbox.py": "the seam; tests/contract/test_outbox_contract.py",
    "journal/outbox_lease.py": "the seam; tests/postgres/test_postgres_lease.py",
    "journal/past.py": "tests/contract/test_history_contract.py",
    "journal/personal.py": "tests/contract/test_subjects_contract.py",
    "journal/policies.py": "the seam; tests/contract/test_administration_contract.py",
    "journal/postgres.py": "tests/postgres/test_postgres_contract.py, test_postgres_down.py",
    "journal/postgres_audit.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_cooldowns.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_events.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_examining.py": "tests/unit/test_examining.py",
    "journal/postgres_history.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_holdings.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_lease.py": "tests/postgres/test_postgres_lease.py",
    "journal/postgres_occupancies.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_outbox.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_past.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_relations.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_subjects.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_policies.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_pool.py": "tests/postgres/test_postgres_down.py",
    "journal/postgres_claim.py": "tests/postgres/test_postgres_claim.py",
    "journal/postgres_recovery.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_rows.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_state.py": "tests/postgres/test_postgres_contract.py",
    "journal/postgres_tables.py": "tests/postgres/test_postgres_tables.py",
    "journal/queue.py": "tests/unit/test_row_queue.py",
    "journal/sqlite.py": "tests/contract/test_journal_contract.py, test_sqlite_crash.py, test_sqlite_disk.py",
    "journal/sqlite_audit.py": "tests/contract/test_administration_contract.py",
    "journal/sqlite_cooldowns.py": "tests/contract/test_administration_contract.py",
    "journal/sqlite_events.py": "tests/contract/test_outbox_contract.py",
    "journal/sqlite_file.py": "tests/contract/test_sqlite_file.py",
    "journal/sqlite_occupancies.py": "tests/contract/test_occupancies_contract.py",
    "journal/sqlite_outbox.py": "tests/contract/test_outbox_contract.py",
    "journal/sqlite_policies.py": "tests/contract/test_administration_contract.py",
    "journal/sqlite_history.py": "tests/contract/test_history_contract.py, test_history_limits.py",
    "journal/sqlite_holdings.py": "tests/contract/test_history_contract.py",
    "journal/sqlite_past.py": "tests/contract/test_history_contract.py, tests/world/test_past.py",
    "journal/sqlite_recovery.py": "tests/contract/test_journal_contract.py, test_sqlite_crash.py",
    "journal/queued.py": "tests/contract/test_journal_contract.py",
    "journal/sqlite_relations.py": "tests/contract/test_relations_contract.py",
    "journal/sqlite_rows.py": "tests/contract/test_journal_contract.py",
    "journal/sqlite_state.py": "tests/contract/test_journal_contract.py",
    "journal/sqlite_subjects.py": "tests/contract/test_subjects_contract.py",
    "journal/subjects.py": "the seam; tests/contract/test_subjects_contract.py",
    "protocol/codes.py": "values only; tests/house/test_docs.py compares them with the specification",
    "protocol/messages.py": "values only; tests/unit/test_codec.py reads and writes them",
    "webhooks/addresses.py": "tests/unit/test_webhooks.py",
    "webhooks/endpoints.py": "tests/unit/test_webhooks.py",
    "webhooks/schedule.py": "tests/unit/test_webhooks.py",
    "webhooks/sending.py": "tests/gateway/test_webhooks_sent.py",
    "webhooks/signing.py": "tests/unit/test_webhooks.py",
}
"""Modules without a unit test of their own, and what tests them instead."""


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")


def test_unit_tests_mirror_the_source() -> None:
    modules = {
        f"{folder}/{path.name}"
        for folder in MIRRORED
        for path in (ROOT / "src" / "hereabouts" / folder).glob("*.py")
        if path.name != "__init__.py"
    }
    tests = {path.name.removeprefix("test_") for path in (ROOT / "tests" / "unit").glob("test_*.py")}
    alone = {module for module in modules if module.split("/")[1] not in tests}
    assert alone - set(ELSEWHERE) == set(), "write tests/unit/test_<module>.py, or say in ELSEWHERE what tests it"
    assert set(ELSEWHERE) - modules == set(), "ELSEWHERE names what is no more"


def test_every_test_file_has_a_name_of_its_own() -> None:
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, times in names.items() if times > 1] == []
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_no_host_of_a_registry_and_no_path_of_one_machine_is_named() -> None:
    hosts = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "crates" + ".io"]
    hosts += ["maven" + ".org", "debian" + ".org", "proxy.go" + "lang.org"]
    folders = [f"/{name}/" for name in ("work", "root", "home", "Users")]
    pattern = re.compile("|".join([*map(re.escape, hosts), *(rf"(?<![\w.~}}]){folder}" for folder in folders)]))
    found = [f"{path.relative_to(ROOT)}: {match[0]}" for path in tracked() if (match := pattern.search(text_of(path)))]
    assert found == []


def test_no_secret_and_no_rubbish_is_kept() -> None:
    rubbish = re.compile(r"(\.pyc|\.db|\.db-wal|\.log|\.orig|\.rej|\.swp|\.pem|\.key|\.DS_Store)$")
    assert [path.name for path in tracked() if rubbish.search(path.name)] == []
    private = re.compile(r"PRIVATE KEY-----\s+[\w+/]{40}")
    assert [path.name for path in tracked() if private.search(text_of(path))] == []


def test_every_file_ends_with_a_line() -> None:
    texts = {path: path.read_bytes() for path in tracked() if path.suffix in {".py", ".md", ".toml", ".json", ".sh"}}
    assert [path.name for path, text in texts.items() if text and not text.endswith(b"\n")] == []


def shell_commands() -> set[str]:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    blocks = [block for page in pages for block in re.findall(r"```sh\n(.*?)```", text_of(page), re.DOTALL)]
    return {line.split(" #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()}


def test_the_commands_that_are_told_exist() -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    for command in shell_commands():
        words = command.split()
        if words[0].startswith("scripts/"):
            assert os.access(ROOT / words[0], os.X_OK), command
        if words[0] == "hereabouts":
            assert words[1] in root.commands, command


@pytest.mark.parametrize("name", ["serve", "test", "check", "bench", "install", "lock", "js", "build", "screenshots"])
def test_scripts_are_sound(name: str) -> None:
    script = ROOT / "scripts" / name
    assert os.access(script, os.X_OK)
    assert text_of(script).startswith("#!/bin/sh\n# ")
    subprocess.run(["sh", "-n", script], check=True)


def test_the_lock_pins_every_requirement_with_hashes() -> None:
    lock = text_of(ROOT / "requirements.lock")
    pins = dict(re.findall(r"^([\w.-]+)==[^\n]*((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)", lock, re.MULTILINE))
    assert len(pins) == len(re.findall(r"^[\w.-]+==", lock, re.MULTILINE))
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(line for extra in project["project"]["optional-dependencies"].values() for line in extra),
    ]
    names = {re.split(r"[^\w.-]", line)[0].lower() for line in wanted}
    assert names - {name.lower() for name in pins} == set(), "scripts/lock renews the lock"


def test_public_names_are_there_and_documented() -> None:
    pages = "".join(text_of(page) for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    names = [name for name in hereabouts.__all__ if name != "__version__"]
    assert [name for name in names if not getattr(hereabouts, name).__doc__] == []
    assert [name for name in names if not re.search(rf"\b{name}\b", pages)] == [], "no page of docs/ tells of these"


def test_the_version_is_one() -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    assert project["version"] == hereabouts.__version__


def test_every_part_of_the_runtime_is_on_the_map_once() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    table = page.partition("## What is in runtime/\n")[2].partition("\n## ")[0]
    rows = [row.rpartition(" | ")[2] for row in table.splitlines() if row.startswith("| ") and "`" in row]
    named = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
    files = [path.stem for path in (ROOT / "src" / "hereabouts" / "runtime").glob("*.py") if path.stem != "__init__"]
    assert sorted(named) == sorted(files)
