"""What `hereabouts doctor` says of a real store of each shape."""

from __future__ import annotations

from pathlib import Path

from hereabouts.doctor import examine
from hereabouts.settings import load
from hereabouts.testing.process import free_port
from hereabouts.testing.valkey import ValkeyServer, valkey_cluster, valkey_sentinel


def said(url: str) -> list[tuple[bool, str]]:
    """What the doctor says of a store."""
    given = {"server": {"port": free_port()}, "journal": {"url": "none"}, "backend": {"url": url}}
    findings = examine(load(None, given, environment={}), is_dev=True)
    return [(finding.is_ok, finding.text) for finding in findings if finding.what == "store"]


def test_one_server_and_what_is_to_be_changed_in_it(store: ValkeyServer) -> None:
    told = said(store.url)
    assert all(is_ok for is_ok, _ in told)
    assert any(text.startswith(f"{store.url} is Valkey 9") and "0 replicas" in text for _, text in told)
    assert store.client.hkeys("hb:nodes") == [b"@generation"], "the nodes would miss one that is called doctor"
    store.order("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        faults = [text for is_ok, text in said(store.url) if not is_ok]
    finally:
        store.order("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert len(faults) == 1 and "set maxmemory-policy to noeviction" in faults[0]


def test_a_cluster_is_looked_at_in_all_its_masters(tmp_path: Path) -> None:
    with valkey_cluster(tmp_path) as cluster:
        told = said(cluster.url)
        assert all(is_ok for is_ok, _ in told)
        texts = " ".join(text for _, text in told)
        assert "the Cluster of 3 masters is ok" in texts
        assert all(f"127.0.0.1:{server.port} is Valkey" in texts for server in cluster.masters)


def test_the_master_is_found_by_its_sentinel(tmp_path: Path) -> None:
    with valkey_sentinel(tmp_path) as (url, _, _):
        told = said(url)
        assert all(is_ok for is_ok, _ in told)
        assert any("with 1 replicas" in text for _, text in told)


def test_an_address_of_the_wrong_shape_is_told(store: ValkeyServer) -> None:
    ((is_ok, text),) = said(store.url.replace("valkey://", "valkey+cluster://").removesuffix("/0"))
    assert not is_ok and "luster" in text
