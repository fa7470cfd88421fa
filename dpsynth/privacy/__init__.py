"""The mathematics of privacy: units, budgets, events, their prices, filters and what they mean."""

from dpsynth.privacy.accountant import Price, Profile, price, profile
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import calibrate, fits, mu_of, rho_of
from dpsynth.privacy.events import (
    ApproximateEvent,
    ComposedEvent,
    Event,
    ExponentialEvent,
    GaussianEvent,
    LaplaceEvent,
    NonPrivateEvent,
    PoissonGaussianEvent,
    RepeatedEvent,
    RepeatSelectEvent,
    ZCDPEvent,
    event_from_json,
)
from dpsynth.privacy.filters import BasicFilter, Filter, GDPFilter, ZCDPFilter
from dpsynth.privacy.repeats import Repetitions, base_of
from dpsynth.privacy.risk import Risk, powers, risk
from dpsynth.privacy.unit import Relation, Unit

__all__ = [
    "ApproximateEvent",
    "BasicFilter",
    "Budget",
    "ComposedEvent",
    "Event",
    "ExponentialEvent",
    "Filter",
    "GDPFilter",
    "GaussianEvent",
    "LaplaceEvent",
    "NonPrivateEvent",
    "PoissonGaussianEvent",
    "Price",
    "Profile",
    "Relation",
    "RepeatSelectEvent",
    "RepeatedEvent",
    "Repetitions",
    "Risk",
    "Unit",
    "ZCDPEvent",
    "ZCDPFilter",
    "base_of",
    "calibrate",
    "event_from_json",
    "fits",
    "mu_of",
    "powers",
    "price",
    "profile",
    "rho_of",
    "risk",
]
