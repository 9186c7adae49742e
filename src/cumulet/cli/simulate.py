"""`cumulet simulate`: tell simulated hosts, servers and APIs how to behave, while the cloud runs.

    simulate rule --match-name 'bad-*' boot=fail    servers of these names fail to boot
    simulate rule --nth 3 boot=fail                 the third server from now on does
    simulate rule boot=2s delete=30%                all boots take two seconds, three deletes in ten fail
    simulate host sim-0002 down                     the host dies with its guests; up brings it back, cut hides it
    simulate server vm1 crash                       the guest ends by itself; so does power-off
    simulate fault --operation compute:POST:/servers --status 503 --times 2
                                                    the next two calls fail, or wait with --delay
    simulate list                                   what was told
    simulate clear [RULE]                           forget a rule, or everything

A behaviour is WORK=WHAT: boot, start, stop, reboot or delete, and fail, never, a rate (30%), a time (2s, 300ms) or
several with commas; or crash=TIME and power-off=TIME, for guests that end by themselves. docs/testing.md says more.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from cumulet.cli import link_client
from cumulet.cli.api_client import ApiError
from cumulet.cli.errors import CliError
from cumulet.config import SIMULATION_FILE, Settings


def add(verbs: Any) -> None:
    """Declare the verb and what it can tell."""
    parser = verbs.add_parser(
        "simulate",
        help="tell simulated hosts how to behave, while they run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="how things are afterwards, as JSON")
    parser.set_defaults(run=run)
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    rule = what.add_parser("rule", help="how hosts treat servers")
    rule.add_argument("--all", action="store_true", help="for every server (so it is without --match-… and --nth)")
    rule.add_argument("--match-name", metavar="PATTERN", help="servers of these names (* and ?)")
    rule.add_argument("--match-host", metavar="PATTERN", help="on these hosts")
    rule.add_argument("--nth", type=int, metavar="N", help="of the servers that come from now on, the Nth alone")
    rule.add_argument("--times", type=int, metavar="N", help="of the servers that come from now on, the first N")
    rule.add_argument("do", nargs="+", metavar="WORK=WHAT", help="such as boot=fail, boot=2s or crash=10s")
    host = what.add_parser("host", help="a host dies or comes back")
    host.add_argument("name", metavar="NAME")
    host.add_argument("how", choices=("down", "cut", "up"))
    server = what.add_parser("server", help="a guest ends by itself")
    server.add_argument("name", metavar="NAME|ID")
    server.add_argument("event", choices=("crash", "power-off"))
    fault = what.add_parser("fault", help="an operation of an API fails, or takes its time")
    fault.add_argument(
        "--operation", required=True, metavar="SERVICE:METHOD:PATH", help="such as compute:POST:/servers"
    )
    fault.add_argument("--status", type=int, metavar="CODE", help="what it answers, such as 503 or 429")
    fault.add_argument("--delay", metavar="TIME", help="how long it waits first")
    fault.add_argument("--times", type=int, metavar="N", help="how often (default: always)")
    fault.add_argument("--retry-after", type=int, metavar="SECONDS", help="the answer's Retry-After")
    clear = what.add_parser("clear", help="forget a rule, or everything")
    clear.add_argument("number", nargs="?", type=int, metavar="RULE")
    what.add_parser("list", help="what was told")
    for each in what.choices.values():
        each.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """0 when the order is carried out."""
    shown = tell(Settings.load(args.state), order(args))
    print(json.dumps(shown) if args.json else text(shown))
    return 0


def check_start_state(settings: Settings) -> None:
    """Raise CliError for a simulated.json that the node could not read."""
    if (settings.state / SIMULATION_FILE).exists():
        from cumulet.desired.simulation import SimulationError  # a cloud without that file starts without them
        from cumulet.node import simulation

        try:
            simulation.load(settings.state, settings.simulated_seed)
        except SimulationError as error:
            raise CliError(
                f"{error}{'' if str(error).endswith('?') else '.'} docs/testing.md says what it may hold"
            ) from None


def order(args: argparse.Namespace) -> dict[str, Any]:
    """The order that the words give, as `desired.simulation` has it."""
    if args.what == "rule":
        given = {name: getattr(args, name) for name in ("match_name", "match_host", "nth", "times")}
        return {"rule": {"do": args.do} | {name: value for name, value in given.items() if value is not None}}
    if args.what == "host":
        return {"host": {"name": args.name, "state": args.how}}
    if args.what == "server":
        return {"server": {"name": args.name, "event": args.event}}
    if args.what == "fault":
        given = {name: getattr(args, name) for name in ("operation", "status", "delay", "times", "retry_after")}
        return {"fault": {name: value for name, value in given.items() if value is not None}}
    if args.what == "clear":
        return {"clear": True if args.number is None else args.number}
    return {}


def tell(settings: Settings, told: dict[str, Any]) -> dict[str, Any]:
    """Give an order; how things are when it is carried out. Raises CliError."""
    try:
        return dict(link_client.post(settings, "simulation", told))
    except ApiError as error:
        raise CliError(f"{error}" + ("" if error.code else "\nIs the cloud up?")) from error


def text(shown: dict[str, Any]) -> str:
    """A line for each rule and each host that is not up."""
    lines = [_rule(rule) for rule in shown.get("rules", [])]
    lines += [f"host {name} is {state}" for name, state in shown.get("hosts", {}).items()]
    lines += [_fault(fault) for fault in shown.get("faults", [])]
    return "\n".join(lines) or "Nothing is told: hosts behave as simulated.json says, or at once and well."


def _fault(fault: dict[str, Any]) -> str:
    does = [f"answers {fault['status']}"] if fault["status"] is not None else []
    does += [f"waits {fault['delay']}"] if fault["delay"] is not None else []
    often = "always" if fault["left"] is None else f"{fault['left']} more times"
    return f"{fault['operation']} {' and '.join(does)}, {often}"


def _rule(rule: dict[str, Any]) -> str:
    whom = f"servers named {rule['match_name']}" if "match_name" in rule else "all servers"
    if "match_host" in rule:
        whom += f" on {rule['match_host']}"
    if "nth" in rule:
        whom = f"number {rule['nth']} of {whom} ({rule['met']} came)"
    if "times" in rule:
        whom = f"the first {rule['times']} of {whom} ({rule['met']} came)"
    return f"rule {rule['id']}: {' '.join(rule['do'])} for {whom}"
