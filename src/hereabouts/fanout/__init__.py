"""To many: from one change in a feed to the bytes that each viewer may have."""
