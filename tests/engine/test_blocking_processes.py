"""Blocking runs in whole processes: how they end, and what they leave behind."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.agent._loop_thread import LoopThread, private_loop
from core.blocking import Agent
from core.models import OpenAIChat
from tests.engine.scripted import Scripted
from tests.engine.threaded_server import eventually, threaded_server
from tests.providers.openai_server import Reply

SLOW_MODEL = """
import asyncio, sys, threading
from core.agent._loop_thread import private_loop
from core.blocking import Agent
from core.models import FunctionModel

async def slow(messages, info):
    try:
        for n in range(1000):
            yield f"{n} "
            if n == 2:
                print("hanging", flush=True)
                await asyncio.Event().wait()
    finally:
        print("model left", flush=True)

agent = Agent(FunctionModel(stream_function=slow))
"""


def process(code: str) -> "subprocess.Popen[str]":
    """A fresh interpreter that complains of everything left open."""
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", SLOW_MODEL + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=os.getcwd(),
    )


def output_of(code: str) -> str:
    """What the code prints; it must end well, and complain of nothing."""
    out, err = process(code).communicate(timeout=30)
    assert err == ""
    return out


def test_a_stream_left_open_at_the_end_is_closed() -> None:
    """The process does not hang, and the provider is let go."""
    code = "stream = agent.run('x', stream=True)\nnext(stream)\nprint('over')"
    assert output_of(code).split("\n")[:2] == ["over", "model left"]


def test_a_thread_left_running_at_the_end_is_ended() -> None:
    """A daemon thread in the middle of a run holds nothing up."""
    code = """
reached = threading.Event()
def read():
    for delta in agent.run('x', stream=True):
        if delta.content.startswith('2'):
            reached.set()
threading.Thread(target=read, daemon=True).start()
reached.wait(10)
"""
    assert "model left" in output_of(code)


def test_a_thread_that_comes_back_for_more_after_the_end_is_ended_quietly() -> None:
    """It was busy with a piece of an answer while the process ended; a traceback would name no mistake of anybody's."""
    code = """
import atexit
reached, over = threading.Event(), threading.Event()
def read():
    for delta in agent.run('x', stream=True):
        reached.set()
        over.wait(10)
    print('read on')
reader = threading.Thread(target=read, daemon=True)
def after_the_engine():
    over.set()
    reader.join(10)
    print('reader left', not reader.is_alive())
atexit.register(after_the_engine)  # before the engine's own, so it runs after that
reader.start()
reached.wait(10)
"""
    assert output_of(code).split("\n")[-2:] == ["reader left True", ""]


def test_no_thread_and_no_loop_is_left() -> None:
    """Closed by hand, as it is at exit."""
    code = """
from core.agent import _loop_thread
for delta in agent.run('x', stream=True):
    break
loop = _loop_thread.private_loop()
loop.close()
loop.close()
print([t.name for t in threading.enumerate()], loop.loop.is_closed())
try:
    agent.run('x')
except RuntimeError as exc:
    print(exc)
"""
    assert output_of(code) == "model left\n['MainThread'] True\nthe engine's loop is closed; the process is ending\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_a_loop_of_its_own() -> None:
    """Servers fork their workers after the agent was made and used."""
    code = """
import os, warnings
warnings.simplefilter('ignore')  # Python warns of every fork beside a thread
next(agent.run('x', stream=True))
pid = os.fork()
if not pid:
    print('child', next(agent.run('x', stream=True)).content, flush=True)
    os._exit(0)
print('parent', os.waitpid(pid, 0)[1])
"""
    assert "child 0 " in output_of(code) and "parent 0" in output_of(code)


@pytest.mark.parametrize("code", ["agent.run('x')", "list(agent.run('x', stream=True))"])
def test_an_interrupt_ends_the_run_cleanly(code: str) -> None:
    """Ctrl-C: the model is left, KeyboardInterrupt is what the caller sees, and nothing else is said."""
    hang = "async def hang(messages, info):\n    async for _ in slow(messages, info): pass\n"
    program = process(
        f"{hang}agent.model.function = hang\ntry:\n    {code}\nexcept KeyboardInterrupt:\n    print('stopped')"
    )
    assert program.stdout is not None and program.stdout.readline() == "hanging\n"
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=30)
    assert (out, err, program.returncode) == ("model left\nstopped\n", "", 0)


def test_several_threads_run_at_once() -> None:
    """Each gets its own answer, and they do not wait for each other."""
    together = threading.Barrier(8)

    def ask(number: int) -> str:
        agent = Agent(Scripted([f"{number} ", "done"]))
        together.wait(10)
        return "".join(str(item.content) for item in agent.run("x", stream=True))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [f"{number} done" for number in range(8)]


def test_one_agent_serves_several_streams_at_once() -> None:
    """Interleaved, from one thread."""
    agent = Agent(Scripted(["a", "b", "c"]))
    with agent.run("x", stream=True) as one, agent.run("x", stream=True) as two:
        assert [next(one).content, next(two).content, next(one).content, next(two).content] == ["a", "a", "b", "b"]
        assert one.run_response is None
    assert one.run_response is not None and one.run_response.event == "RunCancelled"
    assert len(one.new_messages()) == len(one.all_messages()) == 2 and one.usage().requests == 1
    one.close()
    assert list(one) == []


def test_closing_the_iterator_stops_the_provider() -> None:
    """It notices that nobody reads on."""
    with threaded_server() as server:
        server.reply(Reply(deltas=["a", "b", "c"], hang_after=2))
        agent = Agent(model=OpenAIChat(id="gpt-4o", base_url=server.base_url, api_key="k"))
        stream = agent.run("x", stream=True)
        assert next(stream).content == "a" and server.open_streams == 1
        stream.close()
        eventually(lambda: server.gone.is_set() and server.open_streams == 0)
        with agent.run("x", stream=True) as again:
            next(again)
        eventually(lambda: server.open_streams == 0)
        agent.close()


def test_retries_mean_what_they_do_in_agno() -> None:
    """The constructor's `retries` covers the provider here, unless `model_retries` says otherwise."""
    with threaded_server() as server:
        server.queue(Reply(status=503), "here")
        model = OpenAIChat(id="gpt-4o", base_url=server.base_url, api_key="k")
        settings = {"max_retries": 0}
        agent = Agent(model=model, retries=1, delay_between_retries=0, model_settings=settings)
        assert agent.run("x").content == "here"
        server.queue(Reply(status=503), "here")
        once = Agent(model=model, retries=1, model_retries=0, model_settings=settings)
        with pytest.raises(RuntimeError, match="503"):
            once.run("x")
        agent.close()


def test_a_blocking_agent_is_named_for_its_variable() -> None:
    helper = Agent(Scripted(["x"]))
    helper.run("x")
    assert helper.name == "helper"


def test_a_blocking_stream_is_cancelled_from_another_thread() -> None:
    """A stop button; who reads gets the last event."""
    with threaded_server() as server:
        server.reply(Reply(deltas=["a", "b"], hang_after=1))
        agent = Agent(model=OpenAIChat(id="gpt-4o", base_url=server.base_url, api_key="k"))
        stream = agent.run("x", stream=True, stream_intermediate_steps=True)
        seen = []
        for event in stream:
            seen.append((event.event, event.content))
            if event.content == "a":
                threading.Timer(0.01, stream.cancel, ["enough"]).start()
        assert seen[-1] == ("RunCancelled", "a") and not stream.steer("too late")
        assert stream.run_response is not None and stream.run_response.event_data == {"reason": "enough"}
        agent.close()


async def test_streams_work_beside_a_running_loop() -> None:
    """A notebook's cell: reading, leaving, printing."""
    agent = Agent(Scripted(["a", "b"]))
    assert [item.content for item in agent.run("x", stream=True)] == ["a", "b"]
    with agent.run("x", stream=True) as stream:
        assert next(stream).content == "a"
    assert stream.run_response is not None and stream.run_response.event == "RunCancelled"


def test_an_iterator_may_be_dropped_by_any_thread() -> None:
    """A garbage collection happens wherever it happens; in the loop's own thread it may not wait."""
    model = Scripted([f"{n} " for n in range(9)])
    kept = [Agent(model).run("x", stream=True)]
    next(kept[0])
    private_loop().loop.call_soon_threadsafe(kept.clear)
    eventually(lambda: model.closed == 1)
    again = [Agent(model).run("x", stream=True)]
    next(again[0])
    thread = threading.Thread(target=again.clear)
    thread.start()
    thread.join(5)
    assert model.closed == 2


def test_work_that_comes_when_the_end_has_begun_is_not_started() -> None:
    """What winds up has counted the tasks by then: it would close an iterator while a task asks it for more."""
    loop = LoopThread()
    busy, held, started = threading.Event(), threading.Event(), threading.Event()
    ended: list[type[BaseException]] = []

    async def work() -> None:
        started.set()

    def occupy() -> None:
        busy.set()
        held.wait(10)

    def ask() -> None:
        try:
            loop.run(work())
        except BaseException as exc:
            ended.append(type(exc))

    loop.loop.call_soon_threadsafe(occupy)
    assert busy.wait(10)
    queue = loop.loop._ready  # type: ignore[attr-defined]  # asyncio's own
    before = len(queue)
    thread = threading.Thread(target=ask)
    thread.start()
    eventually(lambda: len(queue) > before)
    loop._closing = True
    held.set()
    thread.join(10)
    assert ended == [SystemExit] and not started.is_set()
    loop._closing = False
    loop.close()
