"""Word to other servers: what is signed, who wants what, and one request to an address that may be called."""
