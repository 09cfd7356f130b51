"""The routing file: what it may say, what it says now, and what that means for one request."""

from assistance.routing.explain import ExplainedStep, Explanation, explain
from assistance.routing.file.load import load
from assistance.routing.file.schema import Callback, RouteTest
from assistance.routing.hours import MOMENT, Hours, parse_hours, parse_moment
from assistance.routing.live import LiveRouting
from assistance.routing.plan import expected_response, plan
from assistance.routing.problem import Problem, RoutingError
from assistance.routing.routing import Routing, Step, Topic, UnknownTopicError

__all__ = [
    "MOMENT",
    "Callback",
    "ExplainedStep",
    "Explanation",
    "Hours",
    "LiveRouting",
    "Problem",
    "RouteTest",
    "Routing",
    "RoutingError",
    "Step",
    "Topic",
    "UnknownTopicError",
    "expected_response",
    "explain",
    "load",
    "parse_hours",
    "parse_moment",
    "plan",
]
