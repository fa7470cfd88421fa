"""Texts of the package faker, which need not be installed here."""

from __future__ import annotations

import sys
import types

import pytest

from dpsynth.errors import ConfigurationError, MissingExtraError
from dpsynth.generators.rules import FakerRule, Rules


class _Provider:
    def city(self) -> str:
        return "never called: the source calls"


class _Words:
    def words_for(self, topic: str) -> str:
        return topic


class _Source:
    def __init__(self, locale: str) -> None:
        if locale == "xx_YY":
            raise AttributeError(locale)
        self.locale, self.made = locale, 0

    def get_providers(self) -> list[object]:
        return [_Provider(), _Words()]

    def seed_instance(self, seed: int) -> None:
        self.seed = seed

    def words_for(self, topic: str) -> str:
        return topic

    def city(self) -> str:
        self.made += 1
        return f"{self.locale} {self.seed % 97} {self.made}"


def test_faker_makes_texts_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("faker")
    module.Faker = _Source  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faker", module)
    rules = Rules(columns=(FakerRule(name="town", provider="city", locale="de_DE", missing=0.3),))
    frame = rules.sample(50, seed=1)
    assert frame.equals(rules.sample(50, seed=1))
    assert frame["town"].dropna().str.startswith("de_DE ").all()
    assert frame["town"].isna().any()
    with pytest.raises(ConfigurationError, match="Column 'f': faker has no provider 'seed_instance'"):
        Rules(columns=(FakerRule(name="f", provider="seed_instance"),)).sample(1)
    with pytest.raises(ConfigurationError, match=r"Column 'f': faker has no locale 'xx_YY'"):
        Rules(columns=(FakerRule(name="f", provider="city", locale="xx_YY"),)).sample(1)
    with pytest.raises(ConfigurationError, match=r"Column 'f': the provider 'words_for' .* arguments"):
        Rules(columns=(FakerRule(name="f", provider="words_for"),)).sample(1)


def test_without_faker_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'dpsynth\[rules\]'"):
        Rules(columns=(FakerRule(name="town", provider="city"),)).sample(1)
