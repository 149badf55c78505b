"""Answers as models write them: whole blocks of markdown, one after the other."""

from __future__ import annotations

from hypothesis import strategies as st

# fmt: off
_WORDS = ["the", "model", "a", "snake_case", "2*3", "$5", "AT&T", "a<b", "それは", "「字」です。", "naïve", "🙂"]
_MARKED = [
    "**bold words**", "*slanted*", "***both***", "_low words_", "~~gone~~", "`code <T>`", "`` a`b ``", "__bold__",
    "これは**太字**です", "$x_1 = 2$", "(*args)", "[1]", "\\*no\\*", "<tag>", "<!here>", "5 * 3", "~5", "un**f**it",
]
# fmt: on

_word = st.sampled_from(_WORDS) | st.sampled_from(_MARKED)
_sentence = st.lists(_word, min_size=1, max_size=9).map(lambda words: " ".join(["So", *words]) + ".")
_paragraph = st.lists(_sentence, min_size=1, max_size=3).map(" ".join)
_heading = st.tuples(st.integers(1, 4), _sentence).map(lambda made: f"{'#' * made[0]} {made[1]}")
_code = st.tuples(
    st.sampled_from(["", "python", "c++"]), st.lists(_sentence | st.just("    x = [1] * 2  # <!here>"))
).map(lambda made: "\n".join([f"```{made[0]}", *made[1], "```"]))


@st.composite
def _list(draw: st.DrawFn) -> str:
    mark = draw(st.sampled_from(["-", "*", "+", "1."]))
    lines = []
    for number, sentence in enumerate(draw(st.lists(_sentence, min_size=1, max_size=4)), 1):
        marker = f"{number}." if mark == "1." else mark
        task = draw(st.sampled_from(["", "", "[ ] ", "[x] "]))
        lines.append(f"{marker} {task}{sentence}")
        lines += [f"{' ' * (len(marker) + 1)}{mark} {inner}" for inner in draw(st.lists(_sentence, max_size=2))]
    return "\n".join(lines)


@st.composite
def _table(draw: st.DrawFn) -> str:
    columns = draw(st.integers(1, 4))
    cell = st.sampled_from([word for word in (*_WORDS, *_MARKED) if "|" not in word]) | st.just("")
    rows = draw(st.lists(st.lists(cell, min_size=columns, max_size=columns), min_size=1, max_size=4))
    head, *rest = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, f"|{'---|' * columns}", *rest])


_quote = st.lists(_sentence, min_size=1, max_size=3).map(lambda lines: "\n".join(f"> {line}" for line in lines))
_block = _paragraph | _heading | _list() | _code | _table() | _quote | st.just("---") | st.just("$$\nx^2 = 1\n$$")

ANSWERS = st.lists(_block, min_size=1, max_size=5).map("\n\n".join)
