"""A model that plays a script: one list of steps a response. For tests of the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from core.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from core.models import AgentInfo, DeltaToolCall, FunctionModel

__all__ = ["Scripted", "call"]

Step = str | ToolCallPart | Exception | Callable[[], Awaitable[None]]


def call(name: str, args: str = "{}", id: str | None = None) -> ToolCallPart:
    return ToolCallPart(name, args, id or f"id_{name}")


class Scripted(FunctionModel):
    """Plays `responses` in order; `requests` holds the messages of each request, `read` how many steps were taken.

    A step is text, a tool call, an exception to raise, or something to await. `closed` counts streams that were left.
    """

    def __init__(self, *responses: Sequence[Step]) -> None:
        super().__init__(self._whole, stream_function=self._stream, model_name="scripted")
        self._responses = list(responses)
        self.requests: list[list[ModelMessage]] = []
        self.infos: list[AgentInfo] = []
        self.read = 0
        self.closed = 0

    def _next(self, messages: list[ModelMessage], info: AgentInfo) -> Sequence[Step]:
        self.requests.append(messages)
        self.infos.append(info)
        return self._responses[min(len(self.requests), len(self._responses)) - 1]

    async def _whole(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        response = ModelResponse([])
        text = ""
        for step in self._next(messages, info):
            if isinstance(step, str):
                text += step
            elif isinstance(step, ToolCallPart):
                response.parts += [*([TextPart(text)] if text else []), step]
                text = ""
            elif isinstance(step, Exception):
                raise step
            else:
                await step()
        response.parts += [TextPart(text)] if text else []
        return response

    async def _stream(
        self, messages: list[ModelMessage], info: AgentInfo
    ) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
        try:
            for key, step in enumerate(self._next(messages, info)):
                self.read += 1
                if isinstance(step, str):
                    yield step
                elif isinstance(step, ToolCallPart):
                    assert isinstance(step.args, str)
                    yield {key: DeltaToolCall(step.tool_name, None, step.tool_call_id)}
                    yield {key: DeltaToolCall(json_args=step.args)}
                elif isinstance(step, Exception):
                    raise step
                else:
                    await step()
        finally:
            self.closed += 1
