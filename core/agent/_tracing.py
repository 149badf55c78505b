"""The spans of a run, for agents that are instrumented: `agent run`, and in it what is done beside asking the model.

A run is a generator, and OpenTelemetry's current span belongs to whoever pulls at it. So a span is made the current one
for each pull, and never while the reader of the events has its turn; the reader may even pull from several tasks.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from core.models._telemetry import as_json, events_of
from core.models.base import Model
from core.models.instrumented import InstrumentationSettings, InstrumentedModel

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from core.agent._plan import LoopEvent
    from core.agent._run import Run

__all__ = ["instrumented", "preparing", "run_span", "traced", "traced_tools", "tracer_of"]

T = TypeVar("T")


def instrumented(model: Model, instrument: InstrumentationSettings | bool | None) -> Model:
    """`model`, with telemetry if that is asked for and it has none of its own."""
    if not instrument or isinstance(model, InstrumentedModel):
        return model
    return InstrumentedModel(model, InstrumentationSettings() if instrument is True else instrument)


def tracer_of(model: Model) -> Tracer | None:
    """Whom a run with this model tells of itself."""
    return model.options.tracer if isinstance(model, InstrumentedModel) else None


@contextmanager
def run_span(run: Run[Any]) -> Iterator[None]:
    """The block is the run: its span is the current one in it, and ends with it. Nothing without telemetry."""
    if run.plan.tracer is None:
        yield
        return
    from opentelemetry.trace import use_span

    run.span = _begun(run, run.plan.tracer)
    try:
        with use_span(run.span):
            yield
    finally:
        _end(run, run.span)


async def traced(
    run: Run[Any], tracer: Tracer, events: AsyncGenerator[LoopEvent, None]
) -> AsyncGenerator[LoopEvent, None]:
    """The events of a run under its span, which is theirs alone unless `run_span` has begun it."""
    span = run.span or _begun(run, tracer)
    try:
        async with aclosing(_under(span, events, record=run.span is None)) as spanned:
            async for event in spanned:
                yield event
    finally:
        if run.span is None:
            _end(run, span)


def preparing(run: Run[Any]) -> AbstractContextManager[Any]:
    """The block finds out what is sent in the next request."""
    if run.plan.tracer is None:
        return nullcontext()
    return run.plan.tracer.start_as_current_span("preparing model request params", attributes={"run_step": run.step})


async def traced_tools(
    tracer: Tracer, names: Sequence[str], results: AsyncGenerator[T, None]
) -> AsyncGenerator[T, None]:
    """The results of the tools that run at once. What they do, other runs among it, belongs to the span."""
    said = f"running tools: {', '.join(names)}"
    span = tracer.start_span("running tools", attributes={"tools": names, "logfire.msg": said})
    try:
        async with aclosing(_under(span, results, record=True)) as spanned:
            async for result in spanned:
                yield result
    finally:
        span.end()


async def _under(span: Span, items: AsyncGenerator[T, None], *, record: bool) -> AsyncGenerator[T, None]:
    """The items, `span` being the current one while each is waited for.

    record: whether it is this span that tells of an error.
    """
    from opentelemetry.trace import use_span

    end = object()
    async with aclosing(items):
        while True:
            with use_span(span, record_exception=record, set_status_on_exception=record):
                item: Any = await anext(items, end)
            if item is end:
                return
            yield item


def _begun(run: Run[Any], tracer: Tracer) -> Span:
    name = run.agent_name or "agent"
    said = {"model_name": run.plan.model.model_name, "agent_name": name, "logfire.msg": f"{name} run"}
    return tracer.start_span("agent run", attributes=said)


def _end(run: Run[Any], span: Span) -> None:
    """The span ends with what the run has used, said and come to, whether or not it has come to a result."""
    if span.is_recording():
        properties = {"all_messages_events": {"type": "array"}, "final_result": {"type": "object"}}
        said: dict[str, Any] = {
            **run.usage.opentelemetry_attributes(),
            "all_messages_events": as_json([event.flat() for event in events_of(run.messages)]),
            "logfire.json_schema": as_json({"type": "object", "properties": properties}),
        }
        if run.result is not None:
            data = run.result.data
            said["final_result"] = data if isinstance(data, str) else as_json(data)
        span.set_attributes(said)
    span.end()
