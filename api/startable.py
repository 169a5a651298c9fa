"""`python -m api.startable`: end with a message where the api would refuse to start with this environment.

For whoever would start engines first. Their addresses are not looked at: there are none. What else the
store is told is.
"""

import ipaddress

from api.settings import ApiSettings, load_api_settings


def main() -> None:
    """Look at the environment.

    Raises:
        SystemExit: if a setting is malformed, or the address may not be bound without keys.
    """
    settings = load_api_settings()
    refuse_strangers(settings.host, settings)


def refuse_strangers(host: str, settings: ApiSettings) -> None:
    """End here rather than serve everybody on a network without keys.

    Raises:
        SystemExit: if others can reach the address, keys are not required, and nobody said that this is meant.
    """
    if settings.require_keys or settings.open_without_keys or _is_local(host):
        return
    raise SystemExit(
        f"refusing to listen on {host} without API keys, since whoever can reach it could use it: set "
        "TUNER_REQUIRE_KEYS=1 and make a key (`tunerd keys create`), listen on 127.0.0.1, or set "
        "TUNER_OPEN_WITHOUT_KEYS=1 if a gateway in front of it asks who is there."
    )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main()
