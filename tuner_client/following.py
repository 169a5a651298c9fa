"""The state of following a fit over any number of connections: what was seen, and what to ask for next."""

from dataclasses import dataclass, field

from pydantic import ValidationError

from tuner_client.calls import TRIES
from tuner_client.errors import UnexpectedAnswer
from tuner_client.models import Event


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
    _data: list[str] = field(default_factory=list)

    def headers(self) -> dict[str, str]:
        """For the next connection."""
        self._data.clear()
        return {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(self.after)} if self.after else {})

    def feed(self, line: str) -> Event | None:
        """Take a line of the stream; returns an event if one is complete with it.

        Raises:
            UnexpectedAnswer: if what is complete is no event.
        """
        if line:
            name, _, value = line.partition(":")
            if name == "data":
                self._data.append(value.removeprefix(" "))
            return None
        if not self._data:
            return None
        text = "\n".join(self._data)
        self._data.clear()
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
