"""The queue of nftables transactions: one at a time, in order, off the event loop, merged when they pile up."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from havre.lib.tasks import TaskOwner


class Commits:
    """Applies transactions (``run`` does one, blocking) one after the other, in order, off the event loop.

    What arrives while one is under way goes into the next together: twenty containers that start at once cost a few
    transactions, not twenty. Should a merged one fail, its parts are tried alone, so that only the culprit's owner
    hears of it.
    """

    def __init__(self, run: Callable[[str], None], executor: Executor, tasks: TaskOwner) -> None:
        self._run = run
        self._executor = executor
        self._tasks = tasks
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._busy = False

    async def apply(self, commands: str) -> None:
        """Return when ``commands`` are in force. Raises ``NftError`` when they were refused; then none of them is."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((commands, done))
        if not self._busy:
            self._busy = True
            self._tasks.start(self._drain(), "firewall commits")
        await done

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        batch: list[tuple[str, asyncio.Future[None]]] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                texts = [text for text, _ in batch]
                results = await loop.run_in_executor(self._executor, _commit, self._run, texts)
                for (_, done), error in zip(batch, results, strict=True):
                    if done.cancelled():
                        continue
                    if error is None:
                        done.set_result(None)
                    else:
                        done.set_exception(error)
        finally:
            # Ended before its time (the daemon stops): nobody is left waiting.
            for _, done in batch + self._waiting:
                done.cancel()
            self._waiting.clear()
            self._busy = False


def _commit(run: Callable[[str], None], texts: list[str]) -> list[Exception | None]:
    try:
        run("".join(texts))
        return [None] * len(texts)
    except Exception as error:
        if len(texts) == 1:
            return [error]
    return [result for text in texts for result in _commit(run, [text])]
