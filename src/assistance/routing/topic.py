"""A topic and its steps, as everything else reads them."""

from dataclasses import dataclass

from assistance.model import Condition, When
from assistance.routing.hours import Hours


@dataclass(frozen=True, slots=True)
class Step:
    """Whom to tell (`notify`, channel names), how many seconds after the request came in, and only if and when."""

    notify: tuple[str, ...]
    after: float = 0.0
    condition: Condition = Condition.ALWAYS
    when: When = When.BOTH


@dataclass(frozen=True, slots=True)
class Topic:
    """What a bot may ask for. `name` is lower case; spans are seconds.

    `expected_response` is how soon an answer is promised during the hours, None for no promise. `expires_in` is how
    long a request waits for somebody. Only with hours is a step's `when` anything but `both`.
    """

    name: str
    title: str
    description: str
    hours: Hours | None
    steps: tuple[Step, ...]
    expected_response: float | None = None
    expires_in: float = 7 * 86_400.0

    def is_open(self, at: float) -> bool:
        """Whether its people are there at `at`; without hours they always are."""
        return self.hours is None or self.hours.is_open(at)

    def next_open_at(self, at: float) -> float | None:
        """When it opens next; None while it is open."""
        return None if self.hours is None else self.hours.next_open(at)
