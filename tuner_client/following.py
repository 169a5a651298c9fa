"""The state of following a fit over any number of connections: what was seen, and what to ask for next."""

from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from tuner_client.calls import TRIES
from tuner_client.errors import UnexpectedAnswer
from tuner_client.models import Event, FitSummary

STREAM: Final = "text/event-stream"


@dataclass(slots=True)
class Messages:
    """Puts the lines of a stream of server-sent events together."""

    _kind: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, line: str) -> tuple[str, str] | None:
        """Take a line; returns kind and data of a message if one is complete with it."""
        if line:
            name, _, value = line.partition(":")
            if name == "data":
                self._data.append(value.removeprefix(" "))
            elif name == "event":
                self._kind = value.removeprefix(" ")
            return None
        kind, data = self._kind, self._data
        self._kind, self._data = "", []
        return (kind, "\n".join(data)) if data else None


@dataclass(slots=True)
class Following:
    """Feed it the lines of event streams; it remembers where the next one has to go on.

    Attributes:
        after: sequence number of the last event.
        is_over: whether the last event of all has come.
        failures: connections in a row that brought nothing.
    """

    after: int = 0
    is_over: bool = False
    failures: int = 0
    _messages: "Messages" = field(default_factory=lambda: Messages())

    def headers(self) -> dict[str, str]:
        """For the next connection."""
        self._messages = Messages()
        return {"Accept": STREAM} | ({"Last-Event-ID": str(self.after)} if self.after else {})

    def feed(self, line: str) -> Event | None:
        """Take a line of the stream; returns an event if one is complete with it.

        Raises:
            UnexpectedAnswer: if what is complete is no event.
        """
        if (message := self._messages.feed(line)) is None:
            return None
        text = message[1]
        try:
            event = Event.model_validate_json(text, strict=True)
        except ValidationError:
            raise UnexpectedAnswer(f"the stream holds no event: {text[:100]!r}") from None
        if event.seq <= self.after:
            return None  # seen before the connection broke
        self.after, self.is_over, self.failures = event.seq, event.is_final, 0
        return event

    def pause_after_failure(self) -> float | None:
        """Seconds to wait before the next connection, or None if there is no hope."""
        self.failures += 1
        return None if self.failures >= TRIES else 0.2 * 2.0**self.failures


def change_of(kind: str, data: str) -> FitSummary | None:
    """What a message of the stream of all fits says: a fit, or None where it says that the stream stands.

    Raises:
        UnexpectedAnswer: if it is neither.
    """
    if kind == "hello":
        return None
    try:
        return FitSummary.model_validate_json(data, strict=True)
    except ValidationError:
        raise UnexpectedAnswer(f"the stream holds no fit: {data[:100]!r}") from None
