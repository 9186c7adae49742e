"""``cumulet explain``: one timeline of what happened to a resource and what it waits for."""

from __future__ import annotations

from typing import Any

from cumulet.db import iso
from cumulet.engine import jobs, timeline
from cumulet.engine.jobs import Job
from cumulet.fleet.model import desired
from cumulet.fleet.service import Subject, service, the_operator
from cumulet.http import Call
from cumulet.http.faults import NotFound


@service.get("/v1/explain/{what}", auth=False, admit=the_operator)
def explain(call: Call, what: str) -> dict[str, Any]:
    """The timelines of everything that has this id or name."""
    subjects: list[Subject] = [subject for find in call.context.find for subject in find(call.tx, what)]
    if not subjects and (entries := timeline.history(call.tx, what)):
        names = [str(entry.detail["name"]) for entry in entries if "name" in entry.detail]
        subjects = [Subject("what was deleted:", what, names[-1] if names else "")]
    if not subjects:
        raise NotFound(f"Nothing here has the id or name {what}.")
    return {"subjects": [_told(call, subject) for subject in subjects[:20]]}


def _told(call: Call, subject: Subject) -> dict[str, Any]:
    entries = timeline.history(call.tx, subject.id)
    flows = call.context.engine.waiting(call.tx, subject.id)
    items = desired.of_ref(call.tx, subject.id)
    waits = [f"{flow.kind} is in step {flow.step}, at the latest until {iso(flow.deadline_at)}" for flow in flows]
    waits += [_awaited(job) for job in jobs.of_subject(call.tx, subject.id)]
    waits += [
        f"host {item.host or item.link_id} has not reported on revision {item.revision}"
        + (f" (last said: {item.state})" if item.reported_revision else "")
        for item in items
        if not item.current
    ]
    return {
        "kind": subject.kind,
        "id": subject.id,
        "name": subject.name,
        "timeline": [
            {"at": iso(e.at, micro=True), "event": e.event, "message": e.message, "detail": e.detail}
            | ({"request_id": e.request_id} if e.request_id else {})
            | ({"user": {"id": e.user_id, "name": e.user_name, "project_id": e.project_id}} if e.user_id else {})
            for e in entries
        ],
        "waits_for": waits,
        "errors": [item.error for item in items if item.error],
        "left_out": [item.detail for item in items if item.detail and item.state != "failed"],
    }


def _awaited(job: Job) -> str:
    """How far a job is, in one sentence."""
    far = "".join(f", {name} {value}" for name, value in job.progress.items())
    state = f"under way (try {job.tries})" if job.held else f"waiting (tried {job.tries} times)"
    why = f"; last: {job.error}" if job.error else ""
    return f"{job.kind} is {state}{far}{why}, at the latest until {iso(job.deadline_at)}"
