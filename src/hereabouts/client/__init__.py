"""The Python client: asyncio, and a synchronous face. Imports nothing of the server but `protocol`."""
