#!/usr/bin/env python3
"""The whole figure: `tests/flow/kill.py --rounds 200 --rate 500`, with $SIGNALBOX_BIN (else the build found).

Each round starts the gateway, sends whole and streamed requests at that rate from 8 clients and kills it at a random
moment. At the end it is started once more and asked for every answer a client has got whole."""

import argparse
import sys

from killing import Rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--rate", type=float, default=500, help="requests a second")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rounds = Rounds(options.threads, options.rate, options.seed)
    rounds.run(options.rounds)
    print(f"rounds {rounds.rounds}, answers checked {len(rounds.got)}, missing {len(rounds.missing)}, "
          f"doubled {len(rounds.doubled)}, wrong cost {len(rounds.wrong)}")
    for what in (rounds.missing + rounds.doubled + rounds.wrong)[:20]:
        print(what)
    return 1 if rounds.missing or rounds.doubled or rounds.wrong or not rounds.got else 0


if __name__ == "__main__":
    sys.exit(main())
