"""Text as PostgreSQL can store it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hereabouts.journal.postgres_text import escaped, unescaped

TEXTS = st.text(st.sampled_from("\0\1\2\3aé"), max_size=8) | st.text(max_size=20)


@given(TEXTS)
def test_every_text_comes_back_and_none_has_the_character_0(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert "\0" not in escaped(text)


@given(TEXTS, TEXTS)
def test_the_order_stays_and_with_it_what_is_the_same(first: str, second: str) -> None:
    assert (escaped(first) < escaped(second)) == (first < second)
