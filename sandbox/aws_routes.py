"""What the sandbox asks of the moto process beside AWS's own APIs.

| route | |
|---|---|
| `POST /sandbox/events` | whole events, `{"events": […]}`, for the default bus of their region |
| `GET /sandbox/published` | what PutEvents has put on any bus so far: `{"events": […]}` |
| `POST /sandbox/topics` | `{"arn": …, "message": …}`: publishes to the topics of that name |
| `GET /sandbox/mails` | what SES has sent so far: `{"mails": […]}`, as SendEmail was asked |
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from moto.sesv2.responses import SESV2Response
from moto.sns.models import sns_backends
from werkzeug.wrappers import Request, Response

from sandbox.environment import ACCOUNT
from sandbox.event_bus import Published, deliver, mend_events
from sandbox.patching import replace

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Routes:
    """Answers the sandbox's own routes, and passes on all others to moto.

    Args:
        moto: The application that answers everything else.
    """

    def __init__(self, moto: Application) -> None:
        self._moto = moto
        self._published = Published()
        self._mails: list[dict[str, Any]] = []
        mend_events(self._published)
        _remember_mails(self._mails)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if not path.startswith("/sandbox/"):
            return self._moto(environ, start_response)
        request = Request(environ)
        answer = self._answer(request.method, path, request)
        status = 404 if answer is None else 200
        response = Response(json.dumps(answer), status, mimetype="application/json")
        return response(environ, start_response)

    def _answer(self, method: str, path: str, request: Request) -> object:
        match method, path:
            case "POST", "/sandbox/events":
                events = request.get_json(force=True)["events"]
                for event in events:
                    deliver(event, account=ACCOUNT, region=event["region"])
                return {"delivered": len(events)}
            case "GET", "/sandbox/published":
                return {"events": self._published.events}
            case "POST", "/sandbox/topics":
                asked = request.get_json(force=True)
                return {"message_ids": _publish(asked["arn"], asked["message"])}
            case "GET", "/sandbox/mails":
                return {"mails": self._mails}
        return None


def _publish(arn: str, message: str) -> list[str]:
    # By the topic's name, because a topic of AWS Marketplace belongs to an account of AWS.
    _, _, _, region, _, name = arn.split(":")
    topics = [
        topic
        for account in list(sns_backends)
        for topic in list(sns_backends[account][region].topics.values())
        if topic.name == name
    ]
    return [topic.publish(message) for topic in topics]


def _remember_mails(mails: list[dict[str, Any]]) -> None:
    # moto keeps one of the bodies only, and says nothing of whom to answer.
    send_email: Any = SESV2Response.send_email

    def send_and_remember(self: SESV2Response) -> str:
        sent: str = send_email(self)
        mails.append({**json.loads(self.body), **json.loads(sent)})
        return sent

    replace(SESV2Response, "send_email", send_and_remember)
