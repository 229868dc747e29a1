'use strict';
// Heads of tables become buttons that sort by their column: numbers by value, the rest as text.
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      const ascending = head.getAttribute('aria-sort') !== 'ascending';
      heads.forEach((other) => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
      const compare = (one, other) => {
        const [a, b] = [key(one), key(other)];
        const isNumber = a !== '' && b !== '' && !isNaN(a) && !isNaN(b);
        return isNumber ? a - b : a.localeCompare(b, undefined, { numeric: true });
      };
      const rows = [...body.rows].sort((one, other) => (ascending ? 1 : -1) * compare(one, other));
      body.append(...rows);
    });
  });
}
// A printed page has no folds.
addEventListener('beforeprint', () => document.querySelectorAll('details').forEach((fold) => { fold.open = true; }));
