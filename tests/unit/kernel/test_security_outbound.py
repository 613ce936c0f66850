"""The outbound door: which addresses are never dialled, and how a call is bounded."""

import asyncio
import contextlib
import gzip
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from flatrender.security.outbound import (
    DestinationRefused,
    OutboundDoor,
    OutboundError,
    OutboundFailed,
    OutboundTimeout,
    ResponseRefused,
    public_address,
)
from flatrender.security.outbound.addresses import parse_host
from flatrender.security.settings import SecuritySettings

PUBLIC = "93.184.216.34"
OPEN = SecuritySettings(allow_loopback=True)
SHUT = SecuritySettings()

#: Reading the system's authorities takes longer than a test.
TLS = ssl.create_default_context()

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Names:
    """A resolver that answers from a list, one entry a question, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise OSError("no such name")
        return answer


def door_of(settings: SecuritySettings, **options: Any) -> OutboundDoor:
    return OutboundDoor(settings, ssl_context=TLS, **options)


@pytest.fixture
async def dialled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every address that would be dialled; none is."""
    seen: list[tuple[str, int]] = []

    async def sock_connect(_sock: Any, address: tuple[str, int]) -> None:
        seen.append((address[0], address[1]))
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
    return seen


@contextlib.asynccontextmanager
async def server(
    answer: Answer, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on the loopback: its port and the request heads that it got."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await answer(reader, writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1], heads
    finally:
        listening.close()


def plain(body: bytes, *headers: str, status: str = "200 OK", length: bool = True) -> Answer:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
        if length:
            lines.append(f"Content-Length: {len(body)}")
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return answer


REFUSED_LITERALS = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255",  # noqa: S104 - a destination
    "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.8",
    "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1", "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "3fff::1", "fc00::1", "fd12::1",
    "fe80::1", "fec0::1", "ff02::1", "100::1", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("literal", REFUSED_LITERALS)
async def test_special_addresses_are_refused_as_literals_and_behind_names(
    literal: str, dialled: list[tuple[str, int]]
) -> None:
    host = f"[{literal}]" if ":" in literal else literal
    for door, url in (
        (door_of(SHUT, resolver=Names([PUBLIC])), f"http://{host}/"),
        (door_of(SHUT, resolver=Names([literal])), "http://innocent.example/"),
        # One bad address among good ones is enough.
        (door_of(SHUT, resolver=Names([PUBLIC, literal])), "http://innocent.example/"),
    ):
        with pytest.raises(DestinationRefused) as caught:
            await door.request("GET", url, purpose="test")
        if "innocent" in url:  # what a name points to inside is not told
            assert literal not in str(caught.value)
        with pytest.raises(DestinationRefused):
            await door.check_url(url)
        with pytest.raises(DestinationRefused):
            await door.connect(httpx.URL(url).host, 25)
        await door.close()
    assert dialled == []


@pytest.mark.parametrize("address", ["8.8.8.8", PUBLIC, "2606:4700:4700::1111", "2a00:1450::1"])
def test_ordinary_addresses_are_public(address: str) -> None:
    assert public_address(ipaddress.ip_address(address))


@settings(deadline=None)
@given(st.ip_addresses())
def test_whatever_python_calls_private_is_not_public(address: Any) -> None:
    if public_address(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_private


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/",
        "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://017700000001/", "http://127.0.0.1./",
        "http://0/", "http://0x/", "http://127.0.0.01/", "http://1.2.3.4.5/", "http://256.1.1.1/",
        "http://134744072/", "http://8.8.2056/", "http://example.0x7f/",
        "http://１２７.0.0.1/", "http://127。0。0。1/", "http://①②⑦.0.0.1/",
        "http://[::ffff:7f00:1]/", "http://[0:0:0:0:0:ffff:127.0.0.1]/", "http://[fe80::1%25eth0]/",
        "http://[::]/", "http://a..b/", "http://-/",
        "http:///x", "http://", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
        "unix:///run/x", "//example.com/", "example.com", "javascript:alert(1)",
        "http://user@example.com/", "http://user:pw@example.com/", "http://example.com@127.0.0.1/",
        "http://example.com\\@127.0.0.1/", "http://example.com\t/", "http://exa mple.com/",
        "http://example.com/\r\nX: y", "http://example.com:0/", "http://example.com:99999/",
        "http://" + "a" * 64 + ".example/", "http://" + "a." * 130 + "example/",
        "http://example.com/" + "x" * 3000, "http://example.com/a b", "http://example.com/\\x",
    ],
)  # fmt: skip
async def test_unusual_urls_are_refused(url: str, dialled: list[tuple[str, int]]) -> None:
    # Whatever a resolver would say: it calls everything public here.
    door = door_of(SHUT, resolver=Names([PUBLIC]))
    with pytest.raises(DestinationRefused):
        await door.check_url(url)
    with pytest.raises(DestinationRefused):
        await door.request("GET", url, purpose="test")
    await door.close()
    assert dialled == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "ip6-localhost"])
async def test_local_names_are_refused_by_what_they_mean(host: str) -> None:
    door = door_of(SHUT, resolver=Names(["127.0.0.1", "::1"]))
    with pytest.raises(DestinationRefused):
        await door.request("GET", f"http://{host}/", purpose="test")


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "1.2.3"])
def test_number_forms_are_refused_even_where_loopback_is_open(host: str) -> None:
    with pytest.raises(DestinationRefused):
        parse_host(host)


async def test_https_only_is_https_only() -> None:
    door = door_of(SHUT, resolver=Names([PUBLIC]))
    with pytest.raises(DestinationRefused):
        await door.check_url("http://hooks.example/", https_only=True)
    assert await door.check_url("https://hooks.example/x", https_only=True)


async def test_a_name_that_does_not_resolve_yet_may_be_saved() -> None:
    door = door_of(SHUT, resolver=Names([]))
    assert await door.check_url("https://later.example/") == "https://later.example/"
    with pytest.raises(OutboundFailed):
        await door.request("GET", "https://later.example/", purpose="test")


async def test_the_address_that_was_checked_is_the_one_that_is_dialled(
    dialled: list[tuple[str, int]],
) -> None:
    # DNS rebinding: the first answer is public, every later one is this machine.
    names = Names([PUBLIC], ["127.0.0.1"])
    door = door_of(SHUT, resolver=names)
    with pytest.raises(OutboundFailed):
        await door.request("GET", "http://rebind.example/", purpose="test")
    assert dialled == [(PUBLIC, 80)]
    assert names.asked == ["rebind.example"]
    with pytest.raises(DestinationRefused):
        await door.request("GET", "http://rebind.example/", purpose="test")
    with pytest.raises(DestinationRefused):
        await door.open_connection("rebind.example", 465, tls=True)
    assert dialled == [(PUBLIC, 80)]


async def test_every_checked_address_gets_its_chance(dialled: list[tuple[str, int]]) -> None:
    door = door_of(SHUT, resolver=Names(["8.8.8.8", "2606:4700:4700::1111", PUBLIC]))
    with pytest.raises(OutboundFailed):
        await door.connect("many.example", 25)
    assert [address for address, _ in dialled] == ["8.8.8.8", "2606:4700:4700::1111", PUBLIC]


async def test_an_answer_comes_back_and_redirects_are_not_followed() -> None:
    elsewhere = plain(b"moved", "Location: http://169.254.169.254/", status="302 Found")
    async with server(elsewhere) as (port, heads):
        names = Names(["127.0.0.1"])
        door = door_of(OPEN, resolver=names)
        url = f"http://hooks.example:{port}/a?b=c"
        answer = await door.request("POST", url, purpose="test", json={"x": 1})
        await door.close()
    assert (answer.status, answer.body) == (302, b"moved")
    assert answer.headers["location"] == "http://169.254.169.254/"
    assert names.asked == ["hooks.example"]
    head = heads[0].decode().lower()
    assert head.startswith("post /a?b=c http/1.1\r\n")
    assert f"host: hooks.example:{port}\r\n" in head
    assert "accept-encoding: identity\r\n" in head
    assert "content-type: application/json\r\n" in head


async def test_loopback_stays_shut_without_the_setting() -> None:
    async with server(plain(b"inside")) as (port, heads):
        door = door_of(SHUT, resolver=Names(["127.0.0.1"]))
        for host in ("127.0.0.1", "[::1]", "name.example"):
            with pytest.raises(DestinationRefused):
                await door.request("GET", f"http://{host}:{port}/", purpose="test")
        assert heads == []


async def test_open_loopback_opens_nothing_else(dialled: list[tuple[str, int]]) -> None:
    for address in ("10.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "0.0.0.0", "::"):  # noqa: S104 - a destination
        door = door_of(OPEN, resolver=Names([address]))
        with pytest.raises(DestinationRefused):
            await door.request("GET", "http://name.example/", purpose="test")
    assert dialled == []


@pytest.mark.parametrize("length", [True, False])
async def test_an_answer_above_its_size_is_cut_off(length: bool) -> None:
    async with server(plain(b"x" * 100_000, length=length)) as (port, _):
        door = door_of(OPEN)
        with pytest.raises(ResponseRefused):
            await door.request("GET", f"http://127.0.0.1:{port}/", purpose="test", max_bytes=99_999)
        fine = await door.request(
            "GET", f"http://127.0.0.1:{port}/", purpose="test", max_bytes=100_000
        )
        assert len(fine.body) == 100_000
        await door.close()


async def test_a_declared_size_above_the_cap_is_refused_before_the_body() -> None:
    release = asyncio.Event()

    async def promise(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        await release.wait()

    async with server(promise) as (port, _):
        door = door_of(OPEN)
        with pytest.raises(ResponseRefused):
            await door.request("GET", f"http://127.0.0.1:{port}/", purpose="test")
        await door.close()
        release.set()


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "x-unknown"])
async def test_a_compressed_answer_is_refused_unopened(encoding: str) -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    async with server(plain(bomb, f"Content-Encoding: {encoding}")) as (port, _):
        door = door_of(OPEN)
        with pytest.raises(ResponseRefused):
            await door.request("GET", f"http://127.0.0.1:{port}/", purpose="test")
        await door.close()


async def test_the_whole_call_has_one_deadline() -> None:
    release = asyncio.Event()

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not release.is_set():  # always some byte within any read timeout
            writer.write(b"x")
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(release.wait(), 0.02)

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await release.wait()

    for answer in (drip, silent):
        async with server(answer) as (port, _):
            door = door_of(OPEN)
            with pytest.raises((OutboundTimeout, httpx.ReadTimeout)):
                await door.request("GET", f"http://127.0.0.1:{port}/", purpose="test", timeout=0.15)
            await door.close()
    release.set()


async def test_errors_are_httpx_errors_for_libraries_that_stand_on_it() -> None:
    door = door_of(SHUT, resolver=Names(["10.0.0.1"]))
    async with httpx.AsyncClient(
        transport=door.transport(purpose="oauth"), trust_env=False
    ) as client:
        with pytest.raises(httpx.TransportError) as caught:
            await client.get("https://accounts.example/.well-known/openid-configuration")
    assert isinstance(caught.value, OutboundError)
    await door.close()


# TLS


class Authority:
    """A certificate authority of one test, and contexts for both ends."""

    def __init__(self, folder: Path, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, SHA256())
        )
        pem = folder / "certificate.pem"
        pem.write_bytes(
            certificate.public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        self.names: list[str | None] = []
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server.load_cert_chain(pem)
        self.server.sni_callback = lambda _ssl, name, _context: self.names.append(name)
        self.client = ssl.create_default_context(cafile=str(pem))


async def test_tls_is_for_the_name_while_the_address_is_the_checked_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "hooks.example")
    async with server(plain(b"safe"), authority.server) as (port, heads):
        door = OutboundDoor(OPEN, resolver=Names(["127.0.0.1"]), ssl_context=authority.client)
        answer = await door.request("GET", f"https://hooks.example:{port}/", purpose="test")
        assert answer.body == b"safe"
        assert b"hooks.example" in heads[0]
        with pytest.raises(httpx.ConnectError):
            await door.request("GET", f"https://other.example:{port}/", purpose="test")
        reader, writer = await door.open_connection("hooks.example", port, tls=True)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"safe" in await reader.read()
        writer.close()
        with pytest.raises(OutboundFailed):
            await door.open_connection("other.example", port, tls=True)
        await door.close()
    assert authority.names == ["hooks.example", "other.example", "hooks.example", "other.example"]


# Proxies


@contextlib.asynccontextmanager
async def proxy(kind: str, login: bytes = b"") -> AsyncIterator[tuple[int, list[bytes]]]:
    """A CONNECT or SOCKS5 proxy that tunnels everything to the port that is asked for, here."""
    wanted: list[bytes] = []
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if kind == "http":
            head = await reader.readuntil(b"\r\n\r\n")
            wanted.append(head.split(b" ")[1])
            if login and login not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                writer.close()
                return
            port = int(wanted[-1].rsplit(b":", 1)[1])
            done = b"HTTP/1.1 200 Connection established\r\n\r\n"
        else:
            methods = await reader.readexactly((await reader.readexactly(2))[1])
            if login:
                assert 2 in methods
                writer.write(b"\x05\x02")
                _, size = await reader.readexactly(2)
                user = await reader.readexactly(size)
                password = await reader.readexactly((await reader.readexactly(1))[0])
                writer.write(b"\x01\x00" if user + b":" + password == login else b"\x01\x01")
            else:
                writer.write(b"\x05\x00")
            kind_of_address = (await reader.readexactly(4))[3]
            size = 4 if kind_of_address == 1 else (await reader.readexactly(1))[0]
            host = await reader.readexactly(size)
            port = int.from_bytes(await reader.readexactly(2), "big")
            named = kind_of_address == 3
            wanted.append(host if named else str(ipaddress.ip_address(host)).encode())
            done = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
        try:
            far = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n" if kind == "http" else b"\x05\x05\0\1")
            writer.close()
            return
        writer.write(done)
        for pair in ((reader, far[1]), (far[0], writer)):
            task = asyncio.create_task(pump(*pair))
            pumps.add(task)
            task.add_done_callback(pumps.discard)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], wanted
    finally:
        listening.close()
        await asyncio.gather(*pumps, return_exceptions=True)


class ProxyNames(Names):
    """Knows the proxy; the rest is answered from the list."""

    async def resolve(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "proxy.inside" else await super().resolve(host, port)


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_named_destination_is_resolved_by_its_proxy(kind: str) -> None:
    async with server(plain(b"through")) as (port, heads), proxy(kind) as (proxy_port, wanted):
        url = f"{kind}://proxy.inside:{proxy_port}"
        names = ProxyNames(["10.10.34.36"])  # what a lying resolver says about blocked names
        settings = SecuritySettings(outbound_proxies={".telegram.example": url})
        door = door_of(settings, resolver=names)
        answer = await door.request("GET", f"http://api.telegram.example:{port}/", purpose="test")
        assert answer.body == b"through"
        assert wanted[0].partition(b":")[0] == b"api.telegram.example"
        assert names.asked == []
        assert b"api.telegram.example" in heads[0]
        # A look-alike and an address are not the named destination.
        for other in ("eviltelegram.example", "telegram.example.evil"):
            with pytest.raises(DestinationRefused):
                await door.request("GET", f"http://{other}:{port}/", purpose="test")
        await door.close()


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_all_the_rest_is_checked_here_and_dialled_by_address(kind: str) -> None:
    async with server(plain(b"through")) as (port, _), proxy(kind) as (proxy_port, wanted):
        settings = SecuritySettings(outbound_proxies={"*": f"{kind}://proxy.inside:{proxy_port}"})
        door = door_of(settings, resolver=ProxyNames([PUBLIC], ["10.0.0.1"]))
        answer = await door.request("GET", f"http://any.example:{port}/", purpose="test")
        assert answer.body == b"through"
        assert wanted[0].partition(b":")[0] == PUBLIC.encode()
        for url in (f"http://any2.example:{port}/", f"http://10.1.1.1:{port}/"):
            with pytest.raises(DestinationRefused):
                await door.request("GET", url, purpose="test")
        assert len(wanted) == 1
        await door.close()


@pytest.mark.parametrize(
    ("kind", "login"), [("http", b"Basic dXNlcjpwQHNz"), ("socks5", b"user:p@ss")]
)
async def test_proxies_with_a_login(kind: str, login: bytes) -> None:
    async with server(plain(b"in")) as (port, _), proxy(kind, login) as (proxy_port, _):
        for password, passes in (("p%40ss", True), ("wrong", False)):
            settings = SecuritySettings(
                outbound_proxies={"a.example": f"{kind}://user:{password}@127.0.0.1:{proxy_port}"}
            )
            door = door_of(settings, resolver=ProxyNames(["127.0.0.1"]))
            call = door.request("GET", f"http://a.example:{port}/", purpose="test")
            if passes:
                assert (await call).body == b"in"
            else:
                with pytest.raises(OutboundError) as caught:
                    await call
                assert "wrong" not in str(caught.value)
            await door.close()
