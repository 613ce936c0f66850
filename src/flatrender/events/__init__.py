"""Events: what happened, told to whoever asked, at least once, never half.

``envelope`` is the shape on the wire; ``outbox`` writes rows in the transaction of the change;
``relay`` hands them to the task queues after commit; ``subscriptions`` runs handlers once per
event and handler.
"""

from flatrender.events.envelope import Envelope, Event

__all__ = ["Envelope", "Event"]
