"""For all tests: the suites that are shipped tell as much of a failure as tests do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("hereabouts.testing")
