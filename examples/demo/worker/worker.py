"""The demo's worker: tells the API every few seconds that it is there."""

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

from whoami import whoami


def tick(url):
    request = urllib.request.Request(
        f"{url.rstrip('/')}/ticks",
        data=json.dumps(whoami()).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)["ticks"]


def main():
    url = os.environ["API_URL"]
    interval = float(os.environ.get("INTERVAL", "5"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"worker tells {url} every {interval:g} s", flush=True)
    while True:
        try:
            print(f"tick {tick(url)}", flush=True)
        except (urllib.error.URLError, OSError, ValueError) as error:
            print(f"the API cannot be reached: {error}", file=sys.stderr, flush=True)
        time.sleep(interval)


if __name__ == "__main__":
    main()
