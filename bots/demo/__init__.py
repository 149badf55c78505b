"""`parley demo`: a local Slack and Discord on one web page, with the unmodified adapters between them and the bot."""

from bots.demo.demo import serve_demo

__all__ = ["serve_demo"]
