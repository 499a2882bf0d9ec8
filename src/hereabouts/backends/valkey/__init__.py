"""Live state in Valkey or Redis, for several nodes. Needs the extra `valkey`."""
