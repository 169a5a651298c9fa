"""`python -m api.keys`: make, list, rotate and revoke API keys, on the database that the environment names.

`tunerd keys` is the same on one's own machine; in a container, `docker compose exec api python -m api.keys …`.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

import typer

from api.settings import load_settings
from api.terminal import Command
from store.api_keys import ORDINARY_SCOPES, Scope, Token
from store.database import Database
from store.errors import StoreError
from store.models_keys import ApiKey
from store.repositories.keys import Keys

app = typer.Typer(add_completion=False, help="API keys: who may use the service, and for what.")

Prefix = Annotated[str, typer.Argument(help="the readable part of the key: tnr_ and twelve digits")]


@app.command()
def create(
    tenant: Annotated[str, typer.Option(help="Owner of the key: everything belongs to one tenant.")],
    name: Annotated[str, typer.Option(help="Name of the key, for people.")] = "",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="Scope that the key allows; may be repeated. All but keys:… if left out."),
    ] = None,
    days: Annotated[float | None, typer.Option(min=0.001, max=36_500, help="Days for which the key is valid.")] = None,
) -> None:
    """Make a key and print it, once."""
    with _keys() as keys:
        lifetime = None if days is None else timedelta(days=days)
        _show_new(*keys.create(tenant, name=name, scopes=scope or ORDINARY_SCOPES, lifetime=lifetime))


@app.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Tenant whose keys are listed; all if left out.")] = None,
) -> None:
    """Show all keys, without their secrets."""
    with _keys() as keys:
        for key in keys.all(tenant):
            scopes = "all" if set(key.scopes) == set(ORDINARY_SCOPES) else ",".join(key.scopes)
            used = f"used {_minute(key.last_used_at)}" if key.last_used_at else "never used"
            typer.echo(f"tnr_{key.prefix}  {key.tenant}  {scopes}  {used}  {_end(key)}  {key.name}".rstrip())


@app.command()
def rotate(
    prefix: Prefix,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=24 * 365, help="Hours for which the old key still works.")
    ] = 24,
) -> None:
    """Make a key like an old one, and let the old one end a little later."""
    with _keys() as keys:
        _show_new(*keys.rotate(prefix, overlap=timedelta(hours=overlap_hours)))


@app.command()
def revoke(prefix: Prefix) -> None:
    """Make a key worthless, within seconds (TUNER_KEY_CACHE_SECONDS)."""
    with _keys() as keys:
        key = keys.revoke(prefix)
        typer.echo(f"tnr_{key.prefix} is revoked")


@contextlib.contextmanager
def _keys() -> Iterator[Keys]:
    _, store = load_settings()
    database = Database(store)
    try:
        with database.unit_of_work() as session:
            yield Keys(session)
    except StoreError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    finally:
        database.close()


def _show_new(key: ApiKey, token: Token) -> None:
    typer.echo(str(token))
    typer.echo(f"tenant {key.tenant}, {_end(key)}; it is shown this once: only its hash is kept", err=True)


def _end(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {_minute(key.revoked_at)}"
    return "never expires" if key.expires_at is None else f"expires {_minute(key.expires_at)}"


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


for _command in app.registered_commands:
    _command.cls = Command  # for each of them, whoever adds one

if __name__ == "__main__":
    app(prog_name="tunerd keys")
