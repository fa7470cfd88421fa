"""Descriptions of a release for machines: Croissant for search engines, a record for registries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dpsynth._version import __version__
from dpsynth.schema.columns import Boolean, Column, Datetime, Integer, Real

if TYPE_CHECKING:
    from dpsynth.release.certificate import Release
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Guarantee

__all__ = ["croissant", "deployment"]

_FORMATS = {"parquet": "application/x-parquet", "csv": "text/csv"}
_TYPES: dict[type[Column], str] = {
    Boolean: "sc:Boolean",
    Integer: "sc:Integer",
    Real: "sc:Float",
    Datetime: "sc:DateTime",
}
# The terms of Croissant 1.0, all of them: readers compare the whole context with the one that they know.
_TERMS = (
    "citeAs column equivalentProperty extract field fileObject fileProperty fileSet format includes "
    "isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}


def croissant(
    guarantee: Guarantee, schema: Schema, release: Release, files: Mapping[str, str]
) -> dict[str, Any]:
    """Croissant 1.0 with the vocabulary for responsible AI.

    Args:
        guarantee: What is promised.
        schema: Of the table.
        release: What else is told.
        files: SHA-256 of each file with rows, by name.
    """
    words = guarantee.in_words()
    told: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": release.title,
        "description": schema.description or f"Synthetic rows. {words}",
        "version": __version__,
        "isLiveDataset": False,
        "distribution": [_file(name, digest) for name, digest in sorted(files.items())],
        "recordSet": [_record_set(schema, release)],
        "rai:dataCollection": "Drawn from a model that was fitted to noisy answers; no row is a person's.",
        "rai:dataLimitations": "Small groups and rare combinations are distorted by noise.",
        "rai:personalSensitiveInformation": [words],
        "rai:dataReleaseMaintenancePlan": "Further releases about these people are charged to one ledger.",
    }
    publisher = release.publisher
    if "name" in publisher:
        told["creator"] = {"@type": "sc:Organization", "name": publisher["name"]}
    if "licence" in publisher:
        told["license"] = publisher["licence"]
    if "purpose" in publisher:
        told["rai:dataUseCases"] = [publisher["purpose"]]
    return told


def _file(name: str, digest: str) -> dict[str, str]:
    form = _FORMATS[name.rpartition(".")[2]]
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": form,
        "sha256": digest,
    }


def _record_set(schema: Schema, release: Release) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "rows",
        "name": "rows",
        "field": [_field(schema.column(name)) for name in release.columns],
    }


def _field(column: Column) -> dict[str, Any]:
    told = {
        "@type": "cr:Field",
        "@id": f"rows/{column.name}",
        "name": column.name,
        "dataType": _TYPES.get(type(column), "sc:Text"),
        "source": {"fileObject": {"@id": "data.parquet"}, "extract": {"column": column.name}},
    }
    return {**told, "description": column.description} if column.description else told


def deployment(
    guarantee: Guarantee, schema: Schema, release: Release, files: Mapping[str, str]
) -> dict[str, Any]:
    """A record for a registry of deployments, in the order of the pyramid of NIST SP 800-226.

    The registries that exist have no fixed exchange format yet, so the record has a versioned one of its own.
    """
    unit = guarantee.unit
    return {
        "kind": "dpsynth-deployment/1",
        "title": release.title,
        "publisher": dict(release.publisher),
        "guarantee": {
            "flavour": "approximate differential privacy",
            "epsilon": guarantee.epsilon,
            "delta": guarantee.delta,
            "accountant": guarantee.engine,
            "unit_of_privacy": str(unit),
            "neighbouring_relation": unit.relation,
            "contribution_bound": unit.contributions,
            "in_words": guarantee.in_words(),
        },
        "mechanisms": [
            {"step": label, "times": times, "event": event} for label, times, event in guarantee.spending()
        ],
        "trust": {
            "model": "central",
            "composition": "one durable ledger for all releases about the same people",
        },
        "data_product": {
            "type": "synthetic table",
            "method": guarantee.method,
            "rows": release.rows,
            "columns": [
                {"name": name, "kind": schema.column(name).kind, "origin": schema.column(name).origin}
                for name in release.columns
            ],
            "files": dict(files),
        },
        "software": f"dpsynth {guarantee.version}",
        "certificate": "certificate.dsse.json",
    }
