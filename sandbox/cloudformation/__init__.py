"""The CloudFormation types that moto does not know or half knows, made by moto's own backends.

moto finds a type among the direct subclasses of `CloudFormationModel`, the youngest first, so
importing this package before the first stack is all that is needed. Each type says where it
belongs, how it is put there (created, or overwritten), how it is removed, and which attributes it
has.
"""

from sandbox.cloudformation import (  # noqa: F401 - moto finds the types in them by itself
    alarms,
    api,
    api_edge,
    events,
    firewall,
    functions,
    keys,
    notifications,
    schedules,
)
