"""How hard prompts are held to be: explain's `auto.difficulty` against what scripts/difficulty computed of the same prompts
(difficulty.json, which it writes), and APGR over ../shared/choosing (other people's data, read when it is there).

APGR of rows the classifier was trained on says little about its worth; it says that nothing is broken on the way from the
prompt to the number. Its worth is in the recorded figures of rows held back."""

import csv
import gzip
import hashlib
import json
import os
import pathlib
import unittest

import harness
from harness import Gateway
from upstream import Provider, config, endpoint

RECORDED = json.loads((pathlib.Path(__file__).parent / "difficulty.json").read_text(encoding="utf-8"))
DATA = pathlib.Path(os.environ.get("SIGNALBOX_CHOOSING") or harness.ROOT.parent / "shared/choosing") / "routellm-60.csv.gz"


def setUpModule():
    global provider, gateway
    provider = Provider()
    gateway = Gateway(config(provider, [{"id": "test/one", "endpoints": [endpoint("mock")]}])).start()


def tearDownModule():
    provider.stop()
    harness.finish()


def digest(prompt):
    return hashlib.sha256(prompt.encode()).hexdigest()[:16]


def difficulty(prompt):
    body = {"model": "signalbox/auto", "messages": [{"role": "user", "content": prompt}]}
    answer = gateway.call("POST", "/api/v1/signalbox/explain", json.dumps(body).encode())
    return answer.json["auto"]["difficulty"]


def apgr(scores, gains):
    """The mean, over all shares of calls that go to the strong model, of the part of its lead that is kept."""
    kept, area = 0, 0.0
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        area += kept + gains[i] / 2
        kept += gains[i]
    return area / len(gains) / sum(gains)


class Choosing(unittest.TestCase):
    def test_as_trained(self):
        self.assertGreater(len(RECORDED["prompts"]), 25)
        for prompt, expected in RECORDED["prompts"]:
            with self.subTest(prompt[:60]):
                self.assertAlmostEqual(difficulty(prompt), expected, delta=1e-4)

    def test_recorded_figures(self):
        """They are of the weights that are built in (test_as_trained): worse ones are not to be taken by mistake."""
        figures = RECORDED["figures"]
        self.assertGreater(figures["MMLU, rows held back"], 0.68)
        self.assertGreater(figures["GSM8K, rows held back"], 0.65)
        self.assertGreater(figures["subjects held back, classifier"], figures["subjects held back, length alone"] + 0.05)

    def test_only_the_last_user_message(self):
        hard, easy = "Prove that every finite integral domain is a field, and analyze the proof.", "Thank you!"
        turns = [{"role": "system", "content": hard}, {"role": "user", "content": hard}, {"role": "assistant", "content": hard}]
        for content in (easy, [{"type": "text", "text": easy}]):
            body = {"model": "signalbox/auto", "messages": turns + [{"role": "user", "content": content}]}
            found = gateway.call("POST", "/api/v1/signalbox/explain", json.dumps(body).encode()).json["auto"]["difficulty"]
            self.assertEqual(found, difficulty(easy))
        self.assertGreater(difficulty(hard), difficulty(easy) + 0.3)


@unittest.skipUnless(DATA.exists(), f"no {DATA}")
class Rows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with gzip.open(DATA, "rt", newline="", encoding="utf-8") as f:
            cls.rows = list(csv.DictReader(f))

    def test_as_trained(self):
        sample = [r["prompt"] for r in self.rows if digest(r["prompt"]) in RECORDED["rows"]]
        self.assertGreater(len(sample), 100)
        for prompt in sample:
            with self.subTest(prompt[:60]):
                self.assertAlmostEqual(difficulty(prompt), RECORDED["rows"][digest(prompt)], delta=1e-4)

    def test_apgr(self):
        for label, rows in (("GSM8K", [r for r in self.rows if r["set"] == "gsm8k"]), ("MMLU", [r for r in self.rows if r["set"] != "gsm8k"])):
            found = apgr([difficulty(r["prompt"]) for r in rows], [int(r["strong_correct"]) - int(r["weak_correct"]) for r in rows])
            print(f"     APGR of {len(rows)} rows trained on, {label}: {found:.4f}", flush=True)
            self.assertAlmostEqual(found, RECORDED["figures"][label + ", rows trained on"], delta=0.001)


if __name__ == "__main__":
    unittest.main()
