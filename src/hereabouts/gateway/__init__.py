"""The doors: from sockets and requests to the driver, and back."""
