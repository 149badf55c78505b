"""Key names. Everything that one atomic step touches carries one hash tag, so that it lives on one slot.

Sessions are spread over `PARTITIONS` partitions by their ThreadId. The number is part of the stored data's
layout: changing it would lose sight of every stored session, so it is not a setting.

    parley:{p7}:ready                  stream: Sessions that have mail, one entry each
    parley:{p7}:seen:<scope>:<hash>    a platform message that was taken in (24 h), without saying which
    parley:{p7}:s:<thread>:mail        list: Messages waiting, the one being answered first
    parley:{p7}:s:<thread>:meta        hash: counters (`seq`, `fence`), `ready` (its entry on the stream), the stop
                                       mark, when and by whom it began (`began`, `starter`, ...), when it last `heard`
                                       a person, how often its Turn was `handed` over
    parley:{p7}:s:<thread>:lease       string: `<worker>#<fence>` of who serves the Session now
    parley:{p7}:s:<thread>:turn        string: journal of the Turn in progress (which messages it posted)
    parley:{p7}:s:<thread>:history     list: one JSON text per finished Turn, oldest first
    parley:{p7}:usage:<scope>:<day>    hash: the ledger's counters of one day
    parley:alias:<scope>:<hash>        string: hash of the message that a further identity was first met with (24 h)
    parley:{p7}:alive                  string: written to see whether Redis takes writes
    parley:{p0}:workers                sorted set: workers by when their last sign of life runs out
    parley:{p0}:sweep                  string: while it is there, somebody has looked for lost Sessions
    parley:{rate:<scope>}:<bucket>:calls   sorted set: calls to a platform in the running window of one of its budgets
    parley:{rate:<scope>}:<bucket>:alive   sorted set: Replies being written, by the time until which they count
    parley:{rate:<scope>}:<bucket>:apart   sorted set: those of them whose end may come in a message of its own
    parley:{rate:<scope>}:<bucket>:line    sorted set: who waits for a place, by the time he was told
    parley:{rate:<scope>}:<bucket>:state   hash: what is left of the budget, until when the platform has closed it
    parley:{p7}:s:<thread>:last        string: what is needed to answer the newest Turn once more
    parley:{p7}:s:<thread>:places      set: the session's `parley:at:...` keys
    parley:{p7}:s:<thread>:ratings     hash: `of <turn>` says which row of the ledger counts that answer,
                                       `by <turn> <user>` what a person thinks of it
    parley:at:<scope>:<key>            string: which Session a message on the platform belongs to (24 h)
    parley:once:<hash>                 string: while it is there, something is not to be done once more
    parley:mark:<name>                 string: what an adapter wants to find after a restart
    parley:recent:<channel>:<user>     sorted set: the threads in which a person talked to us, by time
"""

from __future__ import annotations

import hashlib
import zlib

from core.ids import ChannelId, ScopeId, ThreadId, UserId

SCHEMA = 1
"""Version of everything stored; part of each JSON value as `v`."""

PARTITIONS = 16


def partition_of(thread_id: ThreadId) -> int:
    return zlib.crc32(thread_id.encode()) % PARTITIONS


def alive(partition: int) -> str:
    return f"parley:{{p{partition}}}:alive"


def ready_stream(partition: int) -> str:
    return f"parley:{{p{partition}}}:ready"


def seen(thread_id: ThreadId, scope: ScopeId, key: str) -> str:
    return f"parley:{{p{partition_of(thread_id)}}}:seen:{scope}:{digest(key)}"


def mark(name: str) -> str:
    return f"parley:mark:{name}"


def once(what: str) -> str:
    return f"parley:once:{digest(what)}"


def alias(scope: ScopeId, key: str) -> str:
    return f"parley:alias:{scope}:{digest(key)}"


def digest(identity: str) -> str:
    """Tells two identities apart without saying which they are."""
    return hashlib.blake2s(identity.encode("utf-8", "replace"), digest_size=16).hexdigest()


SESSION_PARTS = ("mail", "meta", "lease", "turn", "history", "last", "places", "ratings")
"""All keys of a Session; who adds one adds it here, so that it is forgotten with the Session."""


def session_pattern(part: str) -> str:
    """A glob for the `part` of every Session."""
    return f"parley:{{p*}}:s:*:{part}"


def session_thread(key: str) -> ThreadId:
    """The thread of one of its `session` keys."""
    return ThreadId(key.split(":s:", 1)[1].rpartition(":")[0])


def session(thread_id: ThreadId, part: str) -> str:
    return f"parley:{{p{partition_of(thread_id)}}}:s:{thread_id}:{part}"


def usage_day(partition: int, scope: ScopeId, day: str) -> str:
    """day: ISO date, UTC."""
    return f"parley:{{p{partition}}}:usage:{scope}:{day}"


def recent_threads(channel: ChannelId, user: UserId) -> str:
    return f"parley:recent:{channel}:{user}"


def budget(scope: str, bucket: str, part: str) -> str:
    """part: calls, alive, apart, line or state. All budgets of a scope share a slot: one step may draw on several."""
    return f"parley:{{rate:{scope}}}:{bucket}:{part}"


WORKERS = "parley:{p0}:workers"

SWEEP = "parley:{p0}:sweep"


def place(scope: ScopeId, key: str) -> str:
    """key: a platform message, as in `core.chat.Message.keys`."""
    return f"parley:at:{scope}:{key}"


STOP_CHANNEL = "parley:stop"
"""Pub/sub: `<number of the Turn> <thread>` to stop it, `nudge <thread>` for news of it, for the worker that runs it."""
