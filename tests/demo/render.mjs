// Renders markup with the page's own modules on a document of a few lines, and prints the tree as JSON.
// Input: {"kind": "slack" | "discord", "wire": {...}, "files": [...], "page": directory of the modules}.

class Node {
  constructor(name) {
    Object.assign(this, { name, attributes: {}, children: [], style: {} });
  }
  setAttribute(key, value) { this.attributes[key] = String(value); }
  set className(value) { this.attributes.class = value; }
  set textContent(text) { this.children = [String(text)]; }
  append(...children) { this.children.push(...children); }
  addEventListener() {}
}

globalThis.document = {
  createElement: (name) => new Node(name),
  createElementNS: (_, name) => new Node(name),
};

const plain = (node) => (node instanceof Node
  ? [node.name, node.attributes, ...node.children.map(plain)]
  : String(node));

let input = "";
for await (const part of process.stdin) input += part;
const { kind, wire, files, page } = JSON.parse(input);
const { readDiscord, readSlack } = await import(`${page}/wire.js`);
const names = { me: "1", user: (id) => ({ 1: "Ada", U1: "Ada" })[id], channel: () => "general" };
const shown = (kind === "slack" ? readSlack : readDiscord)(wire, names, files);
process.stdout.write(JSON.stringify({ body: shown.body.map(plain), buttons: shown.buttons }));
