"""The messages of a pull, and how they are kept from piling up."""

import pytest

from havre.image.remote.progress import Channel, Message, Row, drawn


async def read(channel: Channel) -> list[Message]:
    return [message async for message in channel.messages()]


async def test_messages_come_in_order() -> None:
    channel = Channel()
    channel.post({"status": "a"})
    Row(channel, "abc").say("Pulling fs layer")
    channel.end()
    assert await read(channel) == [
        {"status": "a"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": "abc"},
    ]


async def test_a_reader_that_lags_gets_the_newest_state_of_each_bar() -> None:
    channel = Channel()
    for current in range(1000):
        channel.post_bar({"status": "Downloading", "progressDetail": {"current": current}, "id": "a"})
        channel.post_bar({"status": "Downloading", "progressDetail": {"current": -current}, "id": "b"})
    channel.end()
    assert [message["progressDetail"]["current"] for message in await read(channel)] == [999, -999]


async def test_a_bar_does_not_overtake_the_words_after_it() -> None:
    channel = Channel()
    row = Row(channel, "a")
    row.bar("Downloading", 10, 10)
    row.say("Download complete")
    row.bar("Extracting", 1, 10)
    channel.end()
    assert [message["status"] for message in await read(channel)] == ["Downloading", "Download complete", "Extracting"]


async def test_a_bar_moves_ten_times_a_second_at_most_but_reaches_its_end() -> None:
    sent: list[int] = []
    channel = Channel()
    channel.post_bar = lambda message: sent.append(message["progressDetail"]["current"])  # type: ignore[method-assign]
    row = Row(channel, "a")
    for current in range(1001):
        row.bar("Downloading", current, 1000)
    assert sent == [0, 1000]


async def test_an_error_comes_after_the_last_message() -> None:
    channel = Channel()
    channel.post({"status": "a"})
    channel.end(ValueError("no"))
    got = []
    with pytest.raises(ValueError, match="no"):
        async for message in channel.messages():
            got.append(message)
    assert got == [{"status": "a"}]


@pytest.mark.parametrize(
    ("current", "total", "text"),
    [
        (0, 0, ""),
        (1500, 0, "   1.5kB"),
        (0, 1000, "[>" + " " * 50 + "]       0B/1kB"),
        (500, 1000, "[" + "=" * 25 + ">" + " " * 25 + "]     500B/1kB"),
        (1000, 1000, "[" + "=" * 50 + ">]      1kB/1kB"),
        (2000, 1000, "[" + "=" * 50 + ">]      2kB"),
    ],
)
def test_bars_are_drawn_as_docker_draws_them(current: int, total: int, text: str) -> None:
    assert drawn(current, total) == text
