"""The rig of the chat tests, for what is seen only with a worker at work."""

from tests.chat.conftest import rig

__all__ = ["rig"]
