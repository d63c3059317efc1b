"""How a request may come: a head that is bounded, and a body, within their time."""

import asyncio

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from api.connections import BODY_S, HEAD_S, MAX_HEAD_BYTES, Connection

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"


class Wire(asyncio.Transport):
    """The other end of a connection, and the clock of its loop."""

    def __init__(self):
        super().__init__()
        self.said, self.closed, self.timers = b"", False, []
        self.loop = asyncio.get_running_loop()
        self.connection = Connection(
            Config(app, log_config=None),
            ServerState(),
            {},
            _loop=self,  # type: ignore[arg-type]
        )
        self.connection.connection_made(self)

    def call_later(self, seconds, call):
        timer = asyncio.TimerHandle(seconds, call, (), self.loop)
        self.timers.append(timer)
        return timer

    def create_task(self, coroutine):
        return self.loop.create_task(coroutine)

    def write(self, data):
        self.said += data

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def get_extra_info(self, name, default=None):
        return default

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    @property
    def waits(self):
        """After how many seconds each it would be closed."""
        return [timer.when() for timer in self.timers if not timer.cancelled()]

    async def tell(self, *parts):
        for part in parts:
            self.connection.data_received(part)
            for _ in range(5):
                await asyncio.sleep(0)


async def app(scope, receive, send):
    """Reads a body, unless told not to, and answers."""
    if scope["method"] == "POST" and scope["path"] == "/":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def run(*parts):
    """What comes of a connection on which some parts come."""

    async def told():
        wire = Wire()
        await wire.tell(*parts)
        return wire

    return asyncio.run(told())


KIB = b"x" * 1024
CHUNKED = b"POST /unread HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        (ASK, b"A: ", *[KIB] * 100),
        (ASK, *[b"A: " + KIB + b"\r\n"] * 100),
        (b"GET /", *[KIB] * 100),
        (ASK + b"\r\n" + ASK, b"A: ", *[KIB] * 100),
        (CHUNKED, b"0\r\n", b"A: ", *[KIB] * 100),
        (CHUNKED + b"0\r\n", *[b"A: " + KIB + b"\r\n"] * 100),
    ],
    ids=["a header", "headers", "a path", "a second request", "a last header", "last headers"],
)
def test_a_head_of_over_64_kib_is_refused_before_it_is_whole(parts):
    wire = run(*parts[:-20])
    assert wire.said.count(b"HTTP/1.1 431") == 1 and wire.closed
    assert b"431" not in run(*parts[:50]).said


def test_many_requests_and_a_long_body_are_no_long_head():
    body = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 102400\r\n\r\n"
    wire = run(*[ASK + b"\r\n"] * 3_000, body, *[KIB] * 100, ASK, b"\r\n")
    assert wire.said.count(b"HTTP/1.1 200") == 3_002 and not wire.closed
    chunks = [b"4", b"00\r\n", KIB, b"\r\n"] * 100
    wire = run(CHUNKED, *chunks, b"0\r\n", b"A: b\r\n", b"\r\n", ASK, b"\r\n")
    assert wire.said.count(b"HTTP/1.1 200") == 2 and not wire.closed
    assert 3_000 * len(ASK) > MAX_HEAD_BYTES


@pytest.mark.parametrize(
    "parts, seconds",
    [
        ((), HEAD_S),
        ((b"\r\n",), HEAD_S),
        ((b"G", b"E", b"T"), HEAD_S),
        ((ASK, b"A: b\r\n", b"C: d\r\n"), HEAD_S),
        ((POST,), BODY_S),
        ((POST, b"1", b"2"), BODY_S),
        ((POST.replace(b"/ ", b"/unread "), b"1", b"2"), BODY_S),
        ((POST.replace(b"/ ", b"/unread "), b"1234"), HEAD_S),
        ((ASK + b"\r\n", ASK, b"A: b\r\n"), HEAD_S),
        ((ASK + b"\r\n", b"\r\n"), HEAD_S),
    ],
)
def test_who_is_owed_no_answer_has_so_long_to_ask(parts, seconds):
    async def told():
        wire = Wire()
        await wire.tell(*parts)
        (timer,) = (timer for timer in wire.timers if not timer.cancelled())
        assert (timer.when(), wire.closed) == (seconds, False)
        timer._run()
        assert wire.closed

    asyncio.run(told())


def test_who_has_asked_waits_as_long_as_it_takes_and_then_as_uvicorn_says():
    keep_alive_s = Config(app).timeout_keep_alive
    assert run(ASK + b"\r\n").waits == run(POST, b"1234").waits == [keep_alive_s]

    async def while_it_answers():
        wire = Wire()
        wire.connection.data_received(POST + b"1234")
        return wire.waits

    assert asyncio.run(while_it_answers()) == []
