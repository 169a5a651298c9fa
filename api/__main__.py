"""`python -m api`: serve, unless that would open the service to strangers.

    python -m api [--host HOST] [--port PORT]

Without API keys only this machine's own addresses are bound; anything else has to be asked for by name.
"""

import argparse
from contextlib import suppress

import uvicorn

from api.main import build_app
from api.protocol import protocol_for
from api.settings import load_settings
from api.startable import refuse_strangers
from cage.enter import hide_process

SHUTDOWN_SECONDS = 5  # an open download or event stream would hold the process for ever


def main(arguments: list[str] | None = None) -> None:
    """Serve until a signal comes.

    Raises:
        SystemExit: if a setting is missing or malformed, or the address may not be bound without keys.
    """
    settings, store = load_settings()
    parser = argparse.ArgumentParser(prog="python -m api", description="Serve the HTTP API.")
    parser.add_argument("--host", default=settings.host, help="address to bind (TUNER_HOST)")
    parser.add_argument("--port", type=int, default=settings.port, help="port to bind (TUNER_PORT)")
    chosen = parser.parse_args(arguments)
    refuse_strangers(chosen.host, settings)
    with suppress(OSError):  # the environment has keys; where there is no such thing, it is as before
        hide_process()
    uvicorn.run(
        build_app(settings.model_copy(update={"host": chosen.host, "port": chosen.port}), store),
        host=chosen.host,
        port=chosen.port,
        http=protocol_for(settings),
        timeout_keep_alive=settings.keep_alive_seconds,
        ws="none",  # no route is one: a request to upgrade is answered as the plain request that it also is
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


if __name__ == "__main__":
    main()
