"""Answers by Slack's native streaming: the real writer and surface, an emulated Slack that keeps its limits."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.emulators.slack.web_api.streams import is_live
from adapters.emulators.slack.workspace import Message
from adapters.slack import SlackSurface
from adapters.slack.markdown import blocks_of
from core.chat import ToolCall
from core.replies import Draft, MessageRef
from tests.depth import examples
from tests.slack.leaping import Chat, a_chat, leaping

WORDS = "The quick brown fox jumps over the lazy dog, and a < b. "


def text_of(message: Message) -> str:
    """The words of an answer as people see them, without cards and buttons."""
    return "".join(block["text"] for block in message.blocks if block["type"] == "markdown").replace("&lt;", "<")


def buttons(message: Message) -> list[str]:
    return [one["action_id"] for block in message.blocks for one in block.get("elements", ()) if "action_id" in one]


def without_ids(message: Message) -> list[dict[str, object]]:
    return [{key: value for key, value in block.items() if key != "block_id"} for block in message.blocks]


def is_whole(chat: Chat, text: str) -> bool:
    """Whether the thread shows the answer once, and nothing of it looks unfinished."""
    live = [message for message in chat.answers if message.stream and is_live(chat.slack.core, message.stream)]
    return bare("".join(map(text_of, chat.answers))) == bare(text) and not live


def bare(text: str) -> str:
    """White space at the ends of lines and messages is nobody's business."""
    return "".join(text.split())


@pytest.mark.parametrize("place", ["general", "dm"])
def test_an_answer_grows_natively_and_ends_with_its_buttons(place: str) -> None:
    """No edit, one message, and nothing in it that an edit would not show."""

    async def story() -> None:
        async with a_chat(place=place) as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, WORDS * 8)
            assert await chat.ends(reply, task, Draft(text, final=True, retry=True)) == "shown"
            assert is_whole(chat, text)
            assert len(chat.answer.history) > 5
            assert buttons(chat.answer) == ["parley_retry"]
            assert chat.answer.metadata is not None and chat.answer.edited is None
            assert chat.count("chat.update") == chat.count("chat.postMessage") == 0
            assert not any(
                chat.errors(method) for method in ("chat.startStream", "chat.appendStream", "chat.stopStream")
            )

    leaping(story)


def test_channels_keep_to_edits_where_only_direct_messages_stream() -> None:
    """In a channel nobody but the person who asked sees a stream grow."""

    async def story() -> None:
        async with a_chat("direct") as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, WORDS)
            assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert is_whole(chat, text) and chat.count("chat.startStream") == 0

    leaping(story)


def test_a_stream_is_handed_over_to_edits_before_slack_ends_it_after_five_minutes() -> None:
    """Scenario 13: native stream dies at 5 minutes total. The same message goes on, and nothing is lost."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, WORDS * 20, size=28, every_s=10.0)
            assert chat.answer.stream and chat.answer.stream.ended
            assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert is_whole(chat, text)
            assert not chat.errors("chat.appendStream") and not chat.errors("chat.stopStream")
            assert not chat.errors("chat.update")

    leaping(story)


def test_a_stream_is_ended_in_time_also_when_nothing_comes() -> None:
    """Scenario 13: native stream dies at 5 minutes idle. A tool takes six minutes, then the answer goes on."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, WORDS)
            reply.show(Draft(text, tools=(ToolCall("1", "search"),), status="_Using search…_"))
            await chat.passes(360)
            assert chat.answer.stream and chat.answer.stream.ended
            text = await chat.says(reply, WORDS * 3, text)
            assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert is_whole(chat, text)
            assert not chat.errors("chat.appendStream") and not chat.errors("chat.stopStream")

    leaping(story)


@pytest.mark.parametrize(("lifetime_s", "idle_s"), [(100.0, 300.0), (300.0, 60.0)])
def test_a_stream_that_slack_ends_early_goes_on_by_edits(lifetime_s: float, idle_s: float) -> None:
    """Scenario 13, should Slack be less patient one day: the edit repairs the same message."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            chat.slack.settings.stream_lifetime_s, chat.slack.settings.stream_idle_s = lifetime_s, idle_s
            text = await chat.says(reply, WORDS)
            await chat.passes(110)
            text = await chat.says(reply, WORDS * 4, text)
            assert chat.errors("chat.appendStream") == ["message_not_in_streaming_state"]
            assert text_of(chat.answer).startswith(text[:-60])
            assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert is_whole(chat, text)

    leaping(story)


def test_an_end_that_comes_too_late_is_made_up_for_by_an_edit() -> None:
    """Slack has ended the stream between the last piece and the end."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, WORDS)
            chat.slack.settings.stream_lifetime_s = 1
            assert await chat.ends(reply, task, Draft(text, final=True, retry=True)) == "shown"
            assert is_whole(chat, text) and buttons(chat.answer) == ["parley_retry"]

    leaping(story)


def test_a_stream_that_is_refused_for_a_while_waits_and_loses_nothing() -> None:
    """429 on append: no call before its time is over, then all of it."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, WORDS)
            chat.slack.rate_limit("chat.appendStream", 30, 30)
            text = await chat.says(reply, WORDS * 4, text)
            assert len(chat.errors("chat.appendStream")) == 1
            assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert is_whole(chat, text)
            assert not chat.slack.calls_during_wait

    leaping(story)


def test_a_stream_that_may_not_be_ended_yet_shows_its_last_words_at_once() -> None:
    """429 on stop: Slack lets fewer streams be ended than added to."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, WORDS)
            chat.slack.rate_limit("chat.stopStream", 30, 30)
            reply.show(Draft(text + "The end.", final=True, retry=True))
            await chat.passes(2)
            assert text_of(chat.answer) == text + "The end." and not task.done()
            assert await chat.ends(reply, task, Draft()) == "shown"
            assert is_whole(chat, text + "The end.") and buttons(chat.answer) == ["parley_retry"]
            assert chat.count("chat.update") == 0

    leaping(story)


def test_a_person_who_stops_the_stream_stops_the_answer() -> None:
    """stopped_by_user, although the event of the button was lost. What stood there stays, with a word about it."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, WORDS)
            place, root = chat.placement.thread_id.split(":")[2:]
            await chat.slack.press_stop("ada", place, root)
            reply.show(Draft(text + WORDS))
            await chat.passes(3)
            assert chat.stops == ["asked"]
            assert await chat.ends(reply, task, Draft(text, notice="_Stopped._", final=True)) == "shown"
            assert is_whole(chat, f"{text.rstrip()}\n\n_Stopped._")
            assert chat.slack.core.sessions[place, root] == "active"

    leaping(story)


def test_an_answer_whose_stream_a_moderator_deletes_is_there_in_the_end() -> None:
    """The whole of it, once, and no call after call for what is gone."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, WORDS)
            await chat.slack.delete_message(chat.answer)
            text = await chat.says(reply, WORDS * 3, text)
            assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert is_whole(chat, text)
            refused = [error for method in ("appendStream", "stopStream") for error in chat.errors(f"chat.{method}")]
            assert refused == ["message_not_found"]

    leaping(story)


def test_a_stream_in_a_channel_that_is_archived_is_given_up() -> None:
    """Nothing can be shown there any more: a line in the log, no loop."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, WORDS)
            channel = chat.slack.workspace.find_channel("general")
            assert channel is not None
            channel.is_archived = True
            assert await chat.ends(reply, task, Draft(text + WORDS, final=True)) == "undeliverable"
            assert sum(len(chat.errors(f"chat.{method}")) for method in ("appendStream", "stopStream", "update")) == 1

    leaping(story)


def test_a_link_is_never_streamed() -> None:
    """A stream has no switch for previews, so the message goes on by edits from there; nothing is fetched."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            text = await chat.says(
                reply, WORDS + "See https://evil.example/?q=secret and [this](https://evil.example/2)."
            )
            assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert is_whole(chat, text)
            assert chat.answer.unfurls == () and len(chat.answer.history) > 3
            assert chat.count("chat.startStream") == chat.count("chat.stopStream") == 1

    leaping(story)


@pytest.mark.parametrize(
    "refusal",
    ["missing_recipient_user_id", "missing_recipient_team_id", "channel_type_not_supported", "user_not_found",
     "unknown_method", "restricted_action", "invalid_chunks", "messages_tab_disabled", "ratelimited"],
)  # fmt: skip
def test_where_slack_takes_no_stream_the_answer_grows_by_edits(refusal: str) -> None:
    """Without a seam, and the next answer there does not ask again at once."""

    async def story() -> None:
        async with a_chat() as chat:
            chat.slack.fail_next("chat.startStream", refusal, times=99)
            for number in (1, 2):
                async with chat.reply() as (reply, task):
                    text = await chat.says(reply, WORDS * 2)
                    assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
                assert bare(text_of(chat.answers[-1])) == bare(text) and len(chat.answers) == number
                assert len(chat.answers[-1].history) > 1
            assert chat.count("chat.startStream") == 1 or refusal == "ratelimited"

    leaping(story)


def test_somebody_who_is_not_known_gets_no_stream_in_a_channel() -> None:
    """A question stored by an earlier version does not say whose it is."""

    async def story() -> None:
        async with a_chat() as chat:
            chat.placement = type(chat.placement)(chat.placement.thread_id)
            async with chat.reply() as (reply, task):
                assert await chat.ends(reply, task, Draft(await chat.says(reply, WORDS), final=True)) == "shown"
            assert chat.count("chat.startStream") == 0

    leaping(story)


def other_process(chat: Chat) -> SlackSurface:
    old = chat.surface
    return SlackSurface(old._client, old._me, now=old._now, streaming="on")


def test_another_process_goes_on_in_the_same_message() -> None:
    """The first one was killed in the middle of its stream; the journal knows the message and nothing of streams."""

    async def story() -> None:
        async with a_chat() as chat:
            async with chat.reply() as (reply, _):
                text = await chat.says(reply, WORDS * 2)
                ref = MessageRef(chat.answer.channel, chat.answer.ts)
            async with chat.reply(shown=[ref], again=True, surface=other_process(chat)) as (reply, task):
                text = await chat.says(reply, WORDS * 2, text)
                assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert chat.answer.ts == ref.message and is_whole(chat, text)

    leaping(story)


def test_a_stream_that_was_begun_but_not_noted_is_found_again() -> None:
    """Killed between startStream and the journal: the message without a marker is the one."""

    async def story() -> None:
        async with a_chat() as chat:
            async with chat.reply(key="earlier") as (reply, task):
                await chat.ends(reply, task, Draft(await chat.says(reply, WORDS), final=True))
            async with chat.reply() as (reply, _):
                text = await chat.says(reply, WORDS)
            async with chat.reply(again=True, surface=other_process(chat)) as (reply, task):
                text = await chat.says(reply, WORDS, text)
                assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert [bare(text_of(message)) for message in chat.answers] == [bare(WORDS), bare(text)]

    leaping(story)


@pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.stopStream"])
@pytest.mark.parametrize("after_effect", [False, True])
def test_a_lost_answer_neither_doubles_nor_loses_text(method: str, after_effect: bool) -> None:
    """Nobody knows whether the call took effect."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            chat.slack.fail_next(method, after_effect=after_effect)
            text = await chat.says(reply, WORDS * 3)
            assert await chat.ends(reply, task, Draft(text, final=True, retry=True)) == "shown"
            assert is_whole(chat, text) and buttons(chat.answer) == ["parley_retry"]

    leaping(story)


def test_a_long_answer_rolls_over_several_streams() -> None:
    """20,000 characters in scripts of three and four bytes, and code that goes on in the next message.

    An edit is allowed where a full message is cut at a better place than where its text stood already.
    """

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            prose = "これは長い答えです。とても長い。🙂🚀 And some Latin. " * 90
            code = "```python\n" + "print('そして、コード')  # 🙂\n" * 260 + "```\n\n"
            text = (prose + "\n\n" + code) * 2 + prose
            assert len(text) > 20_000
            await chat.says(reply, text, size=400)
            assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            shown = [text_of(message) for message in chat.answers]
            assert all(one.count("```") % 2 == 0 for one in shown)
            fences = re.compile("```(?:python)?")
            assert bare(fences.sub("", "".join(shown))) == bare(fences.sub("", text))
            assert all(message.stream and message.stream.ended for message in chat.answers)
            assert chat.count("chat.update") < len(shown) and not chat.errors("chat.appendStream")

    leaping(story)


def test_a_stream_that_slack_calls_full_goes_on_by_edits() -> None:
    """msg_too_long: how much a stream takes is documented nowhere."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            chat.slack.settings.stream_bytes = 300
            text = await chat.says(reply, WORDS * 12)
            assert chat.errors("chat.appendStream") == ["msg_too_long"]
            assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert is_whole(chat, text)

    leaping(story)


def test_tools_are_shown_as_cards_that_change_in_place() -> None:
    """Slack's own form for it; in the end nothing looks unfinished."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            one, two = ToolCall("a", "search_web"), ToolCall("b", "<!here>")
            reply.show(Draft(status="_Thinking…_"))
            await chat.passes(4, 1)
            assert [(b["title"], b["status"]) for b in chat.answer.blocks] == [("Thinking…", "in_progress")]
            reply.show(Draft(status="_Using `search_web`…_", tools=(one, two)))
            await chat.passes(2, 1)
            tools = (ToolCall("a", "search_web", "done"), ToolCall("b", "<!here>", "failed"))
            reply.show(Draft("It is ", tools=tools))
            await chat.passes(2, 1)
            assert [(b.get("title"), b.get("status")) for b in chat.answer.blocks][:3] == [
                ("Thought for 4 s", "complete"),
                ("search_web", "complete"),
                ("!here", "error"),
            ]
            reply.show(
                Draft("It is sunny.\n\nLet me look again.", status="_Using_", tools=(*tools, ToolCall("c", "look")))
            )
            await chat.passes(2, 1)
            assert (
                await chat.ends(reply, task, Draft("It is sunny.\n\nLet me look again.\n\nYes.", final=True)) == "shown"
            )
            shown = [block.get("title") or block.get("text") for block in chat.answer.blocks]
            assert shown[3:] == ["It is sunny.\n\nLet me look again.", "look", "\n\nYes."]
            assert all(block.get("status") != "in_progress" for block in chat.answer.blocks)
            assert not chat.answer.pings and chat.count("chat.update") == 0

    leaping(story)


TABLE = "Rates:\n\n| city | rate |\n|---|---:|\n| Rome | 3 |\n| Oslo | 12 |\n\nThat is all of them, *as of today*."


@pytest.mark.parametrize("text", [TABLE, TABLE.partition("\n\nThat")[0]], ids=["between words", "at the end"])
def test_a_table_goes_into_the_stream_as_slacks_own(text: str) -> None:
    """Once it is over, and just as an edit would show it."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            await chat.says(reply, text, size=12)
            assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert without_ids(chat.answer) == blocks_of(text)
            assert chat.count("chat.update") == 0 and not chat.errors("chat.appendStream")

    leaping(story)


def test_a_table_that_a_stream_does_not_take_is_shown_by_an_edit() -> None:
    """Nobody documents which blocks it takes. In the same message, and nothing of it is lost."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, TABLE.partition("\n\nThat")[0] + "\n", size=12)
            chat.slack.fail_next("chat.appendStream", "invalid_blocks")
            text = await chat.says(reply, "\nThat is all of them, for now. " * 2, text)
            assert chat.errors("chat.appendStream") == ["invalid_blocks"]
            assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert without_ids(chat.answer) == blocks_of(text)

    leaping(story)


def test_no_card_is_put_in_the_middle_of_code() -> None:
    """It would take the code apart; the status line says what is going on."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            text = await chat.says(reply, "Here:\n\n```py\nx = 1\n")
            reply.show(Draft(text, tools=(ToolCall("a", "look"),), status="_Using_"))
            await chat.passes(3)
            assert [block["type"] for block in chat.answer.blocks] == ["markdown"]
            assert await chat.ends(reply, task, Draft(text + "y = 2\n```", final=True)) == "shown"
            assert is_whole(chat, text + "y = 2\n```")

    leaping(story)


def test_leaving_in_the_middle_leaves_no_task_behind() -> None:
    """Streams have no clock of their own: the writer sees to them."""

    async def story() -> None:
        async with a_chat() as chat:
            before = asyncio.all_tasks()
            async with chat.reply() as (reply, _):
                await chat.says(reply, WORDS)
            assert {task for task in asyncio.all_tasks() - before if task.get_name().startswith("reply")} == set()

    leaping(story)


@pytest.mark.parametrize("lacks", ["agent", "event"])
def test_an_app_without_slacks_stop_button_keeps_to_edits_with_ours(lacks: str) -> None:
    """Whoever sees an answer grow can stop it."""

    async def story() -> None:
        async with a_chat() as chat:
            if lacks == "agent":
                chat.slack.settings.agent_view = False
            else:
                chat.slack.settings.subscriptions.discard("agent_session_stopped")
            for _ in range(2):
                async with chat.reply() as (reply, task):
                    text = await chat.says(reply, WORDS)
                    assert buttons(chat.answers[-1]) == ["parley_stop"]
                    assert await chat.ends(reply, task, Draft(text, final=True)) == "shown"
            assert chat.count("chat.startStream") == 0 and chat.count("agents.sessions.setStatus") == 1

    leaping(story)


def test_more_answers_at_once_than_slack_lets_streams_begin_grow_by_edits() -> None:
    """20 a minute in a workspace: nobody waits for the next one, and Slack refuses none."""

    async def story() -> None:
        async with a_chat() as chat, AsyncExitStack() as stack:
            replies = [await stack.enter_async_context(chat.reply(key=f"turn{number}")) for number in range(25)]
            for number, (reply, _) in enumerate(replies):
                reply.show(Draft(f"{WORDS}{number} "))
            await chat.passes(60, 1)
            assert len(chat.answers) == 25
            assert 15 <= chat.count("chat.startStream") < 20 and not chat.errors("chat.startStream")

    leaping(story)


FAULTS = ["ratelimited", "msg_too_long", "message_not_in_streaming_state", "internal_error", "invalid_chunks", None]


@examples(40, 400)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["startStream", "appendStream", "appendStream", "stopStream", "update", "postMessage"]),
            st.sampled_from(FAULTS),
            st.booleans(),
        ),
        max_size=5,
    )
)
def test_whatever_fails_the_answer_is_there_once_and_whole(faults: list[tuple[str, str | None, bool]]) -> None:
    """Refusals and lost answers of any call, in any order, with and without effect."""

    async def story() -> None:
        async with a_chat() as chat, chat.reply() as (reply, task):
            for method, error, after_effect in faults:
                if method.endswith("Stream") or error in ("ratelimited", "internal_error", None):
                    lost = after_effect and error in ("internal_error", None)  # a refusal has no effect
                    chat.slack.fail_next(f"chat.{method}", error, retry_after=2, after_effect=lost)
            text = await chat.says(reply, WORDS * 2, size=30)
            assert await chat.ends(reply, task, Draft(text, final=True, retry=True)) == "shown"
            assert is_whole(chat, text) and len(chat.answers) == 1

    leaping(story)
