"""Celery workers that beat: as long as the main loop turns, which takes messages."""

from typing import Any

from celery import Celery, bootsteps

from store.pulse import BEAT_SECONDS, Pulse, Pulses
from store.settings import StoreSettings


def let_it_beat(app: Celery, role: str) -> Pulse:
    """Make the workers of an application beat; returns the pulse, for work that holds up the main loop."""
    pulse = Pulse(Pulses(StoreSettings()), role)

    class Beat(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
        """Started with every connection to the broker: with the old one, Celery forgets what its timer had to do."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            pulse.start()
            pulse.turn()
            self._entry = consumer.timer.call_repeatedly(BEAT_SECONDS / 2, pulse.turn)

        def stop(self, consumer: Any) -> None:  # noqa: ARG002
            self._entry.cancel()

        def shutdown(self, consumer: Any) -> None:  # noqa: ARG002
            pulse.stop()

    app.steps["consumer"].add(Beat)
    return pulse
