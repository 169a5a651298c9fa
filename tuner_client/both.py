"""One definition, two methods: awaited on the client with asyncio, and run to its end on the client without.

A method is written once, as a request or as a coroutine over the client with asyncio. The descriptors here hand it to
the client that it is looked up on, and say to a type checker what comes of it there.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from inspect import signature
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from tuner_client.calls import Call

if TYPE_CHECKING:
    from tuner_client.aio import AsyncClient
    from tuner_client.sync import Client

P = ParamSpec("P")
T = TypeVar("T")


class Both(Generic[P, T]):
    """A method of both clients.

    Args:
        story: what happens, on the client with asyncio.
    """

    def __init__(self, story: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._story = story
        self.__doc__ = story.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[..., Any]: ...
    @overload
    def __get__(self, instance: "AsyncClient", owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, instance: "Client", owner: type) -> Callable[P, T]: ...
    def __get__(self, instance: "AsyncClient | Client | None", owner: type) -> Callable[..., Any]:
        """The method of this client."""
        return self._story if instance is None else _bound(instance._run, self._story)


class BothStreams(Generic[P, T]):
    """A method of both clients that brings one thing after the other.

    Args:
        story: what happens, on the client with asyncio.
    """

    def __init__(self, story: Callable[Concatenate[Any, P], AsyncGenerator[T, None]]) -> None:
        self._story = story
        self.__doc__ = story.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[..., Any]: ...
    @overload
    def __get__(self, instance: "AsyncClient", owner: type) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, instance: "Client", owner: type) -> Callable[P, Iterator[T]]: ...
    def __get__(self, instance: "AsyncClient | Client | None", owner: type) -> Callable[..., Any]:
        """The method of this client."""
        return self._story if instance is None else _bound(instance._iterate, self._story)


def operation(build: Callable[Concatenate[Any, P], Call[T]]) -> Both[P, T]:
    """A method of both clients from what makes its request."""

    async def story(client: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client.send(build(client, *args, **kwargs))

    story.__name__, story.__qualname__, story.__module__ = build.__name__, build.__qualname__, build.__module__
    story.__doc__ = build.__doc__
    known = signature(build)
    (result,) = known.return_annotation.__args__  # the method returns what the request is read as
    story.__signature__ = known.replace(return_annotation=result)  # type: ignore[attr-defined]
    return Both(story)


def _bound(run: Callable[..., Any], story: Callable[..., Any]) -> Callable[..., Any]:
    def method(*args: Any, **kwargs: Any) -> Any:
        return run(story, *args, **kwargs)

    known = signature(story)
    method.__name__, method.__doc__ = story.__name__, story.__doc__
    method.__signature__ = known.replace(parameters=list(known.parameters.values())[1:])  # type: ignore[attr-defined]
    return method
