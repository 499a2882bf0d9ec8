"""For all tests: the suites that are shipped tell as much of a failure as tests do, and a slow machine fails none."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("hereabouts.testing")

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("patient")
