const log = find(".log");
const SIGNS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];
const [START, END] = SIGNS;
const STORE = "course-assistant"; // the browser's, for the file
const LONGEST = 200; // tokens of an answer
const talk = {turns: [], forgotten: 0, stops: true, temperature: 0, p: 0.9};
const says = find(".lm-says"), note = (text) => write(says, text);
const home = new URL(data.src, document.baseURI);
let engine, stopping, failures = 0;

// What comes over the network, or in the reader's words why it doesn't.
const had = (what, signal) => what.catch(() => {
  signal.throwIfAborted();
  throw new Error(words.network);
});
// The model's file, from the browser's own store if it is there; else fetched, and kept there.
const modelFile = async (signal) => {
  const url = new URL(data.model, home).href;
  const store = await globalThis.caches?.open(STORE).catch(() => null);
  const kept = await store?.match(url);
  if (kept) return kept.blob();
  const answer = await had(fetch(url, {signal, cache: "no-store"}), signal); // else it would be kept twice
  if (!answer.ok) throw new Error(say(words.missing, {status: answer.status}));
  const whole = Number(answer.headers.get("Content-Length")), parts = [];
  let got = 0, told = 0;
  const reader = answer.body.getReader(), next = () => had(reader.read(), signal);
  for (let part = await next(); !part.done; part = await next()) {
    parts.push(part.value);
    got += part.value.length;
    if (whole && got / whole >= told + 0.25) note(say(words.loads, {share: percent(told = got / whole)}));
  }
  const file = new Blob(parts);
  // Some networks answer with a page of their own, or stop half-way.
  if (got < whole || (await file.slice(0, 4).text()) !== "GGUF") throw new Error(words.other);
  // A store that is full or forbidden: it is fetched again the next time.
  await store?.put(url, new Response(file)).catch(() => {});
  return file;
};
const load = async (signal) => {
  const file = await modelFile(signal);
  // Firefox keeps it in mind that a script could not be had: the next try needs another address.
  const script = new URL(`esm/index.min.js${failures ? `?${failures}` : ""}`, home).href;
  const {Wllama, LoggerWithoutDebug} = await had(import(script).catch((error) => { failures += 1; throw error; }), signal);
  const made = new Wllama({default: new URL("esm/wasm/wllama.wasm", home).href}, {suppressNativeLog: true, logger: LoggerWithoutDebug});
  // Several threads need a page that is isolated from others, as the server's headers say.
  const threads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
  await made.loadModel([file], {n_ctx: data.window, n_threads: threads, n_gpu_layers: 0}).catch(async (error) => {
    await globalThis.caches?.delete(STORE).catch(() => {}); // the next try fetches it again
    throw error;
  });
  if (signal.aborted) { await made.exit(); signal.throwIfAborted(); }
  return made;
};

const row = (turns) => turns.map(({role, content}) => `${START}${role}\n${content}${END}\n`).join("") + `${START}assistant\n`;
const shown = (role, content) => {
  const line = make("p", log);
  make("b", line, `${words[role]}: `);
  const text = make("span", line, content);
  log.scrollTop = log.scrollHeight;
  return text;
};

// Write the answer to a row, piece by piece, into a place of the page; return how it went.
const answer = async (prompt, place, signal) => {
  const said = {text: "", n: 0};
  const settings = {stream: true, temperature: talk.temperature, top_p: talk.p, top_k: 0, min_p: 0, abortSignal: signal};
  if (!talk.stops) settings.preserved_tokens = SIGNS;
  let first, ended = true, before;
  // Where nobody stops, the end sign is one more token, and the model is asked for the next.
  do {
    before = said.n;
    for await (const piece of await engine.createCompletion({...settings, prompt: prompt + said.text, max_tokens: LONGEST - said.n})) {
      first ??= performance.now();
      const {text, finish_reason} = piece.choices[0];
      said.read = piece.usage?.total_tokens ?? 0; // the conversation's tokens, told at the end
      if (finish_reason) { ended = finish_reason === "stop"; continue; }
      said.n += 1;
      said.text += text;
      place.textContent = said.text;
      log.scrollTop = log.scrollHeight;
    }
  } while (!talk.stops && ended && said.n > before && said.n < LONGEST);
  said.rate = (1000 * (said.n - 1)) / (performance.now() - first);
  return said;
};

// The oldest question goes with its answer, as in chat.trim; the last message stays.
const forgetOldest = () => {
  if (talk.turns.length < 3) return false;
  talk.turns.splice(0, 2);
  talk.forgotten += 2;
  return true;
};
const busy = (on) => {
  const held = [send, stop, clear].includes(document.activeElement); // what is switched off loses the focus
  stop.disabled = !on;
  [send, clear, examples].forEach((control) => { control.disabled = on; });
  log.setAttribute("aria-busy", on);
  if (held) (on ? stop : send).focus();
};
const ask = async () => {
  const content = message.value.trim(), rule = {role: "system", content: system.value};
  if (!engine || !send || send.disabled) return;
  if (!content) return note(words.empty);
  if (SIGNS.some((sign) => (content + rule.content).includes(sign))) return note(say(words.forged, {signs: SIGNS.join(" ")}));
  const before = {turns: [...talk.turns], forgotten: talk.forgotten};
  talk.turns.push({role: "user", content});
  shown("user", content);
  message.value = "";
  const place = shown("assistant", "");
  stopping = new AbortController();
  busy(true);
  note(words.writes);
  // The engine says at once, and in these words, if a conversation is longer than its window.
  const tried = () => answer(row([rule, ...talk.turns]), place, stopping.signal).catch((error) => {
    if (!/exceeds the available context size/.test(error.message)) throw error;
    if (!forgetOldest()) throw new Error(say(words.long, {n: /\d+/.exec(error.message)[0], most: data.window}));
    return tried();
  });
  try {
    const said = await tried();
    talk.turns.push({role: "assistant", content: said.text});
    note(say(words.done, {n: said.n, rate: decimals(said.rate || 0, 1), threads: engine.getNumThreads()}) + (talk.forgotten ? say(words.forgets, {n: talk.forgotten}) : ""));
    // Where the next message and answer would hardly fit, there is room made for them.
    if (said.read > data.window - 2 * LONGEST) forgetOldest();
  } catch (error) {
    // Stopped: what there is stays. Failed, or nothing there: the conversation is as it was.
    const stopped = stopping.signal.aborted;
    if (stopped && place.textContent) talk.turns.push({role: "assistant", content: place.textContent});
    else { Object.assign(talk, before); message.value = content; place.parentElement.previousSibling.remove(); place.parentElement.remove(); }
    note(stopped ? words.stopped : say(words.fails, {why: error.message}));
  }
  // A turn that nobody ended holds signs: the next conversation begins anew.
  if (talk.turns.some((turn) => SIGNS.some((sign) => turn.content.includes(sign)))) {
    talk.turns = [];
    says.append(words.anew);
  }
  busy(false);
};

const forget = () => { Object.assign(talk, {turns: [], forgotten: 0}); log.replaceChildren(); };
const choose = () => {
  const {system: rule, user, stops = true} = words.talks[examples.selectedIndex];
  forget();
  system.value = rule;
  message.value = user;
  goesOn.checked = !stops;
  talk.stops = stops;
  note(words.ready);
};
let examples, system, message, goesOn, send, stop, clear;
const open = () => {
  controls.replaceChildren();
  examples = field(words.example, "select", "", choose);
  words.talks.forEach(({name}) => make("option", examples, name));
  system = field(words.system, "textarea", "", () => {});
  message = field(words.message, "textarea", "", () => {});
  // Enter sends; with Shift it begins a line.
  message.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    ask();
  });
  const bar = make("div", controls);
  send = button(words.send, ask, bar);
  stop = button(words.stop, () => { stopping.abort(); note(words.stops); }, bar);
  clear = button(words.clear, () => { forget(); note(words.cleared); }, bar);
  const heats = [0, 0.3, 0.5, 0.7, 1, 1.5], masses = [0.1, 0.5, 0.8, 0.9, 0.95, 1];
  steps(words.temperature, heats, 0, (v) => decimals(v, 1), (i) => { talk.temperature = heats[i]; });
  steps(words.p, masses, 3, (v) => decimals(v, 2), (i) => { talk.p = masses[i]; });
  const mark = make("label", controls);
  goesOn = make("input", mark);
  goesOn.type = "checkbox";
  goesOn.addEventListener("change", () => { talk.stops = !goesOn.checked; });
  mark.append(` ${words.goesOn}`);
  choose();
  busy(false);
  message.focus();
};
const offer = () => {
  controls.replaceChildren();
  return button(words.open, async () => {
    stopping = new AbortController();
    const {signal} = stopping;
    controls.replaceChildren();
    button(words.cancel, () => stopping.abort()).focus();
    note(say(words.loads, {share: percent(0)}));
    try {
      engine = await load(signal);
      open();
    } catch (error) {
      offer().focus();
      note(signal.aborted ? words.offer : say(words.fails, {why: error.message}));
    }
  });
};
start(() => {
  if (location.protocol === "file:") return note(words.disk);
  offer();
  note(words.offer);
});
