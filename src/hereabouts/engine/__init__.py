"""The decisions: plain synchronous functions and values. No await, no clock, no randomness, no log, no I/O."""
