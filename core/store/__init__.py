"""Redis and nothing else: the embedded server, the connection, key names, atomic scripts."""

from core.store import keys
from core.store.connection import Commands, Store, StoreError, translated
from core.store.embedded import EmbeddedRedis

__all__ = ["Commands", "EmbeddedRedis", "Store", "StoreError", "keys", "translated"]
