// Fields next to a picture, by which the reader chooses what it shows.

// Adds the columns that a field does not offer yet; the first one named is chosen until the reader chooses.
export function offer(field, columns, first) {
  const known = new Set([...field.options].map(option => option.value));
  for (const { name, label } of columns) if (!known.has(name)) {
    const chosen = name === first && !field.dataset.chosen;
    field.add(new Option(label, name, chosen, chosen));
    if (chosen) field.dataset.chosen = "1";
  }
}

// Boxes that say which axes of a picture are logarithmic, and let the reader choose; another column decides again.
export function logarithmic(picture, boxes, fields, show) {
  const chosen = boxes.map(() => null);
  picture.scaled = (axis, side = 0) => Object.assign(boxes[side], { checked: axis.log, disabled: !axis.positive });
  boxes.forEach((box, side) => box.addEventListener("change", () => { chosen[side] = box.checked; show(chosen); }));
  fields.forEach((field, side) => field.addEventListener("change", () => { chosen[side] = null; show(chosen); }));
}
