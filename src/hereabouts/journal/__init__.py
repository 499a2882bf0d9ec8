"""The durable record: sessions, transitions, last seen. It hears of transitions, never of beats."""
