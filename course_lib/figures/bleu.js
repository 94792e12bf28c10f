const now = {...data};
let order = 1;
// What Python's split() takes for spaces.
const space = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";

const split = (text) => {
  text = text.replace(new RegExp(`${space}$`), "").replaceAll("<skipped>", "").replaceAll("-\n", "");
  for (const [name, sign] of [["quot", '"'], ["amp", "&"], ["lt", "<"], ["gt", ">"]]) text = text.replaceAll(`&${name};`, sign);
  text = ` ${text} `.replace(/[!-&(-+/:-@\[-`{-~]/gu, " $& ");
  text = text.replace(/([^0-9])([.,])/gu, "$1 $2 ").replace(/([.,])([^0-9])/gu, " $1 $2").replace(/([0-9])-/gu, "$1 - ");
  return text.split(new RegExp(space)).filter((word) => word);
};
const pieces = (words, n) => words.slice(0, Math.max(words.length - n + 1, 0)).map((_, i) => words.slice(i, i + n).join(" "));
// Each piece of the reference can be matched once.
const matched = (words, wanted, n) => {
  const left = new Map();
  for (const piece of pieces(wanted, n)) left.set(piece, (left.get(piece) ?? 0) + 1);
  return pieces(words, n).map((piece) => {
    const rest = left.get(piece) ?? 0;
    left.set(piece, rest - 1);
    return [piece, rest > 0];
  });
};

const draw = () => {
  const [written, wanted] = [split(now.hypothesis), split(now.reference)];
  const found = [1, 2, 3, 4].map((n) => matched(written, wanted, n));
  const counts = found.map((list) => [list.filter(([, match]) => match).length, list.length]);
  tokens(found[order - 1]);
  rows(find("tbody"), counts.map(([match, total], i) => [i + 1, match, total, total ? percent(match / total) : words.none]));
  const brevity = written.length ? Math.exp(Math.min(0, 1 - wanted.length / written.length)) : 0;
  let score = 0;
  if (counts.some(([match]) => match) && counts.every(([, total]) => total)) {
    let [logs, half] = [0, 1];
    for (const [match, total] of counts) {
      if (!match) half /= 2;
      logs += Math.log((match || half) / total);
    }
    score = brevity * Math.exp(logs / 4);
  }
  tell({
    words: written.length, wanted: wanted.length, brevity: decimals(brevity, 3), bleu: decimals(100 * score, 1),
  });
};

for (const name of ["hypothesis", "reference"]) field(words[name], "textarea", now[name], (value) => { now[name] = value; draw(); }).rows = 2;
choice(words.show, words.orders, 0, (i) => { order = i + 1; draw(); });
start(draw);
