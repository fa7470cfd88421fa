"""A small certified release, made by hand, for tests of the verifier: signed, with its ledger and its rows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import dpsynth
from dpsynth.ledger import Cap, Ledger, Spend
from dpsynth.privacy import GaussianEvent, price
from dpsynth.privacy.risk import risk
from dpsynth.session import Commitment
from dpsynth.verifier import accounting
from dpsynth.verifier.canonical import canonical
from dpsynth.verifier.envelope import sign, write

TYPE = "application/vnd.in-toto+json"
DELTA = 1e-6
EVENTS = tuple(GaussianEvent(mu=mu) for mu in (0.25, 0.125, 0.125, 1.0))
SCHEMA = dpsynth.Schema(
    columns=(
        dpsynth.Identifier(name="id", pattern="P##"),
        dpsynth.Integer(name="age", minimum=0, maximum=98, step=2, required=True),
        dpsynth.Categorical(name="sex", categories=("Female", "Male")),
        dpsynth.Real(name="income", minimum=0.0, maximum=1000.5, precision=1),
        dpsynth.Datetime(name="day", minimum="2020-01-01", maximum="2020-12-31", temporal="date"),
        dpsynth.Boolean(name="smoker"),
        dpsynth.Formula(name="double", expression="2 * income", precision=1),
    ),
    missing_values=("", "NA"),
)
ROWS = (
    "id,age,sex,income,day,smoker,double\n"
    "P01,20,Female,10.5,2020-02-03,True,21.0\n"
    "P02,98,Male,,2020-12-31,False,\n"
    "P03,0,NA,1000.5,,NA,2001.0\n"
)

Change = Callable[[dict[str, Any]], object]


@dataclass(frozen=True, kw_only=True)
class Release:
    """Where everything lies."""

    folder: Path
    ledger: Path
    public: Path
    key: Ed25519PrivateKey
    statement: dict[str, Any]

    def signed(self, *keys: Ed25519PrivateKey, change: Change | None = None) -> Release:
        """Sign the statement again after a change of it."""
        statement = json.loads(json.dumps(self.statement))
        if change is not None:
            change(statement)
        envelope = sign(canonical(statement), TYPE, keys or (self.key,))
        (self.folder / "certificate.dsse.json").write_bytes(write(envelope))
        return dataclasses.replace(self, statement=statement)

    def rewritten(self, name: str, text: str) -> Release:
        """Replace a file and sign its new digest."""
        (self.folder / name).write_text(text)

        def change(statement: dict[str, Any]) -> None:
            for subject in statement["subject"]:
                subject["digest"]["sha256"] = digest(self.folder / subject["name"])

        return self.signed(change=change)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def public_file(key: Ed25519PrivateKey, path: Path) -> Path:
    """Write the public half of a key."""
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def make_release(place: Path) -> Release:
    """A folder, a ledger and a key in `place`."""
    folder, ledger, key = place / "release", place / "spending.ledger.db", Ed25519PrivateKey.generate()
    folder.mkdir()
    (folder / "data.parquet").write_bytes(b"PAR1 not read here PAR1")
    (folder / "data.csv").write_text(ROWS)
    SCHEMA.save(folder / "schema.json")
    certificate = predicate(paid(ledger), schema=digest(folder / "schema.json"))
    names = ("data.parquet", "data.csv", "schema.json")
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest(folder / name)}} for name in names],
        "predicateType": "urn:dpsynth:release-certificate:1",
        "predicate": certificate,
    }
    release = Release(
        folder=folder,
        ledger=ledger,
        public=public_file(key, place / "KEY.pub"),
        key=key,
        statement=statement,
    )
    return release.signed()


def paid(path: Path, events: Sequence[Any] = EVENTS) -> dict[str, Any]:
    """Spend in a ledger, other runs before and after, and tell the place as a certificate does."""
    cost, commitment = (
        price(events, delta=DELTA),
        Commitment(method="mst", adaptive=False, events=tuple(events)),
    )
    with Ledger.open(path) as ledger:
        account = ledger.account("people", str(SCHEMA.unit), cap=Cap(epsilon=50.0, delta=1e-4))
        earlier = ledger.reserve(account, Spend(epsilon=0.5), method="other", plan_digest="x")
        ledger.release(earlier)
        spend = Spend(epsilon=cost.epsilon, delta=cost.delta, rho=cost.rho)
        reserved = ledger.reserve(account, spend, method="mst", plan_digest=commitment.digest())
        for event in events:
            ledger.draw(reserved, event.to_json())
        ledger.commit(reserved)
        after = ledger.head()
        entries = ledger.entries()
        seen = {"before": entries[reserved.seq - 1], "reserved": reserved, "after": after}
        places = {name: {"sequence": entry.seq, "digest": entry.digest} for name, entry in seen.items()}
        return {"ledger": ledger.identity, "account": "people", **places}


def predicate(place: dict[str, Any], *, schema: str) -> dict[str, Any]:
    """What the certificate says, with the digest of `schema.json`."""
    commitment = Commitment(method="mst", adaptive=False, events=EVENTS)
    events = [{"times": 1, "event": event.to_json()} for event in EVENTS]
    unfolded = [event.to_json() for event in EVENTS]
    told, first = risk(EVENTS, delta=DELTA), price(EVENTS, delta=DELTA)

    def epsilon(delta: float) -> float:
        own = accounting.epsilon(unfolded, delta, adaptive=False).epsilon
        return max(own, price(EVENTS, delta=delta).epsilon)

    def power(rate: float) -> float:
        return math.nextafter(accounting.power(unfolded, rate, adaptive=False), 2)

    claim = {
        "epsilon": epsilon(DELTA),
        "delta": DELTA,
        "accountant": first.engine,
        "epsilon_at": [{"delta": delta, "epsilon": epsilon(delta)} for delta in (1e-5, 1e-9)],
        "mu": first.mu,
        "rho": first.rho,
        "advantage": told.advantage,
        "curve": [
            {"false_positive_rate": rate, "true_positive_rate": power(rate)} for rate in (0.001, 0.01, 0.1)
        ],
        "unit": {**dataclasses.asdict(SCHEMA.unit), "words": str(SCHEMA.unit)},
    }
    configuration = {"type": "MST", "rounds": 3}
    accountants = [
        {"name": "dpsynth.privacy", "version": "1", "epsilon": first.epsilon},
        {"name": "dpsynth.verifier", "version": "1", "epsilon": epsilon(DELTA)},
        {"name": "dp_accounting", "version": "not installed", "epsilon": None},
    ]
    return {
        "title": "People",
        "issued": "2026-11-26T00:00:00Z",
        "claim": claim,
        "plan": {"method": "mst", "adaptive": False, "events": events, "digest": commitment.digest()},
        "events": [{"label": "counts", **event} for event in events],
        "accounting": {"accountants": accountants, "allowance": 1e-6},
        "noise": {"primitive": "discrete Gaussian", "exact": True, "source": "ChaCha20", "seeded": False},
        "public_inputs": {
            "schema": schema,
            "origins": [{"column": column.name, "origin": "declared"} for column in SCHEMA.columns],
            "constraints": 0,
            "rules": 0,
        },
        "generator": {"method": "mst", "configuration": configuration, "chosen": "by name"},
        "sample": {
            "rows": 3,
            "rows_from": "asked",
            "columns": list(SCHEMA.names),
            "post_processing": ["rounded to cells"],
        },
        "ledger": place,
        "audit": [evidence(configuration)],
        "scores": [],
        "risk": {"sentences": [*told.sentences, "Ask the publisher."], "assessment": []},
        "environment": {"dpsynth": "1", "python": "3.11", "platform": "Linux", "packages": {"numpy": "2"}},
        "exclusions": ["The schema is public."],
        "publisher": {"name": "Office"},
    }


def evidence(configuration: dict[str, Any]) -> dict[str, Any]:
    """Audit evidence that passed."""
    return {
        "kind": "dpsynth-audit-evidence/1",
        "audit": "many-runs-gdp/1",
        "level": "end-to-end",
        "method": "mst",
        "configuration": hashlib.sha256(canonical(configuration)).hexdigest(),
        "threat_model": "A stranger sees the release.",
        "claim": {"epsilon": 2.0, "delta": 1e-5, "mu": 0.5},
        "runs": 1000,
        "lower_bound": 1.2,
        "lower_bound_mu": 0.3,
        "confidence": 0.95,
        "ceiling": 3.0,
        "ceiling_mu": 1.0,
        "checks": [{"name": "bound", "passed": True, "detail": "below the claim"}],
        "verdict": "pass",
        "version": "1",
    }
