// Runs the unit tests that a change can concern: node scripts/test-changed.mjs <test files…> <commit>
// (npm puts arguments of its own last)
// A test is concerned when it, or anything that it imports, differs from the commit.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tests = process.argv.slice(2);
const commit = tests.pop();

const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);
const changed = new Set([
  ...git('diff', '--name-only', '--no-renames', '--relative', '-z', commit, '--', '.'),
  ...git('ls-files', '--others', '--exclude-standard', '-z'),
]);

// What a source file names: imports, and files beside it (`new URL('../data/', import.meta.url)`).
const NAMED = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)['"]([^'"]+)['"]/g;

function* filesOf(name, from) {
  const path = name === '@shop/common' ? join(root, 'packages/common/src/index.ts') : name.startsWith('.') && resolve(dirname(from), name);
  if (!path) return;
  if (existsSync(path) && statSync(path).isDirectory()) {
    for (const entry of readdirSync(path)) yield join(path, entry);
  } else {
    yield path.replace(/\.js$/, '.ts');
  }
}

function concerned(file, seen) {
  if (seen.has(file)) return false;
  seen.add(file);
  if (changed.has(relative(root, file))) return true;
  if (!existsSync(file) || !statSync(file).isFile()) return false;
  for (const [, name] of readFileSync(file, 'utf8').matchAll(NAMED)) {
    for (const next of filesOf(name, file)) if (concerned(next, seen)) return true;
  }
  return false;
}

const wanted = tests.filter((test) => concerned(resolve(test), new Set()));
if (wanted.length === 0) {
  console.info('# tests 0');
} else {
  process.exitCode = spawnSync(process.execPath, ['--import', 'tsx', '--test', ...wanted], { stdio: 'inherit' }).status ?? 1;
}
