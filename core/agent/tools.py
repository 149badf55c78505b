"""Functions a model may call, and what they learn of the run that calls them."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Concatenate, Generic, Literal, TypeAlias, TypedDict

from typing_extensions import ParamSpec, TypeVar

from core.agent._schema import FunctionSchema, function_schema
from core.agent.extra import Document, Findings
from core.messages import ModelMessage
from core.models.base import Model, ToolDefinition
from core.models.usage import Usage

__all__ = [
    "AgentDepsT",
    "DocstringFormat",
    "RunContext",
    "Tool",
    "ToolFuncContext",
    "ToolFuncEither",
    "ToolFuncPlain",
    "ToolOptions",
    "ToolParams",
    "ToolPrepareFunc",
]

AgentDepsT = TypeVar("AgentDepsT", default=None, contravariant=True)
DocstringFormat = Literal["google", "numpy", "sphinx", "auto"]


@dataclass
class RunContext(Generic[AgentDepsT]):
    """The run, as a tool, a system prompt or a validator sees it.

    deps: what the caller passed as `deps`.
    usage: of the run so far; pass it on to let another agent's run count here.
    retry: how often this tool has been retried in this run.   run_step: requests made so far.
    """

    deps: AgentDepsT
    model: Model
    usage: Usage
    prompt: str | Any
    messages: list[ModelMessage] = field(default_factory=list)
    tool_call_id: str | None = None
    tool_name: str | None = None
    retry: int = 0
    run_step: int = 0
    agent: Any = None
    """The agent that runs."""
    _findings: Findings = field(default_factory=Findings, repr=False, compare=False)

    def add_references(self, query: str, references: Sequence[Document], *, seconds: float | None = None) -> None:
        """Say what was looked up, for whoever shows the answer: `RunResponse.extra_data.references` has it.

        references: documents, as dicts or text.   seconds: how long the search took.
        """
        self._findings.add_references(query, references, seconds)

    def add_images(self, *images: Any) -> None:
        """Hand pictures over to whoever shows the answer (`RunResponse.images`); the model does not see them."""
        self._findings.images += images

    def add_videos(self, *videos: Any) -> None:
        self._findings.videos += videos

    def add_audio(self, *audio: Any) -> None:
        self._findings.audio += audio

    def replace_with(self, retry: int | None = None, tool_name: str | None = None) -> RunContext[AgentDepsT]:
        """The same with another retry count or tool name."""
        return replace(
            self,
            retry=self.retry if retry is None else retry,
            tool_name=self.tool_name if tool_name is None else tool_name,
        )


ToolParams = ParamSpec("ToolParams", default=...)
ToolFuncContext: TypeAlias = Callable[Concatenate[RunContext[AgentDepsT], ToolParams], Any]
"""A tool function whose first parameter is the `RunContext`."""
ToolFuncPlain: TypeAlias = Callable[ToolParams, Any]
"""A tool function that does not need it."""
ToolFuncEither: TypeAlias = ToolFuncContext[AgentDepsT, ToolParams] | ToolFuncPlain[ToolParams]
ToolPrepareFunc: TypeAlias = Callable[[RunContext[AgentDepsT], ToolDefinition], Awaitable[ToolDefinition | None]]
"""Changes a tool's definition for one step; None leaves the tool out."""


class ToolOptions(TypedDict, total=False):
    """The options of `@agent.tool` and `@agent.tool_plain`; see `Tool`."""

    name: str | None
    description: str | None
    retries: int | None
    prepare: ToolPrepareFunc[Any] | None
    docstring_format: DocstringFormat
    require_parameter_descriptions: bool
    timeout: float | None


class Tool(Generic[AgentDepsT]):
    """A function a model may call; its schema comes from signature and docstring.

    takes_ctx: whether the first parameter is a `RunContext` (None: see the annotation).
    max_retries: how often the model may try again after a bad call (None: the agent's).
    timeout: seconds one call may take (None: the agent's `tool_timeout`). A tool holds no state of any run.
    Raises UserError if no schema can be made of the function.
    """

    def __init__(
        self,
        function: ToolFuncEither[AgentDepsT],
        *,
        takes_ctx: bool | None = None,
        max_retries: int | None = None,
        name: str | None = None,
        description: str | None = None,
        prepare: ToolPrepareFunc[AgentDepsT] | None = None,
        docstring_format: DocstringFormat = "auto",
        require_parameter_descriptions: bool = False,
        timeout: float | None = None,
    ) -> None:
        self.function = function
        self.schema: FunctionSchema = function_schema(
            function, takes_ctx, docstring_format, require_parameter_descriptions
        )
        self.takes_ctx = self.schema.takes_ctx
        self.max_retries = max_retries
        self.name = name or str(getattr(function, "__name__", type(function).__name__))
        self.description = description or self.schema.description
        self.prepare = prepare
        self.timeout = timeout

    @property
    def definition(self) -> ToolDefinition:
        """The tool as a model sees it; a copy, which `prepare` may change."""
        return ToolDefinition(self.name, self.description, copy.deepcopy(self.schema.json_schema))

    async def prepare_tool_def(self, ctx: RunContext[AgentDepsT]) -> ToolDefinition | None:
        """The definition for this step, None if the tool is not offered in it."""
        if self.prepare is None:  # nobody changes it, so it needs no copy
            return ToolDefinition(self.name, self.description, self.schema.json_schema)
        return await self.prepare(ctx.replace_with(tool_name=self.name), self.definition)

    async def call(self, args: str | dict[str, Any], ctx: RunContext[AgentDepsT]) -> Any:
        """Validate `args` and call the function, a plain one in a thread.

        Raises pydantic.ValidationError for arguments that do not fit, and whatever the function raises.
        """
        return await self.schema.call(self.function, args, ctx)

    def __repr__(self) -> str:
        return f"Tool(name={self.name!r}, takes_ctx={self.takes_ctx})"
