"""The terminal: the same conversation without a chat platform."""

from adapters.terminal.chat import TerminalAdapter

__all__ = ["TerminalAdapter"]
