let at = data.threshold;
const share = (x) => decimals(x, 3);
const shown = (x) => decimals(x / 100, 2);

const draw = () => {
  const [negatives, positives] = data.called.map((counts) => counts[0]);
  const [wrong, right] = data.called.map((counts) => counts[at]);
  const [negative, positive] = data.names;
  const precision = wrong + right ? right / (wrong + right) : 0;
  const recall = right / positives;
  find(".line").setAttribute("d", `M${decimals(30 + 2.5 * at, 1)} 10V190`);
  find("circle").setAttribute("cx", decimals(30 + 250 * recall, 1));
  find("circle").setAttribute("cy", decimals(190 - 180 * precision, 1));
  rows(find(".matrix tbody"), [
    [say(words.is, {name: negative}), plain(negatives - wrong), plain(wrong)],
    [say(words.is, {name: positive}), plain(positives - right), plain(right)],
  ]);
  const shares = [precision, recall, 2 * right / (wrong + right + positives), (right + negatives - wrong) / (negatives + positives)];
  rows(find(".scores tbody"), words.scores.map((name, i) => [name, share(shares[i])]));
  tell({
    threshold: shown(at), positive, called: plain(wrong + right), right: plain(right), missed: plain(positives - right),
  });
};
slider(words.threshold, {at, min: 1, max: 99, show: shown}, (x) => { at = x; draw(); });
start(draw);
