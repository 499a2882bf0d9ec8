"""Hereabouts inside a FastAPI application.

    uvicorn examples.fastapi_app:app --ws-ping-interval 0

Hereabouts keeps connections alive by its own leases; the host's pings are not needed. One worker: two would be two
nodes that do not know of each other.
"""

from __future__ import annotations

import os

from fastapi import FastAPI

import hereabouts

presence = hereabouts.asgi(os.environ.get("HEREABOUTS_CONFIG"), is_dev=True)

app = FastAPI(lifespan=presence.lifespan)
app.mount("/presence", presence)


@app.get("/")
def home() -> dict[str, str]:
    """The application's own page."""
    return {"presence": "/presence/v1/ws"}
