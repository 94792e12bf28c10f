const now = {context: 0, ...data.first};
const shown = (name, value) => (value === null ? words.off : name === "k" ? plain(value) : decimals(value, 2));

// Tokens with the same logit stand together: [logit, how many], the likeliest first.
const groupsOf = (context) => {
  const rest = context.rest.map((count, i) => [(context.from - i) / 100, count]);
  const shown = context.shown.map(([, logit]) => [logit / 100, 1]);
  return [...shown, ...rest.filter(([, count]) => count > 0)];
};

// What Sampler.probabilities does: for each group the probability of one token, and how many are kept.
const probabilities = (groups, temperature, k, p) => {
  if (temperature === 0) return groups.map((_, i) => [i === 0 ? 1 : 0, i === 0 ? 1 : 0]);
  let place = 0;
  const least = k === null ? -Infinity : groups.find(([, count]) => (place += count) >= k)?.[0] ?? -Infinity;
  const powers = groups.map(([logit]) => (logit >= least ? Math.exp((logit - groups[0][0]) / temperature) : 0));
  const total = groups.reduce((sum, [, count], i) => sum + count * powers[i], 0);
  let above = 0;
  const kept = groups.map(([, count], i) => {
    const each = powers[i] / total;
    const room = p === null ? count : Math.max(i === 0 ? 1 : 0, Math.min(count, Math.ceil((p - above) / each - 1e-9)));
    above += count * each;
    return each > 0 ? room : 0;
  });
  const left = groups.reduce((sum, _, i) => sum + kept[i] * powers[i], 0);
  return groups.map((_, i) => [kept[i] ? powers[i] / left : 0, kept[i]]);
};

const draw = () => {
  const context = data.contexts[now.context];
  const [temperature, k, p] = ["temperature", "k", "p"].map((name) => data.choices[name][now[name]]);
  const groups = groupsOf(context);
  const own = probabilities(groups, 1, null, null);
  const warm = probabilities(groups, temperature, null, null);
  const drawn = probabilities(groups, temperature, k, p);
  const sum = (f) => groups.reduce((total, _, i) => total + f(i), 0);
  const mass = sum((i) => drawn[i][1] * warm[i][0]);
  const entropy = -sum((i) => (drawn[i][1] ? drawn[i][1] * drawn[i][0] * Math.log(drawn[i][0]) : 0));
  const all = sum((i) => groups[i][1]);
  const open = Math.exp(entropy).toLocaleString("en-US", {minimumFractionDigits: 1, maximumFractionDigits: 1});
  tell({kept: plain(sum((i) => drawn[i][1])), all: plain(all), share: percent(mass), open});
  write(find(".so-far"), context.text);
  // The likeliest tokens have a row each, all others one.
  const n = context.shown.length;
  const others = (list) => list.slice(n).reduce((total, [each, kept]) => total + each * kept, 0);
  const list = context.shown.map(([name], i) => [name, own[i][0], drawn[i][0], !drawn[i][1]]);
  list.push([say(words.others, {n: plain(all - n)}), others(own), others(drawn), !drawn.slice(n).some(([, kept]) => kept)]);
  rows(
    find("tbody"),
    list.map(([name, before, after, cut]) => [name, percent(before), cut ? words.cut : percent(after), [before, after]]),
    list.map(([, , , cut]) => (cut ? "cut" : "")),
  );
};

choice(words.context, data.contexts.map((context) => context.text), 0, (i) => { now.context = i; draw(); });
for (const name of ["temperature", "k", "p"]) {
  steps(words[name], data.choices[name], now[name], (value) => shown(name, value), (at) => { now[name] = at; draw(); });
}
start(draw);
