"""Recorded answers in the form they were not recorded in (whole ones as streams, streams as whole ones), and with members and
events that nobody knows. What a client is told is the same, by test_recorded.py's measure."""

import json
import unittest

import expected
import harness
import recorded
import restream
import test_recorded


def setUpModule():
    test_recorded.setUpModule()


def tearDownModule():
    harness.finish()


class BothWays(unittest.TestCase):
    maxDiff = None

    def other_form(self, kind, exchange):
        """The exchange in its other form; None: there is none."""
        if exchange.status != 200 or isinstance(kind.read(exchange.body, exchange), str):
            return None
        form = restream.as_whole if exchange.streamed else restream.as_stream
        return form(kind.protocol, exchange)

    def try_all(self, cls):
        cls.setUpClass()
        kind, seen = cls("check"), [0, 0]
        for exchange in kind.exchanges():
            other = self.other_form(kind, exchange)
            if other is None:
                continue
            with self.subTest(exchange.name):
                one, two = kind.read(exchange.body, exchange), kind.read(other.body, other)
                self.assertEqual((two.text, two.reasoning, two.refusal), (one.text, one.reasoning, one.refusal), "restream.py is wrong")
                self.assertTrue(kind.check(other, kind.ask(other)))
                seen[other.streamed] += 1
        print(f"     {cls.protocol}: {seen[1]} whole answers as streams, {seen[0]} streams as whole answers")

    def test_anthropic(self):
        self.try_all(test_recorded.Anthropic)

    def test_gemini(self):
        self.try_all(test_recorded.Gemini)

    def test_vertex(self):
        self.try_all(test_recorded.Vertex)

    def test_bedrock(self):
        self.try_all(test_recorded.Bedrock)

    def test_cohere(self):
        self.try_all(test_recorded.Cohere)

    def test_mistral(self):
        self.try_all(test_recorded.Mistral)

    def test_responses(self):
        self.try_all(test_recorded.Responses)

    def test_openai(self):
        self.try_all(test_recorded.OpenAI)

    def test_azure(self):
        self.try_all(test_recorded.Azure)


class Strangers(unittest.TestCase):
    """What a provider may add some day is no trouble today: members, events and blocks nobody knows change nothing."""
    maxDiff = None

    def try_all(self, cls):
        cls.setUpClass()
        kind, seen = cls("check"), 0
        for exchange in kind.exchanges():
            if exchange.status != 200 or isinstance(kind.read(exchange.body, exchange), str):
                continue
            with self.subTest(exchange.name):
                other = restream.with_strangers(kind.protocol, exchange)
                if other is None:
                    continue
                self.assertEqual(kind.read(other.body, other), kind.read(exchange.body, exchange), "restream.py is wrong")
                self.assertTrue(kind.check(other, kind.ask(other)))
                seen += 1
        print(f"     {cls.protocol}: {seen} answers with what nobody knows")

    def test_anthropic(self):
        self.try_all(test_recorded.Anthropic)

    def test_gemini(self):
        self.try_all(test_recorded.Gemini)

    def test_vertex(self):
        self.try_all(test_recorded.Vertex)

    def test_bedrock(self):
        self.try_all(test_recorded.Bedrock)

    def test_cohere(self):
        self.try_all(test_recorded.Cohere)

    def test_mistral(self):
        self.try_all(test_recorded.Mistral)

    def test_responses(self):
        self.try_all(test_recorded.Responses)


if __name__ == "__main__":
    unittest.main()
