"""What laying out and rendering an answer costs: CPU per answer of 1,000 to 1,000,000 characters in 2,000 deltas.

every delta    the Layout is asked for Segments after each of the 2,000 deltas: an upper bound, no Reply does that
as edited      the Layout is asked 80 times and what changed is rendered 40 times, as for an answer of 30 seconds
whole          all Segments of the finished answer are rendered once, with nothing remembered
parser alone   markdown-it-py parses the text once, the least that anybody can do who reads all of it

The shares are of "as edited", measured with a profile: the parse (markdown-it-py and what is made of its tokens), the
writing for the wire and its measure, the split and the outline it reads. Times are CPU times, the least of three runs.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Callable
from dataclasses import dataclass

from markdown_it import MarkdownIt

from adapters.discord import markdown as discord
from adapters.slack import markdown as slack
from core.chat import Segment
from core.replies import Draft, Layout, healed
from core.replies.draft import Controls

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
SIZES = (1_000, 10_000, 100_000, 1_000_000)
DELTAS = 2_000
LAYOUTS, EDITS = 80, 40

_PART = """\
## Heading {n}

Some **bold** text with `code` and a [link](https://example.com/a{n}) that goes on for a while, as answers do, with
several lines. It has *emphasis* too, and a number: {n}.

- item one with **bold**
- item two with `code`
  - a nested item, number {n}

```python
def answer_{n}(x: int) -> int:
    return x + {n} if x < {n} else 0
```

1. first
2. second, which is longer than the first one was

| name | value |
|---|--:|
| row {n} | {n} |
| **total** | 12 |

A plain paragraph of words that says little at some length and holds no markup at all, as most of them do.

"""


@dataclass(frozen=True, slots=True)
class Platform:
    name: str
    limit: int
    measure: Callable[[str], int]
    render: Callable[[Segment], object]
    forget: Callable[[], None]

    def layout(self) -> Layout:
        self.forget()
        return Layout(self.limit, self.measure, Controls(stop="s"))


def _forget_slack() -> None:
    slack._chunk.cache_clear()
    slack._rendered.cache_clear()


PLATFORMS = (
    Platform("slack", 3900, slack.wire_size, slack.message, _forget_slack),
    Platform(
        "discord", 2000, discord.measure, lambda one: discord.to_content(healed(one.text)), discord._chunk.cache_clear
    ),
)


def answer(size: int) -> str:
    """Markdown as models write it, each part of it different."""
    parts: list[str] = []
    length = 0
    while length < size:
        parts.append(_PART.format(n=len(parts)))
        length += len(parts[-1])
    return "".join(parts)[:size]


def every_delta(platform: Platform, text: str) -> None:
    layout = platform.layout()
    for number in range(1, DELTAS + 1):
        layout.segments(Draft(text[: len(text) * number // DELTAS]))


def as_edited(platform: Platform, text: str) -> None:
    layout = platform.layout()
    shown: list[Segment] = []
    for number in range(1, LAYOUTS + 1):
        segments = layout.segments(Draft(text[: len(text) * number // LAYOUTS], final=number == LAYOUTS))
        if number % (LAYOUTS // EDITS) == 0:
            for segment in segments[max(len(shown) - 1, 0) :]:
                platform.render(segment)
            shown = segments


def whole(platform: Platform, text: str) -> None:
    for segment in platform.layout().segments(Draft(text, final=True)):
        platform.render(segment)


def parser_alone(_: Platform, text: str) -> None:
    _PARSER.parse(text)


def cpu_ms(run: Callable[[Platform, str], None], platform: Platform, text: str, runs: int) -> float:
    times: list[float] = []
    for _ in range(runs):
        began = time.process_time()
        run(platform, text)
        times.append(time.process_time() - began)
    return min(times) * 1000


def shares(platform: Platform, text: str) -> str:
    profile = cProfile.Profile()
    profile.runcall(as_edited, platform, text)
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # not in typeshed
    spent: dict[str, float] = {"all": 0.0, "parse": 0.0, "chunk": 0.0, "split": 0.0}
    for (file, _, name), (_, _, _, cumulative, _) in stats.items():
        key = (file.rpartition("/")[2], name)
        if key == ("rendering.py", "as_edited"):
            spent["all"] = cumulative
        elif key == ("markdown.py", "parse") and "core/replies" in file:
            spent["parse"] = cumulative
        elif key == ("markdown.py", "_chunk"):
            spent["chunk"] = cumulative
    rest = spent["all"] - spent["chunk"]
    parts = {"parse": spent["parse"], "write": spent["chunk"] - spent["parse"], "split, outline, healing": rest}
    return ", ".join(f"{name} {share / spent['all']:.0%}" for name, share in parts.items())


def main() -> None:
    print(f"{'':>8} {'characters':>10} {'every delta':>24} {'as edited':>12} {'whole':>12} {'parser alone':>15}")
    for platform in PLATFORMS:
        for size in SIZES:
            text = answer(size)
            runs = 3 if size <= 100_000 else 1
            ways = (every_delta, as_edited, whole, parser_alone)
            each, edited, once, floor = (cpu_ms(run, platform, text, runs) for run in ways)
            per_delta = f"{each:,.0f} ms ({each * 1000 / DELTAS:,.0f} us a delta)"
            print(
                f"{platform.name:>8} {size:>10,} {per_delta:>24} {edited:>9,.1f} ms {once:>9,.1f} ms {floor:>12,.1f} ms"
            )
        print(f"{platform.name:>8} {'shares':>10} at 10,000 characters: {shares(platform, answer(10_000))}")


if __name__ == "__main__":
    main()
