from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from promises import promise
from release.released import Released, fitted, released

from dpsynth import Schema, Unit
from dpsynth.auditing.evidence import Check, Claim, Evidence
from dpsynth.errors import ConfigurationError, PrivacyError, StorageError
from dpsynth.evaluation.results import CONFIDENTIAL, PUBLIC, Disclosure, Evaluation, Result
from dpsynth.generators.aim import AIM
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.choose import Auto
from dpsynth.privacy.events import GaussianEvent
from dpsynth.release import bundle, countersign, publish, verify
from dpsynth.release.certificate import Release, statement
from dpsynth.release.keys import new_key
from dpsynth.schema.columns import Categorical, Integer
from dpsynth.testing.insecure import insecure_noise
from dpsynth.verifier.envelope import unpack
from dpsynth.verifier.envelope import verify as opened


@pytest.fixture
def made(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> Released:
    return released(frame, schema, tmp_path)


def claims(folder: Path) -> dict[str, Any]:
    envelope = unpack((folder / bundle.ENVELOPE).read_bytes())
    told: dict[str, Any] = json.loads(opened(envelope, ()).payload)
    return told


def numbers(told: Any) -> Iterator[float]:
    if isinstance(told, dict | list):
        for part in told.values() if isinstance(told, dict) else told:
            yield from numbers(part)
    elif isinstance(told, int | float):
        yield told


def evidence(**more: Any) -> Evidence:
    fields: dict[str, Any] = {
        "audit": "structural/1",
        "level": "structural",
        "method": "independent",
        "configuration": "0" * 64,
        "threat_model": "everything but one row",
        "claim": Claim(epsilon=1.0, delta=1e-6),
        "runs": 3,
        "checks": (Check(name="plan", passed=True, detail="it is fixed"),),
    }
    return Evidence(**{**fields, **more})


def score(disclosure: Disclosure) -> Evaluation:
    one = Result(name="tvd2", family="fidelity", title="Distance", value=0.1, rows=10, disclosure=disclosure)
    return Evaluation(title="people", results=(one,))


def test_a_release_verifies(made: Released) -> None:
    found = verify(made.folder, trust=(made.trust,), ledger=made.ledger)
    assert found.ok, found.to_text()
    assert {path.name for path in made.folder.iterdir()} == {
        "certificate.dsse.json",
        "croissant.json",
        "data.csv",
        "data.parquet",
        "deployment.json",
        "release-card.html",
        "schema.json",
    }
    assert len(pd.read_parquet(made.folder / "data.parquet")) == 200


def test_the_certificate_says_what_was_done(made: Released, frame: pd.DataFrame) -> None:
    told, guarantee = claims(made.folder)["predicate"], made.model.guarantee
    assert told["claim"]["epsilon"] == guarantee.epsilon
    assert {at["delta"]: at["epsilon"] for at in told["claim"]["epsilon_at"]}[1e-6] == guarantee.epsilon
    assert told["claim"]["mu"] > 0
    assert told["plan"]["digest"] == guarantee.plan_digest
    assert sum(paid["times"] for paid in told["events"]) == len(guarantee.events)
    assert told["sample"]["rows"] == 200
    assert told["sample"]["rows_from"] == "asked"
    assert any("number of rows" in words for words in told["exclusions"])
    assert told["generator"]["configuration"]["type"] == "Independent"
    assert told["ledger"]["reserved"]["sequence"] > told["ledger"]["before"]["sequence"]
    assert len(frame) not in set(numbers(claims(made.folder)))  # nothing counts the private rows


def test_the_private_estimate_is_named_as_such(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    made = released(frame, schema, tmp_path, rows="estimate")
    told = claims(made.folder)["predicate"]
    assert told["sample"]["rows"] == round(made.model.model.total)
    assert told["sample"]["rows_from"] == "private estimate"
    assert not any("number of rows" in words for words in told["exclusions"])


@pytest.mark.parametrize("generator", [AIM(), Auto()])
def test_adaptive_and_chosen_methods_are_certified(
    generator: Any, frame: pd.DataFrame, schema: Schema, tmp_path: Path
) -> None:
    model = fitted(frame, schema, tmp_path / "ledger.db", generator=generator)
    new_key(tmp_path / "key", passphrase=None)
    out = publish(model, rows=50, key=tmp_path / "key", out=tmp_path / "release")
    found = verify(out, trust=(tmp_path / "key.pub",), ledger=tmp_path / "ledger.db")
    assert found.ok, found.to_text()
    told = claims(out)["predicate"]["generator"]
    assert told["configuration"]["type"] == ("AIM" if isinstance(generator, AIM) else "AllPairs")


def test_what_discovery_bought_is_certified(tmp_path: Path) -> None:
    schema = Schema(
        columns=(Categorical(name="colour", out_of_domain="other"), Integer(name="age")), unit=Unit()
    )
    rows = pd.DataFrame({"colour": ["red", "green"] * 400, "age": list(range(40)) * 20})
    model = fitted(rows, schema, tmp_path / "ledger.db", discover=0.5)
    new_key(tmp_path / "key", passphrase=None)
    out = publish(model, rows=50, key=tmp_path / "key", out=tmp_path / "release")
    found = verify(out, trust=(tmp_path / "key.pub",), ledger=tmp_path / "ledger.db")
    assert found.ok, found.to_text()
    told = claims(out)["predicate"]
    assert {one["origin"] for one in told["public_inputs"]["origins"]} == {"dp"}
    assert told["plan"]["adaptive"]


def test_a_run_folder_and_a_model_file_can_be_released(made: Released, tmp_path: Path) -> None:
    made.model.save(tmp_path / "model.dps")
    for place in (tmp_path, tmp_path / "model.dps"):
        out = publish(place, rows=5, key=made.key, out=tmp_path / f"from-{place.name}")
        assert verify(out, trust=(made.trust,)).ok


def test_test_noise_is_never_released(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    with insecure_noise(1), pytest.raises(PrivacyError, match=r"test noise.*Run again outside"):
        released(frame, schema, tmp_path)
    assert not (tmp_path / "release").exists()


def test_assumed_schemas_and_completed_tables_are_never_released(frame: pd.DataFrame, tmp_path: Path) -> None:
    schema = Schema(columns=(Integer(name="age", minimum=0, maximum=99, origin="assumed"),))
    with pytest.raises(PrivacyError, match=r"assumes.*Declare the columns"):
        released(frame[["age"]], schema, tmp_path)


def test_confidential_scores_are_refused(made: Released, tmp_path: Path) -> None:
    with pytest.raises(PrivacyError, match="publish-epsilon"):
        publish(made.model, rows=5, key=made.key, out=tmp_path / "second", scores=score(CONFIDENTIAL))
    assert not (tmp_path / "second").exists()
    paid = Disclosure(kind="dp", epsilon=0.5, delta=1e-9, release="entry")
    out = publish(made.model, rows=5, key=made.key, out=tmp_path / "third", scores=score(paid))
    (told,) = claims(out)["predicate"]["scores"]
    assert (told["epsilon"], told["disclosure"], told["value"]) == (0.5, "dp", 0.1)
    assert verify(
        publish(made.model, rows=5, key=made.key, out=tmp_path / "4", scores=score(PUBLIC))
    ).statements


def test_evidence_is_about_this_method_and_passed(made: Released, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="about 'aim'"):
        publish(made.model, rows=5, key=made.key, out=tmp_path / "a", evidence=[evidence(method="aim")])
    broken = evidence(checks=(Check(name="plan", passed=False, detail="it follows the data"),))
    with pytest.raises(PrivacyError, match="Do not release"):
        publish(made.model, rows=5, key=made.key, out=tmp_path / "b", evidence=[broken])
    out = publish(made.model, rows=5, key=made.key, out=tmp_path / "c", evidence=[evidence()])
    assert claims(out)["predicate"]["audit"] == [evidence().to_json()]
    assert verify(out, trust=(made.trust,)).ok


@pytest.mark.parametrize("publisher", [{"surname": "x"}, {"name": ""}, {"name": 3}])
def test_the_publisher_is_told_in_known_fields(made: Released, publisher: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="publisher"):
        publish(made.model, rows=5, key=made.key, out=tmp_path / "a", publisher=publisher)


def test_the_publisher_is_in_certificate_and_descriptions(made: Released, tmp_path: Path) -> None:
    told = {"name": "Office", "purpose": "Teaching", "licence": "CC-BY-4.0"}
    out = publish(made.model, rows=5, key=made.key, out=tmp_path / "a", publisher=told)
    assert claims(out)["predicate"]["publisher"] == told
    croissant = json.loads((out / "croissant.json").read_text())
    assert croissant["creator"]["name"] == "Office"
    assert croissant["license"] == "CC-BY-4.0"
    assert croissant["rai:dataUseCases"] == ["Teaching"]
    assert (
        croissant["@context"]["isLiveDataset"] == "cr:isLiveDataset"
    )  # or it would be read as a term of schema.org
    forms = {one["encodingFormat"] for one in croissant["distribution"]}
    assert forms <= {"application/x-parquet", "text/csv"}  # what mlcroissant opens
    files = {one["name"]: one["sha256"] for one in croissant["distribution"]}
    subjects = {one["name"]: one["digest"]["sha256"] for one in claims(out)["subject"]}
    assert files == {"data.parquet": subjects["data.parquet"]}
    assert [field["name"] for field in croissant["recordSet"][0]["field"]] == list(made.model.schema.names)
    assert json.loads((out / "deployment.json").read_text())["guarantee"]["epsilon"] == pytest.approx(
        1, abs=0.1
    )


def test_two_officers_can_sign(made: Released, tmp_path: Path) -> None:
    new_key(tmp_path / "second", passphrase=None)
    countersign(made.folder, key=tmp_path / "second")
    for trust in (made.trust, tmp_path / "second.pub"):
        assert verify(made.folder, trust=(trust,)).ok
    with pytest.raises(ConfigurationError, match="signed the release already"):
        countersign(made.folder, key=tmp_path / "second")
    with pytest.raises(StorageError, match="no certificate"):
        countersign(tmp_path, key=tmp_path / "second")
    out = publish(made.model, rows=5, key=[made.key, tmp_path / "second"], out=tmp_path / "both")
    assert len(unpack((out / bundle.ENVELOPE).read_bytes())["signatures"]) == 2
    with pytest.raises(ConfigurationError, match="at least one key"):
        publish(made.model, rows=5, key=[], out=tmp_path / "none")


def test_what_does_not_verify_is_not_written(made: Released, tmp_path: Path, monkeypatch: Any) -> None:
    def low(*arguments: Any, **more: Any) -> dict[str, Any]:
        told = statement(*arguments, **more)
        told["predicate"]["claim"]["epsilon"] = 0.5
        return told

    monkeypatch.setattr(bundle, "statement", low)
    with pytest.raises(StorageError, match="does not pass its own verification"):
        publish(made.model, rows=5, key=made.key, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_nothing_is_overwritten(made: Released) -> None:
    with pytest.raises(StorageError, match="not an empty folder"):
        publish(made.model, rows=5, key=made.key, out=made.folder)


def test_earlier_releases_are_named(schema: Schema) -> None:
    told = {"type": "AllPairs", "earlier": {"type": "Transcript"}}
    about = Release(
        title="people",
        rows=1,
        rows_from="private estimate",
        columns=(),
        post_processing=(),
        chosen="before",
        publisher={},
    )
    subjects = {"schema.json": "0" * 64}
    for configuration, named in ((told, True), ({"type": "AllPairs", "earlier": None}, False)):
        made = statement(
            promise(GaussianEvent(mu=0.1), configuration=configuration), schema, about, subjects=subjects
        )
        assert any("earlier release" in one for one in made["predicate"]["exclusions"]) is named


def test_an_earlier_record_is_kept_out_of_the_settings(
    frame: pd.DataFrame, schema: Schema, made: Released, tmp_path: Path
) -> None:
    first = made.model.transcript
    model = fitted(frame, schema, tmp_path / "second.db", generator=AllPairs(earlier=first))
    assert model.guarantee.configuration["earlier"] == {"type": "Transcript"}
