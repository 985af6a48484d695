import { type Checked } from './order.js';

/** A file that a person wants to attach. */
export interface NewFile {
  name: string;
  type: string;
  size: number;
}

/** Largest file that is taken, in bytes. */
export const MAX_FILE_BYTES = 20 * 1024 * 1024;

/** Checks the description of a file. Its name is only ever shown and offered for download, never used as a path. */
export function checkNewFile(input: unknown): Checked<NewFile> {
  const from = typeof input === 'object' && input !== null ? (input as Record<string, unknown>) : {};
  const problems: Record<string, string> = {};
  const name = typeof from.name === 'string' ? displayName(from.name) : '';
  if (name === '') problems.name = 'A file name is needed.';
  const type = typeof from.type === 'string' && /^[\w.+-]{1,60}\/[\w.+-]{1,60}$/.test(from.type) ? from.type : '';
  const size = from.size;
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || size > MAX_FILE_BYTES) {
    problems.size = `A file of at most ${MAX_FILE_BYTES / 1024 / 1024} MiB is needed.`;
  }
  if (Object.keys(problems).length > 0) return { ok: false, problems };
  return { ok: true, value: { name, type: type === '' ? 'application/octet-stream' : type, size: size as number } };
}

/**
 * A name that is safe to show and to offer: the last part of a path, without control characters, of at most 200
 * characters. `..` and nothing at all become `file`.
 */
export function displayName(raw: string): string {
  const last = raw.split(/[/\\]/).pop() ?? '';
  const clean = Array.from(last)
    .filter((character) => !isHidden(character.codePointAt(0) ?? 0))
    .slice(0, 200)
    .join('')
    .trim();
  return clean === '' || clean === '.' || clean === '..' ? 'file' : clean;
}

// Control characters, and those that turn the direction of text round (a name could then lie about its ending).
function isHidden(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code <= 0x9f) ||
    (code >= 0x200e && code <= 0x200f) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069) ||
    (code >= 0xd800 && code <= 0xdfff)
  );
}

/** The value of a `Content-Disposition` that offers `name` for download (RFC 6266, RFC 8187). */
export function attachmentHeader(name: string): string {
  const ascii = displayName(name).replace(/[^\w.-]/g, '_');
  const encoded = encodeURIComponent(displayName(name)).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
