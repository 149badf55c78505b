"""When the table of prices is read: it takes long enough to hold up every answer there is."""

from __future__ import annotations

import json
import subprocess
import sys

BOT = """
import asyncio, json, sys, threading
from bots.bot import Bot
from bots.settings import Settings
from core.store import Store
from core.usage import price_nano_usd

readers = {}

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "genai_prices":
            readers[name] = threading.current_thread() is threading.main_thread()

class Nobody:
    def run(self, *args, **kwargs):
        raise AssertionError("nobody has asked anything")

async def main():
    async with asyncio.timeout(30):
        store = await Store.open(sys.argv[1])
        until = asyncio.Event()
        async with Bot(Settings(_env_file=None), store, Nobody(), [], "openai") as bot:
            running = asyncio.create_task(bot.run(until))
            while "genai_prices.data" not in readers:
                await asyncio.sleep(0.01)
            until.set()
            await running
        await store.aclose()

sys.meta_path.insert(0, Watch())
asyncio.run(main())
known = len(readers)
price = price_nano_usd("openai", "gpt-4o", 1000, 1000)
print(json.dumps({"read": known, "in the loop": sum(readers.values()), "later": len(readers) - known, "price": price}))
"""

COMMAND = """
import sys
from bots.cli import main
sys.argv = ["parley", *sys.argv[1:]]
try:
    main()
finally:
    print([name for name in sys.modules if name.startswith("genai_prices")], file=sys.stderr)
"""


def run(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *words], check=False, capture_output=True, text=True, timeout=50)


def test_the_prices_are_read_beside_the_loop_before_anybody_asks(redis_url: str) -> None:
    """Read at the end of the first answer, they would have all others stand still, on a busy machine for a second."""
    ended = run(BOT, redis_url)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["read"] > 1 and told["in the loop"] == 0
    assert told["later"] == 0, "the first price should find everything there"
    assert told["price"] == 12_500_000


def test_a_command_that_prices_nothing_reads_no_prices() -> None:
    """`parley --help` answers at once."""
    ended = run(COMMAND, "--help")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.strip() == "[]"
