// Connection: the WebSocket to the demo. It connects again by itself, and each time gets everything anew.

const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5000;
const ANSWER_WITHIN_MS = 15000;

export class Connection {
  /** heard(change) for each change; state("open" | "lost"). */
  constructor(heard, state) {
    this.heard = heard;
    this.state = state;
    this.waiting = new Map();
    this.number = 0;
    this.pause = FIRST_PAUSE_MS;
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/live`);
    this.socket.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    this.socket.addEventListener("close", () => {
      for (const answer of this.waiting.values()) answer({ ok: false, text: "The connection to the demo was lost." });
      this.waiting.clear();
      this.state("lost");
      setTimeout(() => this.connect(), this.pause);
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
    });
  }

  take(change) {
    if (change.type === "snapshot") {
      this.pause = FIRST_PAUSE_MS;
      this.state("open");
    }
    if (change.type === "done") {
      this.waiting.get(change.number)?.(change);
      this.waiting.delete(change.number);
    } else {
      this.heard(change);
    }
  }

  get open() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** Have something done; gives {ok, text}. */
  act(act) {
    if (!this.open) return Promise.resolve({ ok: false, text: "Not connected just now; trying again." });
    const number = (this.number += 1);
    this.socket.send(JSON.stringify({ ...act, number }));
    return new Promise((resolve) => {
      this.waiting.set(number, resolve);
      setTimeout(() => {
        if (this.waiting.delete(number)) resolve({ ok: false, text: "The demo did not answer." });
      }, ANSWER_WITHIN_MS);
    });
  }
}
