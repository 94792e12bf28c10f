/* A GPT that runs in the reader's browser: the recipes of course_lib.model, the speedrun's parts too.
   course_lib.export writes what `new Transformer(held)` takes. One token a step, with a cache. */
const Transformer = (() => {
  // 16-bit floats as they lie in the file, widened.
  const halves = (bytes) => {
    const raw = new Uint16Array(bytes.buffer), out = new Float32Array(raw.length);
    const wide = new Float32Array(65536);
    for (let h = 0; h < 65536; h++) {
      const sign = h & 0x8000 ? -1 : 1, power = (h >> 10) & 31, rest = h & 1023;
      wide[h] = sign * (power === 0 ? rest * 2 ** -24 : power === 31 ? (rest ? NaN : Infinity) : (1 + rest / 1024) * 2 ** (power - 15));
    }
    for (let i = 0; i < raw.length; i++) out[i] = wide[raw[i]];
    return out;
  };

  // y = W x + b, W row by row: (out, in).
  const linear = (W, x, b) => {
    const n = x.length, y = new Float32Array(W.length / n);
    for (let i = 0, at = 0; i < y.length; i++) {
      let sum = b ? b[i] : 0;
      for (let j = 0; j < n; j++) sum += W[at++] * x[j];
      y[i] = sum;
    }
    return y;
  };
  const mean = (x, f) => { let sum = 0; for (const v of x) sum += f(v); return sum / x.length; };
  const softmax = (scores) => {
    const top = Math.max(...scores), powers = scores.map((score) => Math.exp(score - top));
    const total = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / total);
  };
  // The error function to 1.2e-7 (Abramowitz and Stegun 1964, 7.1.26).
  const erf = (x) => {
    const t = 1 / (1 + 0.3275911 * Math.abs(x));
    const sum = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return Math.sign(x) * (1 - sum * Math.exp(-x * x));
  };
  const activations = {
    gelu: (x) => (x * (1 + erf(x / Math.SQRT2))) / 2,
    gelu_tanh: (x) => (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2,
    relu: (x) => Math.max(0, x),
    relu2: (x) => Math.max(0, x) ** 2,
    swiglu: (x) => x / (1 + Math.exp(-x)),
  };

  // JavaScript's \s is another than Python's.
  const words =
    /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

  return class {
    constructor(held) {
      this.config = held.config;
      this.bytes = held.bytes;
      this.tokens = held.tokens; // of bytes: a character for each
      this.ids = new Map(held.tokens.map((token, id) => [token, id]));
      const text = atob(held.weights), bytes = new Uint8Array(text.length);
      for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
      const all = halves(bytes);
      let at = 0;
      this.weights = Object.fromEntries(held.tensors.map(([name, size]) => [name, all.subarray(at, (at += size))]));
      this.off = new Set(); // heads that are switched off: "layer head"
      this.reset();
    }

    // Text to ids and back: characters that it knows; or byte pairs, the one learned first before others.
    encode(text) {
      if (!this.bytes) return [...text].filter((each) => this.ids.has(each)).map((each) => this.ids.get(each));
      const out = [];
      for (const [word] of text.matchAll(words)) {
        let parts = [...new TextEncoder().encode(word)].map((byte) => String.fromCharCode(byte));
        for (;;) {
          let best = Infinity, at = -1;
          for (let i = 0; i + 1 < parts.length; i++) {
            const id = this.ids.get(parts[i] + parts[i + 1]);
            if (id < best) [best, at] = [id, i];
          }
          if (at < 0) break;
          parts.splice(at, 2, parts[at] + parts[at + 1]);
        }
        for (const part of parts) out.push(this.ids.get(part));
      }
      return out;
    }
    decode(ids) {
      if (!this.bytes) return ids.map((id) => this.tokens[id]).join("");
      const bytes = ids.flatMap((id) => [...this.tokens[id]].map((c) => c.charCodeAt(0)));
      return new TextDecoder("utf-8", {ignoreBOM: true}).decode(Uint8Array.from(bytes));
    }

    reset() {
      this.caches = Array.from({length: this.config.n_layers}, () => ({queries: [], keys: [], values: []}));
      this.length = 0;
      this.past = []; // ids
    }
    // Forget the token that was read last.
    back() {
      for (const {queries, keys, values} of this.caches) for (const list of [queries, keys, values]) list.pop();
      this.past.pop();
      this.length -= 1;
    }

    norm(x, name) {
      const {norm, norm_eps} = this.config, w = this.weights[`${name}.weight`], b = this.weights[`${name}.bias`];
      const middle = norm === "layer" ? mean(x, (v) => v) : 0;
      const scale = 1 / Math.sqrt(mean(x, (v) => (v - middle) ** 2) + norm_eps);
      return x.map((v, i) => (v - middle) * scale * w[i] + (b ? b[i] : 0));
    }
    headNorm(x, width, name) {
      const out = new Float32Array(x.length), w = this.weights[`${name}.weight`];
      for (let start = 0; start < x.length; start += width) {
        const head = x.subarray(start, start + width), scale = 1 / Math.sqrt(mean(head, (v) => v * v) + 1e-6);
        head.forEach((v, i) => { out[start + i] = v * scale * w[i]; });
      }
      return out;
    }
    linear(x, name) {
      return linear(this.weights[`${name}.weight`], x, this.weights[`${name}.bias`]);
    }
    // Pair i of a head's entries turns by its own angle for each place.
    rotate(x, width, place) {
      const half = width / 2, out = new Float32Array(x.length);
      for (let start = 0; start < x.length; start += width) {
        for (let i = 0; i < half; i++) {
          const angle = place * this.config.rope_base ** (-i / half), cos = Math.cos(angle), sin = Math.sin(angle);
          const a = x[start + i], b = x[start + half + i];
          out[start + i] = a * cos - b * sin;
          out[start + half + i] = b * cos + a * sin;
        }
      }
      return out;
    }

    attention(x, layer) {
      const {n_heads, n_kv_heads, positions} = this.config, name = `blocks.${layer}.attention`;
      let [q, k, v] = ["q_proj", "k_proj", "v_proj"].map((part) => this.linear(x, `${name}.${part}`));
      const width = q.length / n_heads, group = n_heads / (n_kv_heads ?? n_heads);
      if (this.config.qk_norm) [q, k] = [this.headNorm(q, width, `${name}.q_norm`), this.headNorm(k, width, `${name}.k_norm`)];
      if (positions === "rope") [q, k] = [q, k].map((part) => this.rotate(part, width, this.length));
      const {queries, keys, values} = this.caches[layer];
      queries.push(q);
      keys.push(k);
      values.push(v);
      const mixed = new Float32Array(q.length), seen = [];
      for (let h = 0; h < n_heads; h++) {
        const own = h * width, shared = Math.floor(h / group) * width;
        const scores = keys.map((key) => {
          let dot = 0;
          for (let i = 0; i < width; i++) dot += q[own + i] * key[shared + i];
          return dot / Math.sqrt(width);
        });
        const weights = softmax(scores);
        seen.push(weights);
        if (this.off.has(`${layer} ${h}`)) continue;
        weights.forEach((weight, j) => {
          for (let i = 0; i < width; i++) mixed[own + i] += weight * values[j][shared + i];
        });
      }
      return [this.linear(mixed, `${name}.out_proj`), seen];
    }
    // The numbers of one look: the query of token i, key and value of token j, in one head; their score.
    look(layer, head, i, j) {
      const {n_heads, n_kv_heads} = this.config, {queries, keys, values} = this.caches[layer];
      const width = queries[i].length / n_heads, shared = Math.floor((head * (n_kv_heads ?? n_heads)) / n_heads);
      const part = (x, at) => x.subarray(at * width, (at + 1) * width);
      const query = part(queries[i], head), key = part(keys[j], shared), value = part(values[j], shared);
      return {query, key, value, score: query.reduce((sum, q, at) => sum + q * key[at], 0) / Math.sqrt(width)};
    }
    mlp(x, layer) {
      const name = `blocks.${layer}.mlp`, act = activations[this.config.mlp], up = this.linear(x, `${name}.up`);
      const hidden = this.config.mlp === "swiglu" ? this.linear(x, `${name}.gate`).map((g, i) => act(g) * up[i]) : up.map(act);
      return this.linear(hidden, `${name}.down`);
    }

    // The rows of the n-grams that a token ends, as model.ngram_rows finds them; 53 bits hold each product.
    ngrams(id) {
      this.past.push(id);
      const rows = [];
      for (let i = 1, key = id; i < (this.config.ngrams ?? 1); i++) {
        key = (key * 1_000_003 + (this.past.at(-1 - i) ?? -1) + 2) % 2_147_483_647;
        rows.push(key % this.config.ngram_table);
      }
      return rows;
    }

    // Read one token: logits of the next, what each head looked at, and the stream behind each block.
    step(id) {
      const {d_model, n_layers, positions} = this.config;
      const row = (table, i) => this.weights[table].slice(i * d_model, (i + 1) * d_model);
      let x = row("token_embedding.weight", id);
      if (positions === "learned") row("position_embedding.weight", this.length).forEach((v, i) => { x[i] += v; });
      for (const each of this.ngrams(id)) row("ngram_embedding.weight", each).forEach((v, i) => { x[i] += v; });
      const attention = [], stream = [x];
      for (let layer = 0; layer < n_layers; layer++) {
        const [looked, weights] = this.attention(this.norm(x, `blocks.${layer}.attention_norm`), layer);
        x = x.map((v, i) => v + looked[i]);
        const made = this.mlp(this.norm(x, `blocks.${layer}.mlp_norm`), layer);
        x = x.map((v, i) => v + made[i]);
        attention.push(weights);
        stream.push(x);
      }
      this.length += 1;
      return {logits: this.logits(x), attention, stream};
    }
    // What the model would say if it stopped at this state.
    logits(state) {
      const logits = linear(this.weights[this.config.tied ? "token_embedding.weight" : "head.weight"], this.norm(state, "norm"));
      const cap = this.config.logit_cap;
      return cap ? logits.map((logit) => cap * Math.tanh(logit / cap)) : logits;
    }
  };
})();
