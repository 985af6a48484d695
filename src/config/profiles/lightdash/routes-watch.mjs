// Generates the API's routes again when a controller changes. Unlike `generate-api-dev` it does nothing at its start
// (`prepare` has generated them), looks at contents and not at times, and replaces a generated file only when it is
// another one, whole and formatted: whoever watches it sees one change or none.
//
// Runs in packages/backend.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, watch } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';

const OUT = 'src/generated';
const NEXT = 'src/generated-next'; // as deep as OUT: generated imports are relative
const CONFIG = 'node_modules/.cache/agent-harness/tsoa.yml';
const QUIET = 300; // ms without a further change, because editors and checkouts write several files

const isController = (path) => /(^|\/)controllers\/.*\.ts$/.test(path);
const digest = async (path) => {
    const bytes = await readFile(path).catch(() => '');
    return createHash('sha256').update(bytes).digest('hex');
};

const run = (program, ...args) =>
    new Promise((resolve, reject) => {
        const child = spawn(`node_modules/.bin/${program}`, args, { stdio: 'inherit' });
        child.on('error', reject);
        child.on('exit', (code, signal) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code ?? signal}`))));
    });

const generate = async () => {
    const config = await readFile('tsoa.yml', 'utf8');
    await mkdir('node_modules/.cache/agent-harness', { recursive: true });
    await writeFile(CONFIG, config.replaceAll(`./${OUT}/`, `./${NEXT}/`));
    await rm(NEXT, { recursive: true, force: true });
    await mkdir(NEXT);
    try {
        await run('tsoa', 'spec-and-routes', '--configuration', CONFIG);
        await run('oxfmt', '--write', `./${NEXT}`);
        for (const name of ['swagger.json', 'routes.ts']) {
            if ((await digest(`${NEXT}/${name}`)) === (await digest(`${OUT}/${name}`))) continue;
            await rename(`${NEXT}/${name}`, `${OUT}/${name}`);
            console.log(`${name} is another one`);
        }
    } finally {
        await rm(NEXT, { recursive: true, force: true });
    }
};

const known = new Map();
for (const path of globSync('src/**/controllers/**/*.ts')) known.set(path, await digest(path));

const touched = new Set();
let timer;
let busy = false;
const look = async () => {
    if (busy) return;
    busy = true;
    try {
        while (touched.size > 0) {
            const paths = [...touched];
            touched.clear();
            let changed = false;
            for (const path of paths) {
                const now = await digest(path);
                changed ||= known.get(path) !== now;
                known.set(path, now);
            }
            if (changed) await generate().then(() => console.log('routes are up to date'));
        }
    } catch (error) {
        console.error(`routes were not generated: ${error.message}`);
    } finally {
        busy = false;
    }
};

watch('src', { recursive: true }, (_, name) => {
    if (name === null || !isController(`src/${name}`)) return;
    touched.add(`src/${name}`);
    clearTimeout(timer);
    timer = setTimeout(look, QUIET);
});
console.log(`watching ${known.size} controllers`);
