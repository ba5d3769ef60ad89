"""A scripted engine behind the real door: it notes the verbs it is asked for and answers as told.

    engine = FakeEngine()
    engine.answer("listing.list", [{"Id": "a" * 64}])
    engine.fail("lifecycle.start", NotFound("No such container: x"))
    ...
    assert engine.calls == [("lifecycle.start", {"reference": "x"})]

Each verb has the signature of the real one: a call that does not fit it is an error, and so is a verb that does not
exist.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import fields
from typing import Any

from havre.engine import Engine
from havre.engine.events import Events
from havre.engine.streams import Duplex


class FakeEngine:
    """Stands for ``havre.engine.Engine``. Events are the real ones."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.events = Events()
        self._answers: dict[str, Any] = {}
        self._errors: dict[str, Exception] = {}
        for field in fields(Engine):
            if field.name != "events":
                assert isinstance(field.type, type), field
                setattr(self, field.name, _Group(self, field.name, field.type))

    def answer(self, verb: str, value: Any) -> None:
        """What ``verb`` ("group.name") gives; a function is called with the verb's arguments by name."""
        self._answers[verb] = value

    def fail(self, verb: str, error: Exception) -> None:
        """Let ``verb`` raise."""
        self._errors[verb] = error

    def asked(self, verb: str) -> list[dict[str, Any]]:
        """The arguments of each call of ``verb``, by name."""
        return [arguments for name, arguments in self.calls if name == verb]

    def take(self, verb: str, arguments: dict[str, Any]) -> Any:
        self.calls.append((verb, arguments))
        if verb in self._errors:
            raise self._errors[verb]
        value = self._answers.get(verb)
        return value(**arguments) if callable(value) else value


class _Group:
    def __init__(self, engine: FakeEngine, name: str, real: type) -> None:
        self._engine = engine
        self._name = name
        self._real = real

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._real, name)
        signature = inspect.signature(method)
        verb = f"{self._name}.{name}"

        def arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
            bound = signature.bind(None, *args, **kwargs)
            bound.apply_defaults()
            return dict(list(bound.arguments.items())[1:])

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            value = self._engine.take(verb, arguments(args, kwargs))
            return await value if inspect.isawaitable(value) else value

        async def generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            value = self._engine.take(verb, arguments(args, kwargs))
            if hasattr(value, "__aiter__"):
                async for item in value:
                    yield item
                return
            for item in value or ():
                if isinstance(item, Exception):
                    raise item
                yield item

        def function(*args: Any, **kwargs: Any) -> Any:
            return self._engine.take(verb, arguments(args, kwargs))

        if inspect.iscoroutinefunction(method):
            return coroutine
        return generator if inspect.isasyncgenfunction(method) else function


class FakeSession:
    """An attach or exec whose ``run`` is the function given."""

    def __init__(self, run: Callable[[Duplex], Awaitable[None]], tty: bool = False) -> None:
        self.tty = tty
        self._run = run

    async def run(self, stream: Duplex) -> None:
        await self._run(stream)


class Endless:
    """A stream that gives what it is told and notes that it was closed."""

    def __init__(self, *first: Any) -> None:
        self.items = list(first)
        self.closed = asyncio.Event()

    async def stream(self) -> AsyncIterator[Any]:
        try:
            for item in self.items:
                yield item
            await asyncio.sleep(3600)
        finally:
            self.closed.set()
