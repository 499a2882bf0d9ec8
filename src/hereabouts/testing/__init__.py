"""Shipped for tests of our own and of others: contract suites, a manual clock, a fault proxy."""
