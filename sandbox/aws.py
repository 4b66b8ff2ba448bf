"""A moto server that is safe enough for money: `python -m sandbox.aws --port N`.

moto answers SQS, DynamoDB, Lambda's configuration, CloudFormation and the rest. As it comes, it
loses conditional writes under threads and leaves out what it does not know without a word; `mend`
corrects what this project stands on. Everything here is about moto 5.2.5.
"""

import argparse
import threading
import time
from email.utils import formatdate
from typing import Any

import time_machine
from moto.awslambda.models import LambdaFunction
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import CloudFormationError, ValidationError
from moto.cloudformation.models import Stack
from moto.core.utils import unix_time_millis
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.sqs.models import Message, Queue, sqs_backends
from werkzeug.serving import run_simple

from sandbox import cloudformation as _added_types  # noqa: F401 - moto finds them by itself
from sandbox.aws_routes import Routes
from sandbox.change_sets import mend_change_sets
from sandbox.patching import replace
from sandbox.verify import LEFT_OUT

HOST = "127.0.0.1"

# How often a waiting ReceiveMessage looks again. moto looks once a real second, which is many
# minutes when emulated time runs fast, and a message that becomes visible is found only then.
RECEIVE_POLL_REAL_SECONDS = 0.02


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.aws", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    mend(port)
    application = Routes(DomainDispatcherApplication(create_backend_app))
    run_simple(HOST, port, application, threaded=True, request_handler=_Handler)


class _Handler(MotoRequestHandler):
    def date_time_string(self, _timestamp: float | None = None) -> str:
        # The SDK of the CDK CLI, which lives in real time, compares this with its own clock and
        # takes every error of a server in another time for one that is worth repeating, slowly.
        real = time_machine.escape_hatch
        return formatdate(real.time.time() if real.is_travelling() else time.time(), usegmt=True)


def mend(port: int) -> None:
    """Correct moto in this process, which will serve at this port."""
    _serialize_dynamodb()
    _switch_off_queue_triggers()
    _keep_messages_sent_during_a_delete()
    _count_messages_at_one_time()
    _poll_queues_often()
    _refuse_what_cloudformation_would_skip()
    _make_again_what_an_earlier_update_removed()
    mend_change_sets()
    _keep_what_is_updated()
    _link_code_to_its_bucket(port)


def _serialize_dynamodb() -> None:
    # moto reads, checks and writes a table without a lock: of 320 conditional transactions from
    # several threads, all reported as successful, 182 to 316 were still there.
    one_at_a_time = threading.RLock()
    call_action = DynamoHandler.call_action

    def call_alone(self: DynamoHandler) -> Any:
        with one_at_a_time:
            return call_action(self)

    replace(DynamoHandler, "call_action", call_alone)


def _switch_off_queue_triggers() -> None:
    # moto would invoke a function for every message sent to its queue: in docker, which is not
    # there, so each attempt fails and counts as a receive.
    nothing = property(lambda _queue: {}, lambda _queue, _given: None)
    replace(Queue, "lambda_event_source_mappings", nothing)


def _keep_messages_sent_during_a_delete() -> None:
    # A delete builds a new list while senders still append to the old one.
    delete_message: Any = Queue.delete_message

    def delete_alone(self: Queue, receipt_handle: str) -> None:
        with self._messages_lock:
            delete_message(self, receipt_handle)

    replace(Queue, "delete_message", delete_alone)


def _count_messages_at_one_time() -> None:
    # moto reads the clock twice for every message, and counts all messages for each one received:
    # a receive from a queue of 300 took 0.3 s, now 2 ms.
    def visible(self: Queue) -> list[Message]:
        now = unix_time_millis()
        return [each for each in self._messages if each.visible_at < now >= each.delayed_until]

    def delayed(self: Queue) -> int:
        now = unix_time_millis()
        return sum(now < each.delayed_until for each in self._messages)

    def in_flight(self: Queue) -> int:
        now = unix_time_millis()
        return sum(now <= each.visible_at for each in self._messages)

    replace(Queue, "messages", property(visible))
    replace(Queue, "approximate_number_of_messages_delayed", property(delayed))
    replace(Queue, "approximate_number_of_messages_not_visible", property(in_flight))


def _poll_queues_often() -> None:
    wait_for_messages: Any = Queue.wait_for_messages

    def wait_briefly(self: Queue, timeout: float) -> None:
        wait_for_messages(self, min(timeout, RECEIVE_POLL_REAL_SECONDS))

    replace(Queue, "wait_for_messages", wait_briefly)


def _refuse_what_cloudformation_would_skip() -> None:
    # moto leaves out a type it does not know and reports CREATE_COMPLETE; and an error inside a
    # type's own code is a 500, which the SDK repeats until it meets the half-made stack.
    class_of, create, update = (
        parsing.resource_class_from_type,
        parsing.parse_and_create_resource,
        parsing.parse_and_update_resource,
    )
    create_resources = Stack.create_resources

    def known_class_of(resource_type: str) -> Any:
        found: Any = class_of(resource_type)
        if found is None and resource_type not in LEFT_OUT:
            raise ValidationError(
                message=f"The sandbox cannot make a {resource_type}; "
                "sandbox/cloudformation/ is the place to add it."
            )
        return found

    def or_refuse(make: Any) -> Any:
        def make_or_refuse(logical_id: str, resource: dict[str, Any], *args: Any, **kw: Any) -> Any:
            try:
                return make(logical_id, resource, *args, **kw)
            except CloudFormationError:
                raise
            except Exception as error:
                raise ValidationError(
                    message=f"{logical_id} ({resource['Type']}) failed in the sandbox: {error!r}"
                ) from error

        return make_or_refuse

    def create_resources_or_roll_back(self: Stack) -> None:
        try:
            create_resources(self)
        except Exception:
            # The state in which the CDK CLI deletes a stack and begins again.
            self.status = "ROLLBACK_COMPLETE"
            raise

    replace(parsing, "resource_class_from_type", known_class_of)
    replace(parsing, "parse_and_create_resource", or_refuse(create))
    replace(parsing, "parse_and_update_resource", or_refuse(update))
    replace(Stack, "create_resources", create_resources_or_roll_back)


def _make_again_what_an_earlier_update_removed() -> None:
    # moto remembers a resource that an update has removed, and takes it for one that is there when
    # a later template has it again.
    update = parsing.ResourceMap.update

    def update_afresh(
        self: parsing.ResourceMap,
        template: dict[str, Any],
        parameters: dict[str, Any] | None = None,
    ) -> None:
        for name in self.build_resource_diff(template, parameters)["Add"]:
            self._parsed_resources.pop(name, None)
        update(self, template, parameters)

    replace(parsing.ResourceMap, "update", update_afresh)


def _keep_what_is_updated() -> None:
    # moto loses sight of a table that an update changes, and forgets the keys of both.
    create_table: Any = Table.create_from_cloudformation_json

    def create_table_and_key(*place: Any, **given: Any) -> Table:
        table: Table = create_table(*place, **given)
        table.sse_specification = _sse(place[1]["Properties"])
        return table

    def update_table(**given: Any) -> Table:
        table: Table = given["original_resource"]
        properties = given["cloudformation_json"]["Properties"]
        if properties.get("TableName", table.name) != table.name:
            raise ValidationError(message=f"{table.name} would be replaced.")
        table.deletion_protection_enabled = properties.get("DeletionProtectionEnabled", False)
        table.sse_specification = _sse(properties)
        return table

    update_queue: Any = Queue.update_from_cloudformation_json

    def update_queue_and_key(**given: Any) -> Queue:
        queue: Queue = update_queue(**given)
        key = given["cloudformation_json"]["Properties"].get("KmsMasterKeyId")
        attributes = {
            "KmsMasterKeyId": key,
            "SqsManagedSseEnabled": str(key is None).lower(),
            # Which moto takes away where an update does not name it.
            "Policy": queue.policy,
        }
        backend = sqs_backends[given["account_id"]][given["region_name"]]
        backend.set_queue_attributes(queue.name, attributes)
        return queue

    replace(Table, "create_from_cloudformation_json", staticmethod(create_table_and_key))
    replace(Table, "update_from_cloudformation_json", staticmethod(update_table))
    replace(Queue, "update_from_cloudformation_json", staticmethod(update_queue_and_key))


def _sse(properties: dict[str, Any]) -> dict[str, Any]:
    """What encrypts a table, in the words of the API, which differ in one from a template's."""
    given = properties.get("SSESpecification", {})
    return {"Enabled": True, **given} if given.get("SSEEnabled") else {}


def _link_code_to_its_bucket(port: int) -> None:
    # The link that moto gives leads nowhere. This one leads to the zip, as the real one does; like
    # that it is signed, as far as moto looks.
    get_code = LambdaFunction.get_code

    def get_code_with_link(self: LambdaFunction) -> dict[str, Any]:
        answer = get_code(self)
        if "S3Key" in self.code:
            place = f"{self.code['S3Bucket']}/{self.code['S3Key']}"
            answer["Code"]["Location"] = f"http://{HOST}:{port}/{place}?Signature=none"
        return answer

    replace(LambdaFunction, "get_code", get_code_with_link)


if __name__ == "__main__":
    main()
