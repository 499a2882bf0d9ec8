"""Live state: ordering and storing records, and no rule of presence."""
