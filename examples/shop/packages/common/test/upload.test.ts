import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_FILE_BYTES, attachmentHeader, checkNewFile, displayName } from '../src/upload.js';

const names: [string, string][] = [
  ['invoice.pdf', 'invoice.pdf'],
  ['../../etc/passwd', 'passwd'],
  ['C:\\temp\\a b.txt', 'a b.txt'],
  ['..', 'file'],
  ['', 'file'],
  ['a\r\nSet-Cookie: x', 'aSet-Cookie: x'],
  ['photo\u202Egpj.exe', 'photogpj.exe'],
  ['Grüße 🛒.txt', 'Grüße 🛒.txt'],
  ['x'.repeat(300), 'x'.repeat(200)],
];
for (const [raw, shown] of names) {
  test(`${JSON.stringify(raw.slice(0, 30))} is shown as ${JSON.stringify(shown.slice(0, 30))}`, () => {
    assert.equal(displayName(raw), shown);
  });
}

test('a type that is none becomes bytes, a size too large is refused', () => {
  const checked = checkNewFile({ name: 'a', type: 'text/html\r\nx', size: 1 });
  assert.ok(checked.ok);
  assert.equal(checked.value.type, 'application/octet-stream');
  assert.ok(!checkNewFile({ name: 'a', type: 'text/plain', size: MAX_FILE_BYTES + 1 }).ok);
});

test('a hostile name stays inside its header', () => {
  const header = attachmentHeader('a"; x="y ü.txt');
  assert.equal(header, `attachment; filename="a___x__y__.txt"; filename*=UTF-8''a%22%3B%20x%3D%22y%20%C3%BC.txt`);
});
