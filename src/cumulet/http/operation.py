"""An operation is declared once; routing, validation, policy, discovery and documents follow from it.

compute = Service("compute", faults=nova_body, microversions=...)

@compute.get("/v2.1/servers/{server_id}", policy="os_compute_api:servers:show")
def show(call: Call, server_id: str) -> wire.ServerAnswer: ...
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from msgspec.structs import replace

from cumulet.auth import Rule
from cumulet.http.bodies import EMPTY, Body, Query, body_of
from cumulet.http.faults import BadRequest, Fault, NotFound, Renderer, Unavailable
from cumulet.http.shapes import Invalid, only
from cumulet.http.versions import Microversions, Version

if TYPE_CHECKING:
    from cumulet.http.call import Call

_BRACES = re.compile(r"\{(\*?\w+)\}")

TransactionKind = Literal["read", "write", "none"]
LOGIN = "authenticate"
"""What an operation is to the audit log by which somebody proves who he is."""
Handler = Callable[..., Any]


class Target:
    """What an operation is about, and what its rule is checked on: a base for each service's own ways.

    `params`: names in the path that say which; the handler gets what `reached` found in their place.
    """

    params: tuple[str, ...]

    def ahead(self, call: Call) -> None:
        """What is to be done before the transaction begins, on the operation's thread: nothing, usually."""

    def reached(self, call: Call) -> Any:
        """What `call` is about, in a transaction. Raises the service's own 404 when it is not there for the caller, and
        `Forbidden` when he does not pass the operation's rule on it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Found(Target):
    """A row, or whose it is, that `find` looks up by the call and the values of `params`; it raises the 404. `facts`
    are what the rule may look at."""

    params: tuple[str, ...]
    find: Callable[..., Any]
    facts: Callable[[Any], Mapping[str, Any]]

    def reached(self, call: Call) -> Any:
        """See `Target`."""
        row = self.find(call, *(call.params[name] for name in self.params))
        if (rule := call.operation.policy) is not None:
            call.require(rule, self.facts(row))
        return row


@dataclass(frozen=True)
class Operation:
    """One operation of a service.

    `policy`: the rule that is checked before the handler, on the row of `target`, which the handler then gets in place
    of the ids that name it; without a target on the caller's own project. A handler that finds its row and checks
    itself names that rule in `policy_in_handler`, for documents and tests. None of these: anybody (`auth` False) or any
    valid token. `action`: the only key of the body that says that this operation is meant. `body_limit` in bytes, None
    for no limit. `admit` sees the call of one request before its body is read, after the token where one is needed, and
    raises the fault of a caller that it does not know by the head alone. It runs on the event loop: a short read, and
    nothing that waits.

    `request` is a struct of msgspec's or a `bodies.Body`, `query` a struct that http parses or a `bodies.Query` for
    what the handler reads itself, `response` the shape of the body that it answers when it succeeds.

    For documents and tests: `faults` are statuses it answers errors with beyond those that follow from the declaration
    (see `statuses`), `also` further statuses of success, `consumes` the media types of its body. What `grows`
    the cloud by more than rows is refused while its disks are nearly full; all that `writes`, when hardly anything is
    free. What is `quiet` has its
    line in the access log when it fails, or at the level DEBUG. `audit` is CADF's word for what it does, where the
    method does not say it; `LOGIN` is written even when nothing is changed.
    """

    service: str
    method: str
    path: str
    handler: Handler
    status: int = 200
    policy: str | None = None
    policy_in_handler: str | None = None
    action: str = ""
    target: Target | None = None
    auth: bool = True
    request: Any = None
    response: Any = None
    query: Any = None
    transaction: TransactionKind = "read"
    since: Version | None = None
    until: Version | None = None
    body_limit: int | None = 114_688
    asynchronous: bool = False
    raw_body: bool = False
    faults: tuple[int, ...] = ()
    also: tuple[int, ...] = ()
    consumes: tuple[str, ...] = ()
    grows: bool = False
    quiet: bool = False
    audit: str = ""
    admit: Callable[[Any], None] | None = None

    @cached_property
    def body(self) -> Body:
        """How its request's body is checked."""
        return body_of(self.request)

    @property
    def answers(self) -> bool:
        """Whether it answers a body when it succeeds: as `response` says, or the annotation of the handler."""
        if self.response is not None:
            return self.response is not EMPTY
        nothing = self.handler.__annotations__.get("return") in (None, "None")
        return self.method != "HEAD" and self.status not in (204, 304) and not nothing

    @property
    def writes(self) -> bool:
        """Whether a client with a token has rows written, other than by deleting."""
        return self.auth and self.method in ("POST", "PUT", "PATCH")

    @property
    def name(self) -> str:
        """``service.module.function``, for logs and documents."""
        return f"{self.service}.{self.handler.__module__.rsplit('.', 1)[-1]}.{self.handler.__name__}"

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").split("\n", 1)[0]

    @property
    def description(self) -> str:
        """The whole docstring of the handler."""
        return inspect.getdoc(self.handler) or ""

    @property
    def path_parameters(self) -> tuple[str, ...]:
        """Names of what stands in braces in the path, in order."""
        return tuple(name.lstrip("*") for name in _BRACES.findall(self.path))

    @property
    def rule(self) -> str | None:
        """The rule of policy that decides who may call it, wherever it is checked."""
        return self.policy or self.policy_in_handler

    @property
    def media_types(self) -> tuple[str, ...]:
        """Media types of the body that it takes; empty when it takes none."""
        if self.consumes:
            return self.consumes
        if self.request is not None:
            return ("application/json",)
        return ("application/octet-stream",) if self.raw_body or self.body_limit is None else ()

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status that it may answer, errors of ours apart.

        400 is everywhere, as a query, a header or a path can be malformed whatever the operation takes.
        """
        found = {self.status, *self.also, *self.faults, 400}
        if self.auth:
            found.add(401)
        if self.rule is not None:
            found.add(403)
        if self.path_parameters or self.request is not None or self.since or self.until:  # a body may name rows, too
            found.add(404)
        if isinstance(self.query, Query) and any(each["name"] == "marker" for each in self.query.parameters()):
            found.add(404)  # a marker names a row
        if self.method in ("POST", "PUT", "PATCH", "DELETE"):
            found.update((409, 413))
        if self.media_types:
            found.add(415)
        return tuple(sorted(found))

    def serves(self, version: Version) -> bool:
        """Whether the operation exists at `version`."""
        return (self.since is None or version >= self.since) and (self.until is None or version <= self.until)


@dataclass(frozen=True)
class Choice(Operation):
    """Stands for the actions of a path until the body has been read: its only key says which of them is meant."""

    choices: dict[str, list[Operation]] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Which of them is meant is not known yet."""
        return False

    @property
    def name(self) -> str:
        """What logs say of a request whose body named none of them."""
        return f"{self.service}.action"

    def chosen(self, body: Any, version: Version) -> Operation:
        """The action that `body` asks for. Raises 400 when it is none, 404 when it is one of other versions."""
        if not isinstance(body, dict) or len(body) != 1:
            raise BadRequest("Malformed request body")
        key = next(iter(body))
        if key not in self.choices:
            raise BadRequest(f"There is no such action: {key}")
        found = next((each for each in self.choices[key] if each.serves(version)), None)
        if found is None:
            raise NotFound("The resource could not be found.")
        return found


@dataclass
class _Node:
    """A node of the route tree: literal children first, then one parameter."""

    literal: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    parameter_rest: _Node | None = None
    operations: dict[str, list[tuple[Operation, tuple[str, ...]]]] = field(default_factory=dict)


Invalidity = Callable[[Invalid], Fault]


def _plain_invalidity(invalid: Invalid) -> Fault:
    where = f" for {invalid.path}" if invalid.path else ""
    return BadRequest(f"Invalid input{where}: {invalid.problem}")


class Service:
    """A service: its operations, its policy rules, its errors' form. `type` is the official service type.

    `invalidity` words a request that does not fit its shape; `forbidden` a policy that said no. `scope_types` are the
    kinds of tokens that its rules take, where a rule does not say itself. `admit` sees the call of an authenticated
    request before its body is read, and raises the fault of one that it does not take.
    Without `slash_ends` a path below a version that ends in a slash names something without an id: it is not there.
    `no_room`: the fault of what a disk has no room for. `request_id_header`: an older header beside the common one that
    tells the id of each request. `rule_prefix`: the word that the names of its rules begin with.
    """

    def __init__(
        self,
        type: str,
        *,
        faults: Renderer,
        microversions: Microversions | None = None,
        invalidity: Invalidity = _plain_invalidity,
        forbidden: Callable[[str], Fault] | None = None,
        not_found: Callable[[], Fault] | None = None,
        scope_types: tuple[str, ...] = (),
        admit: Callable[[Any], None] | None = None,
        slash_ends: bool = True,
        no_room: type[Fault] = Unavailable,
        request_id_header: str = "",
        rule_prefix: str = "",
    ) -> None:
        self.type = type
        self.faults = faults
        self.microversions = microversions
        self.invalidity = invalidity
        self.forbidden = forbidden
        self.not_found = not_found
        self.scope_types = scope_types
        self.admit = admit
        self.slash_ends = slash_ends
        self.no_room = no_room
        self.request_id_header = request_id_header
        self.rule_prefix = rule_prefix
        self.rules: list[Rule] = []
        self.operations: list[Operation] = []
        self.websocket: Callable[..., Any] | None = None
        self._root = _Node()

    def add_rules(self, rules: Iterable[Rule]) -> None:
        """Declare policy rules."""
        own = self.scope_types
        self.rules.extend(replace(rule, scope_types=own) if rule.scope_types is None else rule for rule in rules)

    def operation(self, method: str, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare an operation; the decorated handler stays a plain function."""
        if "transaction" not in options:
            options["transaction"] = "read" if method in ("GET", "HEAD") else "write"

        def declare(handler: Handler) -> Handler:
            options.setdefault("asynchronous", inspect.iscoroutinefunction(handler))
            if options["asynchronous"]:
                options["transaction"] = "none"
            operation = Operation(self.type, method, path, handler, **options)
            self.operations.append(operation)
            self._route(operation)
            return handler

        return declare

    def get(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.operation("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.operation("POST", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.operation("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.operation("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self.operation("DELETE", path, **{"status": 204, **options})

    def action(self, path: str, key: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare what POST on `path` does when `key` is the only one of its body. `request` is the shape of what
        stands under the key; the handler finds it in ``call.body.arguments``."""
        shape = only(key, options.pop("request", Any))
        return self.operation("POST", path, action=key, request=shape, **options)

    def _route(self, operation: Operation) -> None:
        node, names = self._root, []
        for part in operation.path.strip("/").split("/"):
            if part.startswith("{*"):
                names.append(part[2:-1])
                node.parameter_rest = node = node.parameter_rest or _Node()
            elif part.startswith("{"):
                names.append(part[1:-1])
                node.parameter = node = node.parameter or _Node()
            else:
                node = node.literal.setdefault(part, _Node())
        there = node.operations.setdefault(operation.method, [])
        if operation.action:
            choice = next((each for each, _ in there if isinstance(each, Choice)), None)
            if choice is not None:
                choice.choices.setdefault(operation.action, []).append(operation)
                return
            choices = {operation.action: [operation]}
            operation = Choice(self.type, operation.method, operation.path, operation.handler, choices=choices)
        there.append((operation, tuple(names)))

    def match(self, method: str, path: str, version: Version) -> tuple[Operation, dict[str, str]] | set[str]:
        """The operation for a request with its path parameters; else the methods that the path does have
        (empty when there is no such path)."""
        allowed: set[str] = set()
        if not self.slash_ends and path.endswith("/") and path.count("/") > 2:
            return allowed
        for node, values in _walk(self._root, path.strip("/").split("/"), ()):
            for operation, names in node.operations.get(method, ()):
                if operation.serves(version):
                    return operation, dict(zip(names, values, strict=True))
            if method in node.operations:
                return set()  # it is there at other versions: not found at this one
            allowed.update(node.operations)
        return allowed


def _walk(node: _Node, parts: list[str], values: tuple[str, ...]) -> Iterator[tuple[_Node, tuple[str, ...]]]:
    if not parts:
        yield node, values
        return
    head, rest = parts[0], parts[1:]
    if (literal := node.literal.get(head)) is not None:
        yield from _walk(literal, rest, values)
    if node.parameter is not None and head:
        yield from _walk(node.parameter, rest, (*values, head))
    if node.parameter_rest is not None:
        yield node.parameter_rest, (*values, "/".join(parts))
