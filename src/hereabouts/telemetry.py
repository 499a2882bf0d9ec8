"""Every metric and every log field once.

Metrics are counted in plain numbers, for they are counted on the hot path, and turned into Prometheus' form when
somebody asks. No label ever carries a user, a room or anything else that a client chose.
"""

from __future__ import annotations

import io
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple, TextIO, cast

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from structlog.typing import EventDict, WrappedLogger


class Measure(NamedTuple):
    """One metric: its name behind `hereabouts_`, its kind, its label if it has one, and what it means."""

    name: str
    kind: Literal["counter", "gauge"]
    label: str | None
    help: str


MEASURES: Final[tuple[Measure, ...]] = (
    Measure("beats_total", "counter", None, "Beats over connections."),
    Measure("http_beats_total", "counter", None, "Beats by HTTP."),
    Measure("joins_total", "counter", None, "Users who came into a room."),
    Measure("leaves_total", "counter", "cause", "Users who left a room, by cause."),
    Measure("frames_total", "counter", "type", "Messages from clients, by type."),
    Measure("errors_total", "counter", "code", "Requests refused, by error code."),
    Measure(
        "old_calls_total", "counter", "call", "Calls to old names, by name; 0 for long: take them out of your proxy."
    ),
    Measure("closes_total", "counter", "code", "Connections that the server closed, by close code."),
    Measure("occupancy_total", "counter", "event", "What happened to resources: occupied, moved, released, refused."),
    Measure("deliveries_total", "counter", None, "Frames written to watchers of rooms and users."),
    Measure("delivered_bytes_total", "counter", None, "Bytes of those frames."),
    Measure(
        "pauses_total", "counter", None, "Times that a connection could not keep up and its frames were held back."
    ),
    Measure("slow_readers_total", "counter", None, "Connections closed because they did not read (4202)."),
    Measure("faults_total", "counter", None, "Errors of the server itself; each is in the log."),
    Measure("journal_rows_total", "counter", "kind", "Rows given to the journal, by kind. Beats are not among them."),
    Measure("journal_lost_rows_total", "counter", None, "Rows that the journal could not keep; 0 unless it is broken."),
    Measure(
        "resolver_answers_total",
        "counter",
        "result",
        "Questions to the resolver of relations, by what came: answered, late, down, lying.",
    ),
    Measure("nodes", "gauge", "state", "Nodes as this one sees them, itself included, by state."),
    Measure("connections", "gauge", None, "Open connections."),
    Measure("sessions", "gauge", None, "Live sessions of this node, lost ones in their grace included."),
    Measure("platform_sessions", "gauge", "platform", "The same by platform; what no policy names may be `other`."),
    Measure("expected_beats_per_second", "gauge", None, "Beats that the policy asks of the live sessions."),
    Measure("holdings", "gauge", None, "Resources' holders, as many as there are."),
    Measure("rooms", "gauge", None, "Rooms that somebody here is in or looks at."),
    Measure("watched_users", "gauge", None, "Users whose cards somebody here looks at, or who are here."),
    Measure("deadlines", "gauge", None, "Deadlines that are filed."),
    Measure(
        "sweep_age_seconds",
        "gauge",
        None,
        "Since when no sweep has been complete. More than the ghost bound is a fault.",
    ),
    Measure("canary_seconds", "gauge", None, "How late the made-up session was last seen to go."),
    Measure("canary_longest_seconds", "gauge", None, "The latest of them. More than a sweep and a window is a fault."),
    Measure(
        "canary_rounds_total",
        "counter",
        None,
        "Made-up sessions that were seen to go; none while degraded.",
    ),
    Measure("canary_missed_total", "counter", None, "Made-up sessions that nobody saw go within ten seconds."),
    Measure("stalled_seconds_total", "counter", None, "How long the event loop stood still beyond a sweep, in all."),
    Measure("longest_stall_seconds", "gauge", None, "The longest such stall."),
    Measure("journal_stored_rows", "gauge", "table", "Rows that each table has, looked at once an hour."),
    Measure("journal_queued_rows", "gauge", None, "Rows that wait to be written."),
    Measure("journal_failing", "gauge", None, "1 while the journal cannot write."),
    Measure("webhook_attempts_total", "counter", "outcome", "Attempts to deliver an event, by outcome."),
    Measure("webhook_waiting", "gauge", "endpoint", "Events that an endpoint has not had."),
    Measure("webhook_dead", "gauge", "endpoint", "Events that were given up; a replay sends them again."),
    Measure("webhook_oldest_age_seconds", "gauge", "endpoint", "How long ago the oldest event that waits happened."),
    Measure("degraded", "gauge", None, "1 while views may be stale."),
    Measure("store_commands_total", "counter", None, "Commands sent to the shared store; 0 without one."),
    Measure("store_gaps_total", "counter", None, "Feeds of the store that were read anew because steps were missed."),
    Measure("store_breaks_total", "counter", None, "Times that the subscription to the store broke or fell deaf."),
    Measure("draining", "gauge", None, "1 while the node asks its clients to move."),
    Measure("build_info", "gauge", "version", "1, with the version as label."),
)
"""Every metric. `docs/metrics.md` has the same list."""

Reading = float | Mapping[Any, float]
"""A value, or values by label."""


class Telemetry:
    """The counters of a node. Attributes are added to directly; labelled ones through a method."""

    def __init__(self) -> None:
        self.beats = 0
        self.http_beats = 0
        self.joins = 0
        self.leaves: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.old_calls: Counter[str] = Counter()
        self.occupancy: Counter[str] = Counter()
        self.deliveries = 0
        self.delivered_bytes = 0
        self.pauses = 0
        self.slow_readers = 0
        self.faults = 0

    def left(self, cause: str) -> None:
        """A member left a room."""
        self.leaves[cause] += 1

    def frame(self, kind: str) -> None:
        """A message of this kind came."""
        self.frames[kind] += 1

    def error(self, code: str) -> None:
        """A request was refused."""
        self.errors[code] += 1

    def close(self, code: int) -> None:
        """A connection was closed by us."""
        self.closes[code] += 1

    def readings(self) -> dict[str, Reading]:
        """What was counted, by the names of `MEASURES`."""
        counted: dict[str, Reading] = {f"{name}_total": value for name, value in vars(self).items()}
        return {**counted, "frames_total": {kind.lower(): count for kind, count in self.frames.items()}}


class _Readings(Collector):
    """Gives Prometheus what a call reads at this moment."""

    def __init__(self, read: Callable[[], Mapping[str, Reading]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        readings = self._read()
        for measure in MEASURES:
            if measure.name in readings:
                yield _family(measure, readings[measure.name])


def _family(measure: Measure, reading: Reading) -> Metric:
    labels = [measure.label] if measure.label else []
    name = f"hereabouts_{measure.name}"
    family: CounterMetricFamily | GaugeMetricFamily
    if measure.kind == "counter":
        family = CounterMetricFamily(name.removesuffix("_total"), measure.help, labels=labels)
    else:
        family = GaugeMetricFamily(name, measure.help, labels=labels)
    values = reading.items() if isinstance(reading, Mapping) else [(None, reading)]
    for label, value in values:
        family.add_metric([str(label)] if labels else [], value)
    return family


def exposition(read: Callable[[], Mapping[str, Reading]]) -> Callable[[], bytes]:
    """A call that gives the metrics in Prometheus' text form, read anew each time."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Readings(read))
    return lambda: generate_latest(registry)


REDACTED: Final = frozenset({"token", "secret", "authorization", "resume", "password", "key", "cookie"})
"""Words that, in the name of a log field, hide its value."""


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Hide what must not be in a log, at any depth. A structlog processor."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: Any) -> Any:
    if not REDACTED.isdisjoint(key.lower().replace("-", "_").split("_")):
        return "[redacted]"
    if isinstance(value, Mapping):
        return {str(inner): _redacted(str(inner), held) for inner, held in value.items()}
    return value


def one_line(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Escape what would break a line or steer a terminal: nobody writes our log but us. A structlog processor."""
    return {
        key: _escaped(value) if isinstance(value, str) and key != "exception" else value for key, value in event.items()
    }


def _escaped(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


class _Tolerant(io.TextIOBase):
    """Text to a stream, or to nowhere: a log on a full disk or into a closed pipe stops no other work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def log_to_stderr(level: str, form: Literal["json", "text"]) -> None:
    """Set logging up, ours and the libraries', for the whole process."""
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        redact,
        one_line,
    ]
    # A traceback shows where, never with which values: they would hold tokens.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    ending: list[Any] = [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
    if form == "text":
        plain = structlog.dev.plain_traceback
        ending = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="at", exception_formatter=plain)
        ]
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Tolerant(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending]
    )
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(formatter)
    logging.basicConfig(handlers=[stream], level=max(least, logging.WARNING), force=True)
