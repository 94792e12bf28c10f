let text = data.text;
let limit = 0;
const pattern = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
// A token is a string with one character for each of its bytes.
const pair = (left, right) => `${left.length} ${left}${right}`;
const ranks = new Map(data.merges.map(([left, right], i) => [pair(left, right), i]));
const toBytes = (word) => Array.from(new TextEncoder().encode(word), (b) => String.fromCharCode(b));
// The merges that joined something, and what they joined, in the first `limit` ones.
const encode = (limit) => {
  const tokens = [];
  const used = new Set();
  for (const word of text.match(pattern) || []) {
    const parts = toBytes(word);
    for (;;) {
      let best = limit;
      for (let i = 0; i + 1 < parts.length; i += 1) {
        const rank = ranks.get(pair(parts[i], parts[i + 1]));
        if (rank !== undefined && rank < best) best = rank;
      }
      if (best === limit) break;
      used.add(best);
      const [left, right] = data.merges[best];
      for (let i = 0; i + 1 < parts.length; i += 1) {
        if (parts[i] === left && parts[i + 1] === right) parts.splice(i, 2, left + right);
      }
    }
    tokens.push(...parts);
  }
  return { tokens, used };
};
const decoder = new TextDecoder("utf-8", { fatal: true });
const shown = (token) => {
  try {
    const word = decoder.decode(Uint8Array.from(token, (c) => c.charCodeAt(0)));
    return word.replace(/ /g, "␣").replace(/\n/g, "⏎");
  } catch {
    return Array.from(token, (c) => "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0")).join("");
  }
};

const draw = () => {
  const { tokens: parts, used } = encode(limit);
  const newest = limit ? data.merges[limit - 1] : null;
  const joined = newest && used.has(limit - 1) ? newest.join("") : null;
  tokens(parts.map((token) => [shown(token), token === joined]));
  const last = newest ? say(words.last, {merges: limit, left: shown(newest[0]), right: shown(newest[1])}) : "";
  tell({merges: limit, tokens: parts.length, characters: [...text].length}, last);
  putMerges(limit, String(limit), say(words.spoken, {merges: limit, tokens: parts.length}));
};

field(words.text, "input", text, (value) => { text = value; draw(); });
const putMerges = slider(words.merges, {at: 0, max: data.merges.length, show: String}, (at) => { limit = at; draw(); });
button(words.next, () => {
  const later = [...encode(data.merges.length).used].filter((i) => i >= limit);
  limit = later.length ? Math.min(...later) + 1 : data.merges.length;
  draw();
});
start(draw);
