"use strict";

/* The rows and columns that are shown, as a file. A text that a spreadsheet would run as a formula gets an apostrophe. */

function shownRecords() {
  const data = board().rows;
  const groups = board().groups.map((group) => [group, shownOf(group)]);
  return order.map((row) => {
    const record = {
      subject: data.name[row],
      role: data.kind[row],
      architecture: data.architecture[row],
      latents: data.latents[row],
      l0: l0Of(row).value,
      band: data.band[row],
      status: data.status[row] || "scored here",
    };
    for (const [group, columns] of groups) {
      const standing = group.standing[row];
      if (columns.length) {
        record[`${group.id} rank`] = standing ? span(standing[1], standing[2]) : null;
        record[`${group.id} tie`] = standing ? standing[0] : null;
      }
      for (const column of columns) {
        const { value, low, high, note } = cellOf(column, row);
        const key = `${group.id}/${column.name}`;
        record[key] = value;
        record[`${key} low`] = low;
        record[`${key} high`] = high;
        if (note !== undefined) record[`${key} undefined`] = REASONS[note];
      }
    }
    return record;
  });
}

function csvField(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

function csvOf(records) {
  const names = [...new Set(records.flatMap(Object.keys))];
  const lines = [names, ...records.map((record) => names.map((name) => record[name]))];
  return lines.map((line) => line.map(csvField).join(",")).join("\r\n") + "\r\n";
}

function save(text, type, ending) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = element("a", { href: address, download: `leaderboard-view.${ending}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
