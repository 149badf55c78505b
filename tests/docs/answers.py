"""What the model behind the documentation's examples says: replies by prompt, one for each request of a run."""

from __future__ import annotations

from tests.providers.openai_server import Call, Reply, Request

__all__ = ["answer"]

ANSWERS: dict[str, list[Reply]] = {
    "What is the capital of Italy?": [Reply(deltas=["Rome", "."])],
    "And of France?": [Reply(deltas=["Paris", "."])],
    "Tell me about Rome": [Reply(deltas=["Rome is ", "the capital ", "of Italy."])],
    "Where is the Colosseum?": [Reply(calls=[Call("final_result", '{"name": "Rome", "country": "Italy"}')])],
    "How many people live in Rome?": [Reply(calls=[Call("final_result", '{"response": 2800000}')])],
    "Roll a die": [Reply(calls=[Call("roll", '{"sides": 6}')]), Reply(deltas=["You rolled a 4."])],
    "What is my name?": [Reply(calls=[Call("name")]), Reply(deltas=["Your name is Ada."])],
    "Find a table for 30": [
        Reply(calls=[Call("table", '{"people": 30}')]),
        Reply(calls=[Call("table", '{"people": 12}', "again")]),
        Reply(deltas=["Table 7, for twelve of you."]),
    ],
    "Are you open?": [Reply(calls=[Call("opening_hours")]), Reply(deltas=["never said"])],
    "How long is the Tiber?": [
        Reply(deltas=["Let me look."], calls=[Call("look_up", '{"query": "Tiber length"}')]),
        Reply(deltas=["It is ", "405 km long."]),
    ],
    "Write a long story": [Reply(deltas=["Once ", "upon ", "a time"], hang_after=2)],
    "Count the hills of Rome": [Reply(calls=[Call("count")]), Reply(deltas=["Seven. Sept, in French."])],
    "What is on the picture?": [Reply(deltas=["A cat."])],
    "Plan a trip": [Reply(deltas=["First buy a map."])],
}


def answer(request: Request) -> Reply:
    """The reply to a request: the prompt says which list, the responses since then say how far we are in it."""
    done = 0
    for message in reversed(request.messages):
        if message["role"] == "assistant":
            done += 1
        if message["role"] == "user" and request.prompt in ANSWERS:
            break
    replies = ANSWERS.get(request.prompt, [Reply(deltas=["Hello", "."])])
    return replies[min(done, len(replies) - 1)]
