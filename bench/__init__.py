"""Benches: what the server does for a second of CPU, beside the least that any server in this language could do."""
