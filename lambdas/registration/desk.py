"""The desk that buyers and the seller's server come to: routes, answers, and what is logged.

Requests are never logged: they hold registration tokens, one-time codes and contacts.
"""

import json
import traceback
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.registration.claim import MESSAGES, STATUSES, Claimed, Refusal, claim, read_claim
from lambdas.registration.codes import Standing
from lambdas.registration.contact import Contact, Entry, read_contact
from lambdas.registration.customer import TokenRefused, Unavailable
from lambdas.registration.form import Fields, Flaw, first_value, read_arrival, read_fields
from lambdas.registration.page import CODE_FIELD, RETRY_AFTER_S, SAFE_HEADERS, Page
from lambdas.registration.register import register, with_code
from lambdas.registration.signup import look_up, sign_up
from lambdas.registration.wiring import Wiring
from lambdas.telemetry import Metric, logger, metrics

CLAIM_PATH = "/registrations/claim"
REGISTER_PATH, SIGNUP_PATH, DONE_PATH = "/register", "/signup", "/signup/done"


class Desk:
    """Answers requests as API Gateway passes them on (REST API, payload 1.0)."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._pages = wiring.pages
        # Powertools would print whole requests wherever POWERTOOLS_DEV is set.
        self._routes = routes = APIGatewayRestResolver(debug=False)
        routes.get(REGISTER_PATH)(self._show_start)
        routes.post(REGISTER_PATH)(self._take_arrival)
        routes.post(CLAIM_PATH)(self._take_claim)
        if not wiring.signup_url:
            routes.get(SIGNUP_PATH)(self._show_form)
            routes.post(SIGNUP_PATH)(self._take_form)
            routes.get(DONE_PATH)(self._show_done)
        routes.not_found(self._not_found)
        routes.exception_handler(Exception)(self._failed)

    def answer(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one request; whatever fails on the way is answered too."""
        return self._routes.resolve(event, context)

    def _show_start(self) -> Response[str]:
        """``GET /register``: a bookmark, a reload, or the listing check, which wants 200."""
        return _shown(self._pages.start())

    def _take_arrival(self) -> Response[str]:
        """``POST /register``: the buyer's browser comes from AWS Marketplace with a token."""
        fields = self._fields()
        arrival = fields if isinstance(fields, Flaw) else read_arrival(fields)
        if isinstance(arrival, Flaw):
            logger().info("A request without a registration token", extra={"reason": arrival})
            return _shown(self._pages.no_token())
        outcome = register(self._wiring, arrival)
        if isinstance(outcome, TokenRefused):
            logger().info("AWS Marketplace refused a token", extra={"code": outcome.code})
            return _shown(self._pages.token_refused())
        if isinstance(outcome, Unavailable):
            _tell_unavailable(outcome)
            return _shown(self._pages.unavailable_at_registration())
        registration = outcome.registration
        logger().info(
            "Registered",
            extra={
                "license": registration.license,
                "account": registration.account,
                "product_code": registration.product_code,
                "agreement_id": registration.agreement_id,
                "free_trial": registration.free_trial,
            },
        )
        _count(Metric.REGISTRATIONS)
        page = self._wiring.signup_url or self._beside("signup")
        return _see_other(with_code(page, outcome.code))

    def _show_form(self) -> Response[str]:
        """``GET /signup``: the form, if the code in the address is still good."""
        parameters = self._routes.current_event.query_string_parameters or {}
        code = parameters.get(CODE_FIELD) or ""
        _, good_for = look_up(self._wiring, code)
        return self._unless_fresh(good_for) or _shown(self._pages.form(code))

    def _take_form(self) -> Response[str]:
        """``POST /signup``: the form comes back; the code matters more than what was typed."""
        fields = self._fields()
        if isinstance(fields, Flaw):
            return _shown(self._pages.expired())
        code = first_value(fields, CODE_FIELD)
        typed = {entry: first_value(fields, entry) for entry in Entry}
        contact = read_contact(typed)
        if isinstance(contact, Contact):
            was = sign_up(self._wiring, code, contact, _tell_mail_refused)
            if was is Standing.FRESH:
                logger().info("Signed up")
                return _see_other(self._beside("signup/done"))
            return self._unless_fresh(was) or _shown(self._pages.expired())
        _, good_for = look_up(self._wiring, code)
        return self._unless_fresh(good_for) or _shown(self._pages.form(code, typed, contact))

    def _show_done(self) -> Response[str]:
        """``GET /signup/done``: the confirmation, the same for everybody."""
        return _shown(self._pages.done(mailed=self._wiring.mailer is not None))

    def _take_claim(self) -> Response[str]:
        """``POST /registrations/claim``: the seller's server, let in by IAM, brings a code."""
        event = self._routes.current_event
        code = read_claim(event.body, is_base64=bool(event.is_base64_encoded))
        outcome = code if isinstance(code, Refusal) else claim(self._wiring, code)
        if isinstance(outcome, Claimed):
            logger().info("Claimed", extra={"license": outcome.detail.get("License", "")})
            return _json(200, outcome.detail)
        logger().info("A claim was refused", extra={"reason": outcome})
        return _refused(outcome)

    def _not_found(self, _error: Exception) -> Response[str]:
        """Whatever has no route; a buyer who got lost is told where to begin."""
        return _shown(self._pages.not_found())

    def _failed(self, error: Exception) -> Response[str]:
        """Something of ours, or a table, failed: nothing is lost, and it may be tried again.

        The text of an exception is not logged, and neither are those it came from: any of them may
        quote what was sent. Its kind, AWS's code and the place say enough.
        """
        answer = getattr(error, "response", None) or {}
        logger().error(
            "A request failed; nothing is lost, and it may be repeated",
            extra={
                "error": type(error).__name__,
                "code": answer.get("Error", {}).get("Code", ""),
                "call": getattr(error, "operation_name", ""),
                "trace": traceback.format_tb(error.__traceback__),
            },
        )
        _count(Metric.REGISTRATIONS_FAILED)
        path = self._routes.current_event.path.rstrip("/")
        if path.endswith(CLAIM_PATH):
            return _refused(Refusal.UNAVAILABLE)
        if path.endswith(REGISTER_PATH):
            return _shown(self._pages.unavailable_at_registration())
        return _shown(self._pages.unavailable_at_signup())

    def _unless_fresh(self, good_for: Standing) -> Response[str] | None:
        """Answer for a code that was used or is not good: the confirmation, or start again."""
        if good_for is Standing.FRESH:
            return None
        if good_for is Standing.SIGNED_UP:
            return _see_other(self._beside("signup/done"))
        logger().info("A code was not good", extra={"reason": good_for.name})
        return _shown(self._pages.expired())

    def _fields(self) -> Fields | Flaw:
        event = self._routes.current_event
        return read_fields(
            event.body,
            is_base64=bool(event.is_base64_encoded),
            content_type=event.headers.get("Content-Type") or "",
        )

    def _beside(self, page: str) -> str:
        """Name a page relative to this one, so that it holds under any stage and any domain."""
        return f"../{page}" if self._routes.current_event.path.endswith("/") else page


def _tell_unavailable(outcome: Unavailable) -> None:
    _count(Metric.REGISTRATIONS_FAILED)
    if outcome.advice:
        logger().error(
            "No buyer can register: AWS Marketplace refuses this function",
            extra={"code": outcome.code, "advice": outcome.advice},
        )
    else:
        logger().warning(
            "AWS Marketplace could not resolve a token now", extra={"code": outcome.code}
        )


def _tell_mail_refused(code: str) -> None:
    logger().error(
        "SES refused a confirmation e-mail; the buyer is signed up all the same",
        extra={"code": code, "advice": "check that sender_email is verified and SES may send"},
    )


def _shown(page: Page) -> Response[str]:
    return Response(page.status, body=page.html, headers=dict(page.headers))


def _see_other(address: str) -> Response[str]:
    """Send the browser on with a GET, whatever it came with: what it posted is not sent along."""
    return Response(303, body="", headers={**SAFE_HEADERS, "Location": address})


def _refused(refusal: Refusal) -> Response[str]:
    again = {"Retry-After": str(RETRY_AFTER_S)} if refusal is Refusal.UNAVAILABLE else {}
    return _json(STATUSES[refusal], {"error": refusal, "message": MESSAGES[refusal]}, **again)


def _json(status: int, body: dict[str, Any], **more_headers: str) -> Response[str]:
    return Response(
        status,
        content_type="application/json",
        body=json.dumps(body),
        headers={**SAFE_HEADERS, **more_headers},
    )


def _count(name: Metric) -> None:
    metrics().add_metric(name, MetricUnit.Count, 1)
    metrics().flush_metrics()
