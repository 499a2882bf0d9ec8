"""The hands: the only place with tasks and clocks."""
