"""Queries about API keys."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from store.api_keys import ORDINARY_SCOPES, TENANT_PATTERN, Scope, Token
from store.errors import InvalidKeyRequest, KeyExpired, KeyNotFound, KeyRevoked, KeyUnknown, TooManyKeys
from store.models_keys import ApiKey

MOST_KEYS = 100  # valid ones of a tenant that were made over HTTP; the command line has no limit
LAST_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyHolder:
    """Whom a key belongs to and what it allows."""

    tenant: str
    prefix: str
    scopes: frozenset[str]
    valid_seconds: float | None  # until it expires; None for ever


class Keys:
    """The api_keys table within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self,
        tenant: str,
        *,
        name: str = "",
        scopes: Collection[str] = ORDINARY_SCOPES,
        lifetime: timedelta | None = None,
    ) -> tuple[ApiKey, Token]:
        """Make a key; the token is to be shown to its owner now, or never.

        Args:
            tenant: 1 to 63 lower-case letters, digits and dashes.
            name: name that the key's owner gave it.
            scopes: scopes that the key allows.
            lifetime: time for which the key is valid; None for ever.

        Raises:
            InvalidKeyRequest: if a tenant cannot be called so, or a scope does not exist.
        """
        if not re.fullmatch(TENANT_PATTERN, tenant):
            raise InvalidKeyRequest(f"the tenant is {tenant!r}: use 1 to 63 of a-z, 0-9 and '-', not starting with '-'")
        unknown = set(scopes) - set(Scope)
        if unknown or not scopes:
            raise InvalidKeyRequest(f"the scopes are {sorted(scopes)}: choose among {', '.join(Scope)}")
        token = Token.new()
        key = ApiKey(
            tenant=tenant,
            name=name,
            prefix=token.prefix,
            secret_sha256=token.sha256(),
            scopes=sorted(scopes),
            expires_at=None if lifetime is None else func.now() + lifetime,
        )
        self._session.add(key)
        self._session.flush()
        return key, token

    def holder(self, token: Token) -> KeyHolder:
        """Who holds this key, if it is good: one indexed query, and a write at most once a minute.

        Raises:
            KeyUnknown: if there is no such key.
            KeyRevoked: if it was revoked.
            KeyExpired: if its time is over.
        """
        left = func.extract("epoch", ApiKey.expires_at - func.now())
        found = self._session.execute(
            select(ApiKey, left, _is_rarely_used()).where(ApiKey.prefix == token.prefix)
        ).one_or_none()
        if found is None or not token.proves(found[0].secret_sha256):
            raise KeyUnknown("there is no such API key: check that it was copied as a whole")
        key, seconds, note_use = found
        if key.revoked_at is not None:
            raise KeyRevoked(f"the API key tnr_{key.prefix} was revoked: use another one")
        if seconds is not None and seconds <= 0:
            raise KeyExpired(
                f"the API key tnr_{key.prefix} expired at {key.expires_at:%Y-%m-%d %H:%M} UTC: use a new one"
            )
        if note_use:
            # Asked again in the statement: of many requests at the same moment one writes.
            self._session.execute(
                update(ApiKey).where(ApiKey.id == key.id, _is_rarely_used()).values(last_used_at=func.now())
            )
        return KeyHolder(
            tenant=key.tenant,
            prefix=key.prefix,
            scopes=frozenset(key.scopes),
            valid_seconds=None if seconds is None else float(seconds),
        )

    def all(self, tenant: str | None = None) -> list[ApiKey]:
        """Every key, or every key of one tenant, oldest first."""
        query = select(ApiKey).order_by(ApiKey.tenant, ApiKey.id)
        return list(self._session.scalars(query if tenant is None else query.filter_by(tenant=tenant)))

    def create_by(
        self, maker_prefix: str, *, name: str, scopes: Collection[str] | None, lifetime: timedelta | None
    ) -> tuple[ApiKey, Token]:
        """Make a key of the same tenant by another key, which gives nothing that it has not: no scope and no time.

        Args:
            maker_prefix: the readable part of the key that makes the new one.
            name: name that the new key's owner gave it.
            scopes: scopes that the new key allows; those of its maker but for the keys' own if None.
            lifetime: time for which the new key is valid; that of its maker if None.

        Returns:
            The new key, and its token, which is to be shown to its owner now, or never.

        Raises:
            KeyRevoked: if the maker has been revoked in the meantime.
            KeyExpired: if the maker's time is over.
            InvalidKeyRequest: if the new key would allow or last more than its maker.
            TooManyKeys: if the tenant has as many valid keys as it may.
        """
        maker = self._locked(maker_prefix)  # those who make keys of one tenant with one key wait for each other
        if maker.revoked_at is not None:
            raise KeyRevoked(f"the API key tnr_{maker.prefix} was revoked: use another one")
        chosen = sorted(set(maker.scopes) & set(ORDINARY_SCOPES)) if scopes is None else sorted(set(scopes))
        if beyond := sorted(set(chosen) - set(maker.scopes)):
            raise InvalidKeyRequest(
                f"the key would allow {', '.join(beyond)}, and tnr_{maker.prefix}, which makes it, does not"
            )
        self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"keys\n{maker.tenant}", 0))))
        if self._valid(maker.tenant) >= MOST_KEYS:
            raise TooManyKeys(f"there are {MOST_KEYS} valid keys, the most that are allowed: revoke some")
        now = self._session.scalars(select(func.now())).one()
        left = None if maker.expires_at is None else maker.expires_at - now
        if left is not None and left <= timedelta(0):
            raise KeyExpired(f"the API key tnr_{maker.prefix} expired: use a new one")
        if left is not None and lifetime is not None and lifetime > left:
            raise InvalidKeyRequest(
                f"the key would be valid for {lifetime.total_seconds():.0f} s, and tnr_{maker.prefix}, which makes it, "
                f"for {left.total_seconds():.0f} s more"
            )
        new, token = self.create(maker.tenant, name=name, scopes=chosen, lifetime=lifetime)
        if lifetime is None:
            new.expires_at = maker.expires_at
            self._session.flush()
        return new, token

    def page(self, tenant: str, *, limit: int, before: str | None) -> list[ApiKey]:
        """Up to `limit` keys of a tenant, newest first, older than the id `before`."""
        query = select(ApiKey).filter_by(tenant=tenant).order_by(ApiKey.id.desc()).limit(limit)
        return list(self._session.scalars(query if before is None else query.where(ApiKey.id < before)))

    def revoke_own(self, tenant: str, key_id: str) -> ApiKey:
        """Make a key of a tenant worthless from now on. Asking again changes nothing.

        Raises:
            KeyNotFound: if the tenant has no such key.
        """
        prefix = self._session.scalar(select(ApiKey.prefix).filter_by(tenant=tenant, id=key_id))
        if prefix is None:
            raise KeyNotFound(f"no key {key_id!r}: GET /keys lists yours")
        return self.revoke(prefix)

    def _valid(self, tenant: str) -> int:
        is_over = or_(ApiKey.revoked_at.is_not(None), ApiKey.expires_at <= func.now())
        query = select(func.count()).where(ApiKey.tenant == tenant, is_over.is_not(True))
        return self._session.scalar(query) or 0

    def revoke(self, prefix: str) -> ApiKey:
        """Make a key worthless from now on. Asking again changes nothing.

        Raises:
            KeyNotFound: if there is none with this prefix.
        """
        key = self._locked(prefix)
        if key.revoked_at is None:
            key.revoked_at = func.now()
            self._session.flush()
        return key

    def rotate(self, prefix: str, *, overlap: timedelta) -> tuple[ApiKey, Token]:
        """Make a key like an old one, which stays valid for a while, so that its users can change over.

        The new one lives for ever unless the old one had a lifetime; then it gets the same again.

        Raises:
            KeyNotFound: if there is none with this prefix.
            InvalidKeyRequest: if it was revoked or has expired: there is nothing to hand over.
        """
        old = self._locked(prefix)
        is_over = self._session.scalar(select(ApiKey.expires_at <= func.now()).where(ApiKey.id == old.id))
        if old.revoked_at is not None or is_over:
            raise InvalidKeyRequest(f"the API key tnr_{old.prefix} is no longer valid: create a new one")
        lifetime = None if old.expires_at is None else old.expires_at - old.created_at
        new = self.create(old.tenant, name=old.name, scopes=old.scopes, lifetime=lifetime)
        # LEAST ignores NULL: a key without an end gets one, and no end is put off.
        old.expires_at = func.least(ApiKey.expires_at, func.now() + overlap)
        self._session.flush()
        return new

    def _locked(self, prefix: str) -> ApiKey:
        readable = prefix.removeprefix("tnr_").partition("_")[0]
        key = self._session.scalar(select(ApiKey).filter_by(prefix=readable).with_for_update())
        if key is None:
            raise KeyNotFound(f"no API key tnr_{readable}: `tunerd keys list` shows all")
        return key


def _is_rarely_used() -> ColumnElement[bool]:
    return or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < func.now() - LAST_USED_EVERY)
